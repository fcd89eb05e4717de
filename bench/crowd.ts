/**
 * Many nodes in one process, each with a stream to the same peer. Told by messages what to do.
 * Usage: crowd.js DIRECTORY REGISTRY COUNT ADDRESS
 */
import { join } from 'node:path';
import type { Conn } from '../src/api/stream.ts';
import type { Daemon } from '../src/daemon/daemon.ts';
import { parseAddress } from '../src/wire/address.ts';
import { startNode } from './stacks/node.ts';
import { BENCH_PORT } from './stacks/pilot.ts';
import { preamble } from './stacks/stack.ts';

/** `start`: nodes; `dial`: a stream with an echo from each; `echo`: from each one echo in each interval, for so long. */
export type CrowdTask =
  | { readonly do: 'start' }
  | { readonly do: 'dial' }
  | { readonly do: 'echo'; readonly seconds: number };

export interface CrowdAnswer {
  /** Milliseconds of echoes. */
  readonly times?: readonly number[];
  readonly error?: string;
}

export const ECHO_INTERVAL = 1_000;
const AT_ONCE = 16;

const [directory, registry, countText, target] = process.argv.slice(2);
const count = Number(countText);
const nodes: Daemon[] = [];
const conns: Conn[] = [];

async function echo(conn: Conn): Promise<number> {
  const start = performance.now();
  await conn.write(new Uint8Array(64));
  for (let left = 64; left > 0; ) {
    const chunk = await conn.read();
    if (chunk === undefined) throw new Error('a stream ended');
    left -= chunk.length;
  }
  return performance.now() - start;
}

async function each(work: (i: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

async function perform(task: CrowdTask): Promise<CrowdAnswer> {
  if (task.do === 'start') {
    await each(async (i) => void nodes.push(await startNode(join(directory!, `crowd-${i}`), registry!)));
    return {};
  }
  if (task.do === 'dial') {
    const address = parseAddress(target!);
    if (typeof address === 'string') throw new TypeError(`not an address: ${target}`);
    const times: number[] = [];
    await each(async (i) => {
      const start = performance.now();
      const conn = await nodes[i]!.streams.dial(address, BENCH_PORT, { timeout: 30_000 });
      await conn.write(preamble(0));
      await echo(conn);
      times.push(performance.now() - start);
      conns.push(conn);
    });
    return { times };
  }
  const times: number[] = [];
  const began = performance.now();
  await Promise.all(
    conns.map(async (conn, i) => {
      const first = began + (i * ECHO_INTERVAL) / conns.length;
      for (let due = first; due < began + task.seconds * 1000; due += ECHO_INTERVAL) {
        await new Promise((resolve) => setTimeout(resolve, due - performance.now()));
        times.push(await echo(conn));
      }
    }),
  );
  return { times };
}

process.on('message', (task: CrowdTask) => {
  perform(task).then(
    (answer) => process.send?.(answer),
    (error: unknown) => process.send?.({ error: String(error) } satisfies CrowdAnswer),
  );
});
process.on('disconnect', () => process.exit(0));
