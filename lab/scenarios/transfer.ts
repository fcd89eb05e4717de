/** One file sent between two agents by the command line, watched where it arrives. */
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Actor, PILOTCTL, type Stage } from '../stage.ts';

/** How often the arriving file is looked at; it grows by 48 KiB. */
const LOOK_EVERY = 10;

export interface TransferResult {
  /** It arrived whole, in one attempt of one command, and its SHA-256 is that of what was sent. */
  readonly complete: boolean;
  /** What the command said when it failed. */
  readonly error: string;
  /** Longest time in which the file did not grow, from the disturbance to the end, ms. */
  readonly gap: number;
  /** The same before the disturbance: what the machine does by itself. */
  readonly before: number;
  /** From the first byte to the last, ms. */
  readonly duration: number;
  readonly bytes: number;
}

export interface TransferOptions {
  readonly stage: Stage;
  readonly from: Actor;
  readonly to: Actor;
  readonly bytes: number;
  /** The share of the file that has arrived when the disturbance begins. */
  readonly at: number;
  readonly disturb: () => Promise<void>;
  /** Give up after, ms. */
  readonly limit: number;
}

interface Growth {
  readonly at: number;
  readonly size: number;
}

/** Sends random bytes; disturbs the network meanwhile; measures when bytes arrived. */
export async function watchedTransfer(options: TransferOptions): Promise<TransferResult> {
  const { stage, from, to, bytes, limit } = options;
  const content = randomBytes(bytes);
  const file = join(stage.directory, `transfer-${process.pid}.bin`);
  writeFileSync(file, content);
  const received = join(to.home, 'received');
  const earlier = new Set(list(received));
  const growth: Growth[] = [];
  let disturbedAt: number | undefined;
  let disturbing: Promise<void> = Promise.resolve();
  const look = (): void => {
    const size = Math.max(
      0,
      ...list(join(received, '.partial')).map((name) => sizeOf(join(received, '.partial', name))),
    );
    const now = performance.now();
    if (size > (growth.at(-1)?.size ?? 0)) growth.push({ at: now, size });
    if (disturbedAt === undefined && size >= bytes * options.at) {
      disturbedAt = now;
      disturbing = Promise.resolve().then(options.disturb);
      disturbing.catch(() => {});
    }
  };
  const watching = setInterval(look, LOOK_EVERY);
  try {
    const error = await command(stage, from, ['send-file', to.name, file, '--json'], limit);
    const endedAt = performance.now();
    await disturbing;
    const arrived = list(received).filter((name) => !earlier.has(name) && name !== '.partial');
    const whole = arrived.some((name) => digest(readFileSync(join(received, name))) === digest(content));
    for (const name of arrived) rmSync(join(received, name));
    const complete = error === '' && whole;
    // A file that never came whole has a gap that lasts to the end of the attempt.
    if (!complete) growth.push({ at: endedAt, size: bytes });
    const first = growth[0]?.at ?? endedAt;
    return {
      complete,
      error: error === '' && !whole ? 'the command succeeded, but no file with this checksum arrived' : error,
      gap: longest(growth, (end) => disturbedAt !== undefined && end > disturbedAt),
      before: longest(growth, (end) => disturbedAt === undefined || end <= disturbedAt),
      duration: (growth.at(-1)?.at ?? endedAt) - first,
      bytes,
    };
  } finally {
    clearInterval(watching);
    rmSync(file, { force: true });
  }
}

/** Runs `pilotctl …` beside this program; resolves with what it said on standard error, "" when it succeeded. */
export function command(stage: Stage, actor: Actor, args: readonly string[], limit: number): Promise<string> {
  const [program, ...words] = [...actor.prefix, process.execPath, PILOTCTL, ...args];
  const child = spawn(program!, words, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: stage.environment(actor),
    timeout: limit,
    killSignal: 'SIGKILL',
  });
  let said = '';
  child.stderr.on('data', (chunk) => {
    said += chunk;
  });
  return new Promise((resolve) => {
    child.on('close', (code) => resolve(code === 0 ? '' : said.trim() || `ended after ${limit} ms`));
  });
}

function longest(growth: readonly Growth[], counts: (end: number) => boolean): number {
  let gap = 0;
  for (let i = 1; i < growth.length; i++) {
    const [start, end] = [growth[i - 1]!.at, growth[i]!.at];
    if (counts(end)) gap = Math.max(gap, end - start);
  }
  return gap;
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function sizeOf(file: string): number {
  try {
    return statSync(file).size;
  } catch {
    // It has just got its final name.
    return 0;
  }
}

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
