/**
 * Many short streams, one after another at as many places at once as keep both daemons busy: dial, echo of 64 bytes,
 * close. None may be lost, and afterwards nothing of them may be left: open files, streams, memory.
 * Run: node dist/bench/connections.js [--count 100000] [--at-once 32]
 */
import type { PilotClient } from '../src/sdk/client.ts';
import { percentile, table } from './measure.ts';
import { flag, number } from './options.ts';
import { cpuSeconds, openFiles, residentMegabytes } from './processes.ts';
import { connect, Rig } from './rig.ts';

const count = number('count', flag('short') ? 2_000 : 100_000);
const atOnce = number('at-once', 32);
const ECHO_PORT = 7;
/** The side that closed first remembers a stream for a while. */
const SETTLE = flag('short') ? 5_000 : 70_000;

interface Footprint {
  readonly files: number;
  readonly streams: number;
  readonly megabytes: number;
}

async function footprint(rig: Rig, pid: number, which: 'a' | 'b'): Promise<Footprint> {
  const client = await connect(rig.socket(rig[which]));
  try {
    const { connections } = await client.info();
    return { files: openFiles(pid), streams: connections, megabytes: residentMegabytes(pid) };
  } finally {
    await client.close();
  }
}

async function once(client: PilotClient): Promise<number> {
  const start = performance.now();
  const conn = await client.dial('bench-b', ECHO_PORT, { noDelay: true, timeout: 20_000 });
  await conn.write(new Uint8Array(64).fill(1));
  let left = 64;
  for (let chunk = await conn.read(); chunk !== undefined; chunk = await conn.read()) {
    left -= chunk.length;
    if (left <= 0) break;
  }
  if (left !== 0) throw new Error(`${left} bytes of an echo are missing`);
  await conn.close();
  return performance.now() - start;
}

const rig = new Rig();
try {
  await rig.start({ relayOnly: false });
  const client = await connect(rig.socket(rig.a));
  const pids = [rig.pid(rig.a), rig.pid(rig.b)] as const;
  for (let i = 0; i < 100; i++) await once(client);
  const before = [await footprint(rig, pids[0], 'a'), await footprint(rig, pids[1], 'b')];
  const cpu = cpuSeconds(pids);
  const times: number[] = [];
  const failures = new Map<string, number>();
  let begun = 0;
  const start = performance.now();
  const worker = async (): Promise<void> => {
    while (begun < count) {
      begun++;
      try {
        times.push(await once(client));
      } catch (error) {
        const what = String(error);
        failures.set(what, (failures.get(what) ?? 0) + 1);
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  const seconds = (performance.now() - start) / 1000;
  const spent = cpuSeconds(pids) - cpu;
  await new Promise((resolve) => setTimeout(resolve, SETTLE));
  const after = [await footprint(rig, pids[0], 'a'), await footprint(rig, pids[1], 'b')];
  await client.close();
  console.log(
    `${times.length} of ${count} streams in ${seconds.toFixed(0)} s, ${atOnce} at once: ${(count / seconds).toFixed(0)} a second, ${((spent / count) * 1000).toFixed(2)} ms CPU each in both daemons; dial, echo and close p50 ${percentile(times, 0.5).toFixed(1)} ms, p99 ${percentile(times, 0.99).toFixed(1)} ms`,
  );
  for (const [what, times] of failures) console.log(`${times} × ${what}`);
  table([
    ['daemon', 'open files before', 'after', 'streams before', 'after', 'MB before', 'after'],
    ...['that dialled', 'that accepted'].map((name, i) => [
      name,
      ...[before[i]!.files, after[i]!.files, before[i]!.streams, after[i]!.streams].map(String),
      ...[before[i]!.megabytes, after[i]!.megabytes].map((value) => value.toFixed(0)),
    ]),
  ]);
  const leaked = after.some((end, i) => end.files > before[i]!.files || end.streams > before[i]!.streams);
  if (failures.size > 0 || leaked) process.exitCode = 1;
} finally {
  await rig.stop();
}
process.exit();
