/**
 * One end of a stack in a process of its own, told by messages what to do. Usage: peer.js STACK WORDS...
 * An end that serves answers as `serve` in bench/stacks has it.
 */
import { type Channel, preamble, type Stack, serve, swallow } from './stacks/stack.ts';
import { stackOf } from './stacks/stack-of.ts';

export type Task =
  | { readonly do: 'listen' }
  /** Bytes one way, until the far application has read them all. */
  | { readonly do: 'bulk'; readonly address: string; readonly bytes: number }
  /** Round trips of 64 bytes on an open stream. */
  | { readonly do: 'echo'; readonly address: string; readonly count: number }
  /** As many streams one after another, each with an echo of 64 bytes. */
  | { readonly do: 'dial'; readonly address: string; readonly count: number }
  /** Fresh channels that write for so long, all at once. */
  | { readonly do: 'flow'; readonly address: string; readonly seconds: number; readonly channels: number }
  /** Round trips of a few bytes, twenty a second for so long; what is lost is left out. */
  | { readonly do: 'probe'; readonly address: string; readonly seconds: number }
  /** Forgets open channels, as after a run that hung. */
  | { readonly do: 'drop' };

export interface Answer {
  readonly address?: string;
  /** Seconds for `bulk`, milliseconds for each round trip and dial, bytes that arrived in time for each channel of `flow`. */
  readonly times?: readonly number[];
  readonly error?: string;
}

const PIECE = 65_536;
/** The far end answers one byte for so many. */
export const ANSWER_EVERY = 1_000_000;

/** The same where little may arrive. */
const FLOW_ANSWER_EVERY = 16_384;

const channels = new Map<string, Channel>();

async function channel(stack: Stack, address: string, total: number): Promise<Channel> {
  const key = `${total} ${address}`;
  const known = channels.get(key);
  if (known !== undefined) return known;
  const fresh = await stack.dial(address);
  channels.set(key, fresh);
  await fresh.write(preamble(total));
  return fresh;
}

async function bulk(stack: Stack, address: string, bytes: number): Promise<number[]> {
  const far = await channel(stack, address, ANSWER_EVERY);
  const piece = Buffer.alloc(PIECE, 0x5a);
  const start = performance.now();
  for (let left = bytes; left > 0; left -= PIECE) {
    await far.write(left < PIECE ? piece.subarray(0, left) : piece);
  }
  await swallow(far, bytes / ANSWER_EVERY);
  return [(performance.now() - start) / 1000];
}

async function echo(stack: Stack, address: string, count: number): Promise<number[]> {
  const far = await channel(stack, address, 0);
  const message = Buffer.alloc(64, 1);
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const start = performance.now();
    await far.write(message);
    await swallow(far, 64);
    times.push(performance.now() - start);
  }
  return times;
}

async function dial(stack: Stack, address: string, count: number): Promise<number[]> {
  const times: number[] = [];
  const message = Buffer.concat([preamble(0), Buffer.alloc(64, 1)]);
  for (let i = 0; i < count; i++) {
    const start = performance.now();
    const far = await stack.dial(address);
    await far.write(message);
    await swallow(far, 64);
    times.push(performance.now() - start);
    far.close();
  }
  return times;
}

/** Bytes of which the far application told within the time. */
async function flow(stack: Stack, address: string, seconds: number): Promise<number> {
  const far = await stack.dial(address);
  let arrived = 0;
  let over = false;
  const answers = (async () => {
    for (let chunk = await far.read(); chunk !== undefined && !over; chunk = await far.read()) {
      arrived += chunk.length * FLOW_ANSWER_EVERY;
    }
  })().catch(() => {});
  const writing = (async () => {
    await far.write(preamble(FLOW_ANSWER_EVERY));
    const piece = Buffer.alloc(PIECE, 0x5a);
    while (!over) await far.write(piece);
  })().catch(() => {});
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  over = true;
  const total = arrived;
  far.close();
  await Promise.race([Promise.all([answers, writing]), new Promise((resolve) => setTimeout(resolve, 1000))]);
  return total;
}

async function probe(stack: Stack, address: string, seconds: number): Promise<number[]> {
  const far = await stack.dial(address);
  const times: number[] = [];
  await far.write(preamble(0));
  const end = performance.now() + seconds * 1000;
  void (async () => {
    for (let chunk = await far.read(); chunk !== undefined; chunk = await far.read()) {
      times.push(performance.now() - Buffer.from(chunk).readDoubleBE(0));
    }
  })();
  while (performance.now() < end) {
    const stamp = Buffer.alloc(8);
    stamp.writeDoubleBE(performance.now(), 0);
    await far.write(stamp);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await new Promise((resolve) => setTimeout(resolve, 500));
  far.close();
  return times;
}

async function perform(stack: Stack, task: Task): Promise<Answer> {
  switch (task.do) {
    case 'listen':
      return { address: await stack.listen((near) => void serve(near)) };
    case 'bulk':
      return { times: await bulk(stack, task.address, task.bytes) };
    case 'echo':
      return { times: await echo(stack, task.address, task.count) };
    case 'dial':
      return { times: await dial(stack, task.address, task.count) };
    case 'flow': {
      const { address, seconds, channels } = task;
      return {
        times: await Promise.all(Array.from({ length: channels }, () => flow(stack, address, seconds))),
      };
    }
    case 'probe':
      return { times: await probe(stack, task.address, task.seconds) };
    case 'drop':
      for (const open of channels.values()) open.close();
      channels.clear();
      return {};
    default:
      throw new TypeError(`no such task: ${JSON.stringify(task satisfies never)}`);
  }
}

const stack = stackOf(process.argv.slice(2));
process.on('message', (task: Task) => {
  stack
    .then((ready) => perform(ready, task))
    .then(
      (answer) => process.send?.(answer),
      (error: unknown) => process.send?.({ error: String(error) } satisfies Answer),
    );
});
process.on('disconnect', () => process.exit(0));
