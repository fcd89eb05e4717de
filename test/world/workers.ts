/** Spreads seeds over child processes: a run of worlds uses every core. */
import { fork } from 'node:child_process';

/** First argument of a worker. */
const SERVE = '--serve';

/** True in a child process: its script calls `serveSeeds`. */
export function isWorker(): boolean {
  return process.argv[2] === SERVE;
}

export interface SeedRun<Result> {
  /** The script that serves the seeds. */
  readonly script: string;
  readonly from: number;
  readonly count: number;
  readonly workers: number;
  onResult(result: Result): void;
}

/** Resolves when every seed was run. Rejects when a worker dies. */
export async function runSeeds<Result>(run: SeedRun<Result>): Promise<void> {
  const { from, count, workers } = run;
  let next = from;
  const take = (): number | undefined => (next < from + count ? next++ : undefined);
  await Promise.all(Array.from({ length: Math.max(1, Math.min(workers, count)) }, () => employ(run, take)));
}

/** In a worker: runs one seed after the other. */
export function serveSeeds<Result>(runSeed: (seed: number) => Promise<Result>): void {
  process.on('message', (seed: number) => {
    void runSeed(seed).then((result) => process.send!(result));
  });
}

function employ<Result>(run: SeedRun<Result>, take: () => number | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = fork(run.script, [SERVE]);
    const feed = (): void => {
      const seed = take();
      if (seed === undefined) worker.disconnect();
      else worker.send(seed);
    };
    worker.on('message', (result: Result) => {
      run.onResult(result);
      feed();
    });
    worker.on('error', reject);
    worker.on('exit', (status) =>
      status === 0 ? resolve() : reject(new Error(`a worker ended with ${status}`)),
    );
    feed();
  });
}
