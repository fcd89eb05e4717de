/**
 * Runs sequences by seed: `run.ts --from 1 --count 10000 --workers 2`. Prints what a failed one did; exit status 1
 * when any sequence and the model disagree.
 */
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { isWorker, runSeeds, serveSeeds } from '../workers.ts';
import type { Verdict } from './sequence.ts';

if (isWorker()) await serve();
else process.exitCode = await main();

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      from: { type: 'string', default: '1' },
      count: { type: 'string', default: '200' },
      workers: { type: 'string', default: String(availableParallelism()) },
      verbose: { type: 'boolean', default: false },
    },
  });
  const [from, count, workers] = [values.from, values.count, values.workers].map(Number) as [
    number,
    number,
    number,
  ];
  const startedAt = performance.now();
  const total = { sequences: 0, wrong: 0, operations: 0, checks: 0, virtual: 0 };
  const report = (verdict: Verdict): void => {
    total.sequences++;
    total.operations += verdict.operations;
    total.checks += verdict.checks;
    total.virtual += verdict.virtualMs;
    if (verdict.failures.length > 0) total.wrong++;
    if (verdict.failures.length > 0 || values.verbose) print(verdict);
    if (total.sequences % 500 === 0) console.log(`${total.sequences} sequences, ${total.wrong} wrong`);
  };
  const script = fileURLToPath(import.meta.url);
  await runSeeds<Verdict>({ script, from, count, workers, onResult: report });
  const seconds = (performance.now() - startedAt) / 1000;
  console.log(
    `${total.sequences} sequences, ${total.wrong} wrong, ${total.operations} operations, ${total.checks} checks, ` +
      `${(total.virtual / 3_600_000).toFixed(1)} virtual hours in ${seconds.toFixed(1)} s`,
  );
  return total.wrong === 0 ? 0 : 1;
}

async function serve(): Promise<void> {
  const { runSequence } = await import('./sequence.ts');
  serveSeeds((seed) => runSequence(seed));
}

function print({ seed, failures, journal, operations, checks }: Verdict): void {
  console.log(
    `${seed} ${failures.length === 0 ? 'agrees' : 'DISAGREES'}: ${operations} operations, ${checks} checks`,
  );
  for (const failure of failures) console.log(`  ${failure}`);
  for (const line of journal) console.log(`    ${line}`);
}
