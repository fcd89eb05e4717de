/**
 * Runs simulated worlds by seed: `seeds.ts --from 1 --count 1000 --workers 2`.
 * Prints seed, processor time, virtual time and trace hash of each; for a failure what broke, what happened, and a mermaid
 * flow of the last packets. Exit status 1 when any world broke a promise.
 */
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Outcome } from '../../src/sim/index.ts';
import { isWorker, runSeeds, serveSeeds } from './workers.ts';

interface Timed {
  readonly outcome: Outcome;
  readonly cpuMs: number;
}

const USAGE = `usage: seeds [--from N] [--count N] [--workers N] [--verbose] [--quiet]
  --from     first seed (default 1)
  --count    how many seeds (default 30)
  --workers  worlds at a time (default: one per core)
  --verbose  print what happened in every world
  --quiet    print failures and the total only`;

if (isWorker()) await serve();
else process.exitCode = await main();

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      from: { type: 'string', default: '1' },
      count: { type: 'string', default: '30' },
      workers: { type: 'string', default: String(availableParallelism()) },
      verbose: { type: 'boolean', default: false },
      quiet: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const [from, count, workers] = [values.from, values.count, values.workers].map(Number) as [
    number,
    number,
    number,
  ];
  const startedAt = performance.now();
  let broken = 0;
  let done = 0;
  let virtual = 0;
  let cpu = 0;
  const report = (timed: Timed): void => {
    done++;
    virtual += timed.outcome.virtualMs;
    cpu += timed.cpuMs;
    if (timed.outcome.failures.length > 0) broken++;
    if (!values.quiet || timed.outcome.failures.length > 0) print(timed, values.verbose);
  };
  const script = fileURLToPath(import.meta.url);
  await runSeeds<Timed>({ script, from, count, workers, onResult: report });
  const seconds = (performance.now() - startedAt) / 1000;
  console.log(
    `${done} worlds, ${broken} broken, ${(virtual / 3_600_000).toFixed(1)} virtual hours in ${seconds.toFixed(1)} s, ${(cpu / done).toFixed(0)} ms of one core each`,
  );
  return broken === 0 ? 0 : 1;
}

async function serve(): Promise<void> {
  const { runScenario } = await import('../../src/sim/index.ts');
  const strays: string[] = [];
  process.on('unhandledRejection', (reason) => {
    strays.push(`unhandled rejection: ${reason instanceof Error ? reason.stack : String(reason)}`);
  });
  serveSeeds(async (seed): Promise<Timed> => {
    const before = process.cpuUsage();
    const outcome = await runScenario(seed);
    const failures = [...outcome.failures, ...strays.splice(0)];
    const { user, system } = process.cpuUsage(before);
    return { outcome: { ...outcome, failures }, cpuMs: (user + system) / 1000 };
  });
}

function print({ outcome, cpuMs }: Timed, verbose: boolean): void {
  const { seed, hash, failures, journal, flow } = outcome;
  const verdict = failures.length === 0 ? 'ok    ' : 'BROKEN';
  const facts = `${outcome.streams} streams, ${outcome.messages} messages, ${outcome.packets} packets`;
  console.log(
    `seed ${seed.padStart(6)} ${verdict} ${cpuMs.toFixed(0).padStart(6)} ms  ${(outcome.virtualMs / 1000).toFixed(0).padStart(5)} virtual s  ${hash}  ${facts}`,
  );
  if (failures.length > 0) for (const failure of failures) console.log(`  broken: ${failure}`);
  if (failures.length > 0 || verbose) for (const line of journal) console.log(`  ${line}`);
  if (failures.length > 0) console.log(`\n${flow}\n`);
}
