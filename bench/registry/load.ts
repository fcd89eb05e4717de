/**
 * Heartbeats and trust changes at a steady rate for a long time: how late the answers come, and whether memory grows.
 * Requests begin when they are due, whether or not earlier ones were answered, and their time counts from then. The
 * load comes from the same machine.
 * Run: npm run registry-load -- [--seconds 600] [--heartbeats 10000] [--trust 200] [--connections 10000] [--short]
 * Fails when p99 is above 50 ms, or when memory grows by more than 2 MB a minute in the second half: in the first, what is
 * remembered for some minutes fills up.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { percentile, table } from '../measure.ts';
import { flag, number } from '../options.ts';
import { cpuSeconds } from '../processes.ts';
import { inParallel, numbers } from './drive.ts';
import { fill } from './fill.ts';
import { keyOf, Line } from './line.ts';
import { Served, socketsAllowed } from './served.ts';

const short = flag('short');
const seconds = number('seconds', short ? 3 : 600);
const perSecond = number('heartbeats', short ? 200 : 10_000);
const trustPerSecond = number('trust', short ? 10 : 200);
const connections = Math.min(number('connections', short ? 50 : 10_000), socketsAllowed() - 500);
/** Nodes of the store, most of them silent. */
const nodes = number('nodes', short ? 500 : 100_000);
const windows = short ? 4 : 20;
const SOURCES = 4;
const LATEST = 50;
const GROWTH = 2;

interface Sample {
  readonly at: number;
  readonly megabytes: number;
}

const directory = mkdtempSync(join(tmpdir(), 'pilot-load-'));
let registry: Served | undefined;
try {
  await main();
} finally {
  registry?.kill();
  rmSync(directory, { recursive: true, force: true });
}

