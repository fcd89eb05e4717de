/**
 * Do worker threads pay? Trains of frames are sealed by the loop that makes them, and by one and two worker threads
 * that get them through shared memory, with and without another process that wants a core. The hand-over is the
 * cheapest there is: no messages, no copies, and a loop that may block while it waits; a daemon's may not.
 * Run: node dist/bench/workers.js [--seconds 2] [--runs 5] [--frames 44]
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Worker, workerData } from 'node:worker_threads';
import type { Aead } from '../src/base/crypto.ts';
import { loadAccelerator } from '../src/platform/accelerator.ts';
import { nativeAead, nodeAead } from '../src/platform/aead.ts';
import { median, table } from './measure.ts';

const SEGMENT = 1_400;
const LAYOUT = { head: 20, checksumAt: 30 };
const AAD = new Uint8Array(4);
/** Trains under way to one worker: enough that neither side waits for the other's wake-up. */
const SLOTS = 16;

const EMPTY = 0;
const FILLED = 1;
const SEALED = 2;
const OVER = 3;

type Tier = 'accelerator' | 'node:crypto';

interface Shared {
  readonly tier: Tier;
  readonly states: Int32Array;
  readonly trains: readonly Uint8Array[];
}

function option(name: string, fallback: number): number {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
}

function aeadOf(tier: Tier): Aead {
  const key = new Uint8Array(32).fill(7);
  const accelerator = tier === 'accelerator' ? loadAccelerator() : undefined;
  return accelerator === undefined ? nodeAead(key) : nativeAead(accelerator, key);
}

/** A worker: seals what lies in its slots, in order, until it is told that it is over. */
function work({ tier, states, trains }: Shared): void {
  const aead = aeadOf(tier);
  for (let slot = 0; ; slot = (slot + 1) % SLOTS) {
    let state = Atomics.load(states, slot);
    for (; state === EMPTY || state === SEALED; state = Atomics.load(states, slot))
      Atomics.wait(states, slot, state);
    if (state === OVER) return;
    aead.sealTrain(AAD, trains[slot]!, SEGMENT, LAYOUT);
    Atomics.store(states, slot, SEALED);
    Atomics.notify(states, slot);
  }
}

function shared(tier: Tier, bytes: number): Shared {
  const states = new Int32Array(new SharedArrayBuffer(4 * SLOTS));
  const trains = Array.from({ length: SLOTS }, () => new Uint8Array(new SharedArrayBuffer(bytes)));
  return { tier, states, trains };
}

interface Run {
  /** Frames a second. */
  readonly rate: number;
  /** Processor microseconds of all threads for one frame. */
  readonly cpu: number;
}

/** `workers` 0: the loop seals itself. In any case it writes every plaintext and looks at every sealed train. */
async function run(tier: Tier, workers: number, frames: number, seconds: number): Promise<Run> {
  const bytes = frames * SEGMENT;
  const plaintext = new Uint8Array(bytes).fill(1);
  const aead = aeadOf(tier);
  const parts = Array.from({ length: workers }, () => shared(tier, bytes));
  const threads = parts.map((part) => new Worker(fileURLToPath(import.meta.url), { workerData: part }));
  await Promise.all(threads.map((thread) => once(thread, 'online')));
  const own = new Uint8Array(bytes);
  let taken = 0;
  let checked = 0;
  const pass = (): void => {
    if (workers === 0) {
      own.set(plaintext);
      aead.sealTrain(AAD, own, SEGMENT, LAYOUT);
      checked ^= own[bytes - 1]!;
      taken++;
      return;
    }
    for (let slot = 0; slot < SLOTS; slot++) {
      for (const { states, trains } of parts) {
        while (Atomics.load(states, slot) === FILLED) Atomics.wait(states, slot, FILLED);
        const train = trains[slot]!;
        if (Atomics.load(states, slot) === SEALED) {
          checked ^= train[bytes - 1]!;
          taken++;
        }
        train.set(plaintext);
        Atomics.store(states, slot, FILLED);
        Atomics.notify(states, slot);
      }
    }
  };
  for (let warm = 0; warm < (workers === 0 ? 200 : 20); warm++) pass();
  taken = 0;
  const cpuBefore = process.cpuUsage();
  const began = performance.now();
  while (performance.now() - began < seconds * 1000) pass();
  const elapsed = performance.now() - began;
  const { user, system } = process.cpuUsage(cpuBefore);
  for (const { states } of parts) {
    for (let slot = 0; slot < SLOTS; slot++) {
      while (Atomics.load(states, slot) === FILLED) Atomics.wait(states, slot, FILLED);
      Atomics.store(states, slot, OVER);
      Atomics.notify(states, slot);
    }
  }
  await Promise.all(threads.map((thread) => thread.terminate()));
  if (checked < 0) throw new Error('unreachable: keeps the look at the trains');
  return { rate: (taken * frames * 1000) / elapsed, cpu: (user + system) / (taken * frames) };
}

/** A process that wants a whole core: the peer, or the application. */
function competitor(): ChildProcess {
  return spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' });
}

async function main(): Promise<void> {
  const [seconds, runs, frames] = [option('seconds', 2), option('runs', 5), option('frames', 44)];
  const tiers: Tier[] = ['node:crypto'];
  if (loadAccelerator() !== undefined) tiers.push('accelerator');
  console.log(`${availableParallelism()} cores; trains of ${frames} frames of ${SEGMENT} bytes, sealed`);
  for (const isBusy of [false, true]) {
    const results = new Map<string, Run[]>();
    const other = isBusy ? competitor() : undefined;
    try {
      for (let turn = 0; turn < runs; turn++) {
        for (const tier of tiers) {
          for (const workers of [0, 1, 2]) {
            const name = `${tier}, ${workers === 0 ? 'in the loop' : `${workers} worker${workers === 1 ? '' : 's'}`}`;
            results.set(name, [...(results.get(name) ?? []), await run(tier, workers, frames, seconds)]);
          }
        }
      }
    } finally {
      other?.kill();
    }
    const rows = [
      [
        isBusy ? 'another process wants a core' : 'nothing else runs',
        'frames/s',
        'min to max',
        'us of processor',
        'x in the loop',
      ],
    ];
    for (const [name, all] of results) {
      const rates = all.map(({ rate }) => rate);
      const yard = results.get(`${name.split(',')[0]}, in the loop`)!.map(({ rate }) => rate);
      rows.push([
        name,
        median(rates).toFixed(0),
        `${Math.min(...rates).toFixed(0)} to ${Math.max(...rates).toFixed(0)}`,
        median(all.map(({ cpu }) => cpu)).toFixed(2),
        (median(rates) / median(yard)).toFixed(2),
      ]);
    }
    table(rows);
  }
}

if (workerData !== null) work(workerData as Shared);
else await main();
