/** How load is put on, and what came of it. */
import { percentile } from '../measure.ts';
import { cpuSeconds } from '../processes.ts';

/** What one kind of request came to. */
export interface Rate {
  readonly perSecond: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly count: number;
  /** Processor time of the server for one, microseconds; what else the machine does hardly matters to it. */
  readonly cpu: number;
}

/** Every worker does one after another, as fast as it is answered, for so long; `server` is the process that answers. */
export async function closedLoop<Worker>(
  workers: readonly Worker[],
  seconds: number,
  server: number,
  one: (worker: Worker) => Promise<unknown>,
): Promise<Rate> {
  const times: number[] = [];
  const spent = cpuSeconds([server]);
  const began = performance.now();
  const end = began + seconds * 1000;
  await Promise.all(
    workers.map(async (worker) => {
      for (let at = performance.now(); at < end; ) {
        await one(worker);
        const now = performance.now();
        times.push(now - at);
        at = now;
      }
    }),
  );
  const cpu = (1e6 * (cpuSeconds([server]) - spent)) / times.length;
  return rateOf(times, (performance.now() - began) / 1000, cpu);
}

export function rateOf(times: readonly number[], seconds: number, cpu: number): Rate {
  return {
    perSecond: times.length / seconds,
    p50: percentile(times, 0.5),
    p99: percentile(times, 0.99),
    count: times.length,
    cpu,
  };
}

/** Runs `one` on every item, `width` at once. */
export async function inParallel<Item>(
  items: Iterable<Item>,
  width: number,
  one: (item: Item) => Promise<unknown>,
): Promise<void> {
  const iterator = items[Symbol.iterator]();
  await Promise.all(
    Array.from({ length: width }, async () => {
      for (let next = iterator.next(); next.done !== true; next = iterator.next()) await one(next.value);
    }),
  );
}

export function* numbers(from: number, to: number): Generator<number> {
  for (let number = from; number <= to; number++) yield number;
}