async function main(): Promise<void> {
  const path = join(directory, 'registry.db');
  await fill(path, nodes, connections, 0);
  registry = await Served.start('registry', path);
  const { pid } = registry.child;
  const lines: Line[] = [];
  await inParallel(numbers(1, connections), 32, async (id) => {
    const line = await Line.open(registry!.port, keyOf(id), `127.0.0.${1 + (id % SOURCES)}`);
    await line.register({ subscribe: true });
    lines.push(line);
  });
  const pairs = Math.min(lines.length >> 1, Math.max(8, trustPerSecond));
  // Those of pairs sign, and go on in JSON.
  const beating = lines.slice(2 * pairs);
  const binary = await Promise.all(beating.map((line) => line.goBinary()));
  await registry.usage();

  const beats: number[] = [];
  const changes: number[] = [];
  const samples: Sample[] = [];
  const failures = new Map<string, number>();
  const began = performance.now();
  const spent = cpuSeconds([pid!]);
  const note = (times: number[], due: number) => () => times.push(performance.now() - due);
  const failed = (error: unknown): void => {
    const text = error instanceof Error ? error.message : String(error);
    failures.set(text, (failures.get(text) ?? 0) + 1);
  };
  const couples = Array.from({ length: pairs }, (_, index) =>
    couple(lines[2 * index]!, lines[2 * index + 1]!),
  );
  let nextBeat = 0;
  let nextChange = 0;
  const underWay = new Set<Promise<unknown>>();
  const follow = (request: Promise<unknown>): void => {
    underWay.add(request);
    void request.finally(() => underWay.delete(request));
  };
  const sampleEvery = (seconds * 1000) / (windows * 5);
  const rows: string[][] = [];
  let windowFrom = { beats: 0, changes: 0 };
  while (performance.now() - began < seconds * 1000) {
    const now = performance.now() - began;
    for (; (nextBeat * 1000) / perSecond <= now; nextBeat++) {
      const due = began + (nextBeat * 1000) / perSecond;
      const line = beating[nextBeat % beating.length]!;
      follow(line.heartbeat().then(note(beats, due), failed));
    }
    for (; (nextChange * 1000) / trustPerSecond <= now; nextChange++) {
      const due = began + (nextChange * 1000) / trustPerSecond;
      follow(couples[nextChange % pairs]!().then(note(changes, due), failed));
    }
    if (now >= samples.length * sampleEvery) {
      samples.push({ at: now / 1000, megabytes: registry.resident() / 1e6 });
      if (samples.length % 5 === 0) {
        rows.push(
          window(now / 1000, beats.slice(windowFrom.beats), changes.slice(windowFrom.changes), samples),
        );
        windowFrom = { beats: beats.length, changes: changes.length };
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await Promise.all(underWay);
  const lasted = (performance.now() - began) / 1000;
  const cpu = cpuSeconds([pid!]) - spent;
  const usage = await registry.usage();

  console.log(
    `${nodes} nodes, ${usage.connections} live connections, ${perSecond} heartbeats/s ` +
      `(${binary.every(Boolean) ? 'binary' : 'JSON'}) and ${trustPerSecond} trust changes/s for ${lasted.toFixed(0)} s`,
  );
  table([['until, s', 'heartbeats p50, ms', 'p99', 'trust changes p50, ms', 'p99', 'memory, MB'], ...rows]);
  const slope = growth(lowest(samples.slice(samples.length >> 1)));
  const worst = Math.max(percentile(beats, 0.99), percentile(changes, 0.99));
  console.log(
    `all: ${beats.length} heartbeats p50 ${percentile(beats, 0.5).toFixed(2)} ms, p99 ${percentile(beats, 0.99).toFixed(1)} ms, ` +
      `longest ${percentile(beats, 1).toFixed(0)} ms; ${changes.length} trust changes p50 ${percentile(changes, 0.5).toFixed(2)} ms, ` +
      `p99 ${percentile(changes, 0.99).toFixed(1)} ms, longest ${percentile(changes, 1).toFixed(0)} ms`,
  );
  console.log(
    `registry: ${((100 * cpu) / lasted).toFixed(0)} % of a core; the event loop was held up for ${usage.longestStall.toFixed(0)} ms at most; ` +
      `in the second half memory grows by ${slope.toFixed(2)} MB a minute`,
  );
  for (const [text, count] of failures) console.log(`${count} requests failed: ${text}`);
  for (const line of lines) line.close();
  await registry.stop();
  const wrong = failures.size > 0 || (!short && (worst > LATEST || slope > GROWTH));
  if (wrong) process.exitCode = 1;
}

/** Each call is the next step of asking, accepting, and taking back; a step waits for the one before. */
function couple(first: Line, second: Line): () => Promise<unknown> {
  const [a, b] = [first.node, second.node];
  const steps = [
    () => first.sign({ type: 'request_handshake', from_node_id: a, to_node_id: b, justification: 'load' }),
    () => second.sign({ type: 'respond_handshake', node_id: b, peer_id: a, accept: true }),
    () => first.sign({ type: 'revoke_trust', node_id: a, peer_id: b }),
  ];
  let next = 0;
  let before: Promise<unknown> = Promise.resolve();
  return () => {
    const step = steps[next++ % steps.length]!;
    before = before.then(step, step);
    return before;
  };
}

function window(
  until: number,
  beats: readonly number[],
  changes: readonly number[],
  samples: readonly Sample[],
): string[] {
  const cells = (times: readonly number[]): string[] =>
    times.length === 0 ? ['', ''] : [percentile(times, 0.5).toFixed(2), percentile(times, 0.99).toFixed(1)];
  return [until.toFixed(0), ...cells(beats), ...cells(changes), samples.at(-1)!.megabytes.toFixed(0)];
}

/** The lowest of every five: what the garbage collector has yet to take comes and goes. */
function lowest(samples: readonly Sample[]): Sample[] {
  const low: Sample[] = [];
  for (let at = 0; at + 5 <= samples.length; at += 5)
    low.push(samples.slice(at, at + 5).reduce((a, b) => (b.megabytes < a.megabytes ? b : a)));
  return low;
}

/** Megabytes a minute, by least squares. */
function growth(samples: readonly Sample[]): number {
  const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
  const [at, size] = [mean(samples.map((one) => one.at)), mean(samples.map(({ megabytes }) => megabytes))];
  const [top, bottom] = samples.reduce(
    ([t, b], one) => [t + (one.at - at) * (one.megabytes - size), b + (one.at - at) ** 2],
    [0, 0],
  );
  return bottom === 0 ? 0 : (60 * top) / bottom;
}
