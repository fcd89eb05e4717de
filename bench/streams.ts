/**
 * Many streams between two daemons: what 10,000 open ones cost each of them, and how long an echo takes while 1,000 of
 * them are in use: each sends 64 bytes twice a second and waits for their return.
 */
import type { Conn } from '../src/api/stream.ts';
import type { PilotClient } from '../src/sdk/client.ts';
import { Contender } from './contender.ts';
import { percentile } from './measure.ts';
import type { RunOptions } from './options.ts';
import { residentMegabytes } from './processes.ts';
import { type Group, machine, Sheet } from './record.ts';
import { connect, Rig } from './rig.ts';
import { BENCH_PORT } from './stacks/pilot.ts';
import { preamble } from './stacks/stack.ts';

const SUBJECTS = [
  { id: 'dialling', name: 'daemon that dialled' },
  { id: 'accepting', name: 'daemon that accepted' },
  { id: 'active', name: 'echo while many are in use' },
];
/** On each side: one program may hold 4,096 streams. */
const PROGRAMS = 3;
/** Dials under way at once. */
const AT_ONCE = 64;
const INTERVAL = 500;

export async function streams({ short }: RunOptions): Promise<Group> {
  const many = short ? 500 : 10_000;
  const active = short ? 50 : 1_000;
  const seconds = short ? 2 : 20;
  const sheet = new Sheet();
  const rig = new Rig();
  const far: Contender[] = [];
  try {
    await rig.start({ relayOnly: false });
    const clients: PilotClient[] = [];
    for (let i = 0; i < PROGRAMS; i++) {
      const words = ['pilot', rig.socket(rig.b), String(BENCH_PORT + i)];
      far.push(await Contender.start({ id: `far-${i}`, name: 'far', server: words, client: words }));
      clients.push(await connect(rig.socket(rig.a)));
    }
    const dialOne = async (i: number): Promise<Conn> => {
      const client = clients[i % PROGRAMS]!;
      const conn = await client.dial('bench-b', BENCH_PORT + (i % PROGRAMS), { noDelay: true });
      await conn.write(preamble(0));
      await echo(conn);
      return conn;
    };
    await dialOne(0);
    const pids = { dialling: rig.pid(rig.a), accepting: rig.pid(rig.b) };
    const before = {
      dialling: residentMegabytes(pids.dialling),
      accepting: residentMegabytes(pids.accepting),
    };
    const began = performance.now();
    const open: Conn[] = [];
    let dialled = 0;
    const dialler = async (): Promise<void> => {
      while (dialled < many) open.push(await dialOne(dialled++));
    };
    await Promise.all(Array.from({ length: AT_ONCE }, dialler));
    const openSeconds = (performance.now() - began) / 1000;
    for (const side of ['dialling', 'accepting'] as const) {
      sheet.add(side, 'stream', ((residentMegabytes(pids[side]) - before[side]) * 1000) / many);
      sheet.add(side, 'resident', residentMegabytes(pids[side]));
    }
    const times = await work(open.slice(0, active), seconds);
    sheet.add('active', 'p50', percentile(times, 0.5));
    sheet.add('active', 'p99', percentile(times, 0.99));
    const p99 = percentile(times, 0.99);
    for (const client of clients) await client.close();
    return {
      ...{ id: 'streams', title: 'Many streams', command: 'npm run bench -- streams' },
      about: `${many} streams between two daemons, each with an echo at its start, opened in ${openSeconds.toFixed(1)} s, ${AT_ONCE} at once; then ${active} of them in use for ${seconds} s, an echo of 64 bytes every ${INTERVAL} ms each (${times.length} echoes), the others open.`,
      machine: machine(),
      metrics: [
        { id: 'stream', title: 'kB a stream', better: 'lower', digits: 1 },
        { id: 'resident', title: 'MB resident', better: 'lower', digits: 0 },
        { id: 'p50', title: 'echo p50, ms', better: 'lower', digits: 1 },
        { id: 'p99', title: 'echo p99, ms', better: 'lower', digits: 1 },
      ],
      subjects: SUBJECTS,
      measured: sheet.measured(),
      goals: [{ text: `echo p99 with ${active} active, ms`, value: p99, bound: 50, better: 'lower' }],
      notes: [],
    };
  } finally {
    for (const program of far) program.stop();
    await rig.stop();
  }
}

async function echo(conn: Conn): Promise<void> {
  await conn.write(new Uint8Array(64));
  for (let left = 64; left > 0; ) {
    const chunk = await conn.read();
    if (chunk === undefined) throw new Error('a stream ended');
    left -= chunk.length;
  }
}

/** Milliseconds of every echo. Streams begin one after another, spread over the interval. */
async function work(conns: readonly Conn[], seconds: number): Promise<number[]> {
  const times: number[] = [];
  const began = performance.now();
  const end = began + seconds * 1000;
  await Promise.all(
    conns.map(async (conn, i) => {
      for (let due = began + (i * INTERVAL) / conns.length; due < end; due += INTERVAL) {
        await new Promise((resolve) => setTimeout(resolve, due - performance.now()));
        const start = performance.now();
        await echo(conn);
        times.push(performance.now() - start);
      }
    }),
  );
  return times;
}
