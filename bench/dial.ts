/**
 * From the dial to the end of an echo of 64 bytes: on a warm tunnel, and cold, when this node has just started and knows
 * neither the peer's address nor a key. And what `pilotctl ping` says of the path.
 */
import { Contender } from './contender.ts';
import { percentile } from './measure.ts';
import type { RunOptions } from './options.ts';
import { type Goal, type Group, machine, Sheet } from './record.ts';
import { connect, Rig } from './rig.ts';

const SUBJECTS = [
  { id: 'tcp', name: 'TCP of Node: a new connection' },
  { id: 'tls', name: 'TLS 1.3 of Node: a new connection' },
  { id: 'warm', name: 'Pilot, warm: a new stream on a tunnel in use' },
  { id: 'cold', name: 'Pilot, cold: first stream after a start' },
  { id: 'ping', name: '`pilotctl ping`: what it tells of the path' },
];
const ECHO_PORT = 7;

export async function dial({ runs, short }: RunOptions): Promise<Group> {
  const count = short ? 20 : 200;
  const colds = short ? 2 : 10;
  const sheet = new Sheet();
  const rig = new Rig();
  const contenders: Contender[] = [];
  try {
    await rig.start({ relayOnly: false });
    for (const id of ['tcp', 'tls']) {
      contenders.push(await Contender.start({ id, name: id, server: [id], client: [id] }));
    }
    const words = { server: ['pilot', rig.socket(rig.b)], client: ['pilot', rig.socket(rig.a)] };
    contenders.push(await Contender.start({ id: 'warm', name: 'warm', ...words }));
    for (const contender of contenders) await contender.dial(10);
    for (let run = 0; run < runs; run++) {
      for (const contender of contenders) add(sheet, contender.id, await contender.dial(count));
      add(sheet, 'ping', pings(rig, short ? 3 : 20));
    }
    for (let i = 0; i < colds; i++) sheet.add('cold', 'p50', await coldDial(rig));
    return {
      ...{ id: 'dial', title: 'Dial and echo', command: 'npm run bench -- dial' },
      about: `milliseconds from the dial to the end of an echo of 64 bytes, ${runs} rounds of ${count} one after another on loopback, ${colds} cold ones.`,
      machine: machine(),
      metrics: [
        { id: 'p50', title: 'p50, ms', better: 'lower', digits: 2, yardstick: 'tls' },
        { id: 'p99', title: 'p99, ms', better: 'lower', digits: 2 },
      ],
      subjects: SUBJECTS,
      measured: sheet.measured(),
      goals: goals(sheet),
      notes: [],
    };
  } finally {
    for (const contender of contenders) contender.stop();
    await rig.stop();
  }
}

function add(sheet: Sheet, subject: string, times: readonly number[]): void {
  sheet.add(subject, 'p50', percentile(times, 0.5));
  sheet.add(subject, 'p99', percentile(times, 0.99));
}

function pings(rig: Rig, count: number): number[] {
  const words = ['ping', 'bench-b', '--count', String(count), '--interval', '20ms'];
  const { results } = rig.stage.json<{ results: { rtt_ms?: number }[] }>(rig.a, words);
  return results.flatMap(({ rtt_ms }) => (rtt_ms === undefined ? [] : [rtt_ms]));
}

async function coldDial(rig: Rig): Promise<number> {
  rig.stopDaemon(rig.a);
  rig.startDaemon(rig.a);
  const client = await connect(rig.socket(rig.a));
  try {
    // What a program waits for is the dial, not the local connection before it.
    await client.info();
    const start = performance.now();
    const conn = await client.dial('bench-b', ECHO_PORT, { noDelay: true });
    await conn.write(new Uint8Array(64));
    for (let left = 64; left > 0; ) left -= (await conn.read())?.length ?? 64;
    const took = performance.now() - start;
    conn.abort();
    return took;
  } finally {
    await client.close();
  }
}

function goals(sheet: Sheet): Goal[] {
  return [
    { text: 'warm, p50, ms', value: sheet.median('warm', 'p50'), bound: 2, better: 'lower' },
    { text: 'cold, p50, ms', value: sheet.median('cold', 'p50'), bound: 8, better: 'lower' },
  ];
}
