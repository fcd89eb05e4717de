/**
 * An hour of what agents do at once: bulk both ways, echoes on an open stream, short streams, datagrams. Prints the
 * memory of both daemons by the minute and its slope over the second half. Run: node dist/bench/mixed-load.js [--minutes 60]
 */
import type { PilotClient } from '../src/sdk/client.ts';
import { percentile, table } from './measure.ts';
import { flag, number } from './options.ts';
import { cpuSeconds, openFiles, residentMegabytes } from './processes.ts';
import { connect, Rig } from './rig.ts';

const minutes = number('minutes', flag('short') ? 0.3 : 60);
const ECHO_PORT = 7;
const DATAGRAM_PORT = 5003;
/** Bytes a second of each bulk stream; a machine that does this for an hour has something left. */
const BULK_RATE = 1_000_000;
/** Growth that counts as flat, MB an hour. */
const FLAT = 10;

interface Tally {
  bulk: number;
  short: number;
  datagrams: number;
  readonly echoes: number[];
}

const tally: Tally = { bulk: 0, short: 0, datagrams: 0, echoes: [] };
let end = 0;
const going = (): boolean => performance.now() < end;
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function echoOnce(client: PilotClient, to: string, bytes: number): Promise<void> {
  const conn = await client.dial(to, ECHO_PORT, { noDelay: true });
  await conn.write(new Uint8Array(bytes));
  for (let left = bytes; left > 0; ) left -= (await conn.read())?.length ?? left;
  await conn.close();
}

async function bulk(client: PilotClient, to: string): Promise<void> {
  const piece = new Uint8Array(65_536);
  while (going()) {
    const conn = await client.dial(to, ECHO_PORT);
    const began = performance.now();
    let sent = 0;
    let back = 0;
    const reading = (async () => {
      for (let chunk = await conn.read(); chunk !== undefined; chunk = await conn.read())
        back += chunk.length;
    })();
    while (going() && sent < 30 * BULK_RATE) {
      await conn.write(piece);
      sent += piece.length;
      await sleep((sent / BULK_RATE) * 1000 - (performance.now() - began));
    }
    await conn.endWriting();
    await reading;
    await conn.close();
    if (back !== sent) throw new Error(`${sent - back} bytes of a bulk stream are missing`);
    tally.bulk += sent;
  }
}

async function echoes(client: PilotClient, to: string): Promise<void> {
  const conn = await client.dial(to, ECHO_PORT, { noDelay: true });
  while (going()) {
    const start = performance.now();
    await conn.write(new Uint8Array(64));
    for (let left = 64; left > 0; ) left -= (await conn.read())?.length ?? left;
    tally.echoes.push(performance.now() - start);
    await sleep(100);
  }
  await conn.close();
}

async function shortStreams(client: PilotClient, to: string): Promise<void> {
  for (; going(); await sleep(50)) {
    await echoOnce(client, to, 1_000);
    tally.short++;
  }
}

async function datagrams(client: PilotClient, to: string): Promise<void> {
  for (; going(); await sleep(50)) {
    await client.sendDatagram(to, DATAGRAM_PORT, new Uint8Array(500));
    tally.datagrams++;
  }
}

/** MB an hour: least squares over what was seen in the second half. */
function slope(samples: readonly { readonly at: number; readonly megabytes: number }[]): number {
  const half = samples.slice(Math.floor(samples.length / 2));
  const mean = (of: (sample: (typeof half)[number]) => number): number =>
    half.reduce((sum, sample) => sum + of(sample), 0) / half.length;
  const [x, y] = [mean(({ at }) => at), mean(({ megabytes }) => megabytes)];
  const above = half.reduce((sum, { at, megabytes }) => sum + (at - x) * (megabytes - y), 0);
  const below = half.reduce((sum, { at }) => sum + (at - x) ** 2, 0);
  return below === 0 ? 0 : (above / below) * 3_600_000;
}

const rig = new Rig();
try {
  await rig.start({ relayOnly: false });
  const [a, b] = [await connect(rig.socket(rig.a)), await connect(rig.socket(rig.b))];
  const pids = [rig.pid(rig.a), rig.pid(rig.b)];
  const files = pids.map(openFiles);
  const cpu = cpuSeconds(pids);
  const samples = pids.map(() => [] as { at: number; megabytes: number }[]);
  end = performance.now() + minutes * 60_000;
  const load = Promise.all([
    ...[bulk(a, 'bench-b'), bulk(b, 'bench-a'), echoes(a, 'bench-b'), echoes(b, 'bench-a')],
    ...[
      shortStreams(a, 'bench-b'),
      shortStreams(b, 'bench-a'),
      datagrams(a, 'bench-b'),
      datagrams(b, 'bench-a'),
    ],
  ]);
  const every = Math.min(60_000, (minutes * 60_000) / 10);
  const started = performance.now();
  const watching = (async () => {
    for (; going(); await sleep(every)) {
      for (const [i, pid] of pids.entries()) {
        samples[i]!.push({ at: performance.now() - started, megabytes: residentMegabytes(pid) });
      }
    }
  })();
  await Promise.all([load, watching]);
  await Promise.all([a.close(), b.close()]);
  await sleep(2_000);
  const share = (cpuSeconds(pids) - cpu) / pids.length / (minutes * 60);
  console.log(
    `${minutes} minutes: ${(tally.bulk / 1e9).toFixed(2)} GB there and back, ${tally.short} short streams, ${tally.datagrams} datagrams, ${tally.echoes.length} echoes (p50 ${percentile(tally.echoes, 0.5)?.toFixed(1)} ms, p99 ${percentile(tally.echoes, 0.99)?.toFixed(1)} ms); ${(share * 100).toFixed(0)} % of a core each`,
  );
  table([
    ['daemon', 'MB', 'open files before', 'after', 'MB an hour, second half'],
    ...samples.map((series, i) => [
      ['a', 'b'][i]!,
      series.map(({ megabytes }) => megabytes.toFixed(0)).join(' '),
      ...[files[i]!, openFiles(pids[i]!)].map(String),
      slope(series).toFixed(1),
    ]),
  ]);
  if (minutes >= 30 && samples.some((series) => slope(series) > FLAT)) process.exitCode = 1;
} finally {
  await rig.stop();
}
process.exit();
