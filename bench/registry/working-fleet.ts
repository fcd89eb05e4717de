/**
 * A fleet behind one address that goes on with its work: `working-fleet.js PORT COUNT`. Each daemon keeps its connection
 * and asks something every few seconds; told over IPC how long to measure, it tells how that went.
 */
import { inParallel, numbers } from './drive.ts';
import { keyOf, Line } from './line.ts';

export interface Work {
  /** Milliseconds. */
  readonly times: readonly number[];
  readonly failed: number;
}

const FROM = '127.0.0.2';
/** Of one daemon, from a question to the next, ms. */
const EVERY = 5000;

const [port, count] = process.argv.slice(2).map(Number) as [number, number];
let times: number[] = [];
let failed = 0;

async function join(number: number): Promise<Line> {
  const line = await Line.open(port, keyOf(number), FROM);
  await line.register({ subscribe: true, public: false });
  await line.goBinary();
  return line;
}

const lines: Line[] = [];
await inParallel(numbers(1, count), 32, async (number) => {
  lines[number - 1] = await join(number);
});
for (const index of lines.keys()) setTimeout(() => void work(index), EVERY * Math.random());
process.on('message', (message: { readonly seconds: number }) => {
  times = [];
  failed = 0;
  setTimeout(() => process.send?.({ times, failed } satisfies Work), message.seconds * 1000);
});
process.on('disconnect', () => process.exit(0));
process.send?.('there');

/** A sign of life, or where the peer that it trusts is: half of each. */
async function work(index: number): Promise<void> {
  const began = performance.now();
  const number = index + 1;
  const peer = number % 2 === 1 ? number + 1 : number - 1;
  try {
    const line = lines[index]!;
    if (Math.random() < 0.5) await line.heartbeat();
    else await line.sign({ type: 'resolve', node_id: peer, requester_id: number });
    times.push(performance.now() - began);
  } catch {
    failed++;
    lines[index] = await join(number).catch(() => lines[index]!);
  }
  setTimeout(() => void work(index), EVERY * (0.5 + Math.random()));
}
