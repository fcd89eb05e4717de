/**
 * Measures who reaches whom. Usage: npm run nat-matrix -- [options]
 *
 *   --runs N       runs of each cell (default 20)
 *   --cells TEXT   only cells whose name contains TEXT; may be given again
 *   --from N --to M   only cells number N to M
 *   --check        compare with the record, write nothing
 *   --accept       write the record even where a cell became worse
 *   --logs DIR     keep the logs of runs that went wrong
 *   --jobs N       laboratories side by side (default 1); more than cores / 2 distort the times
 *   --list         print the cells and what is possible there
 *
 * Writes docs/nat-matrix.json (only the cells that were measured change) and docs/nat-matrix.md. Exits with 1 and
 * leaves the record as it is when a cell became worse.
 */
import { fork } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { CELLS, type Cell } from './cells.ts';
import { whyNoMappingRouter } from './mapping-router.ts';
import { matrixPage } from './matrix-page.ts';
import { type CellRecord, type MatrixRecord, regressions, summarize } from './matrix-record.ts';
import { measure, type Run } from './measure.ts';
import { possible } from './oracle.ts';
import { whyNoShaper } from './shaper.ts';
import { whyNoNamespaces } from './shell.ts';
import { Site } from './site.ts';
import { PROJECT } from './stage.ts';

const RECORD = join(PROJECT, 'docs', 'nat-matrix.json');
const PAGE = join(PROJECT, 'docs', 'nat-matrix.md');

const { values: options } = parseArgs({
  options: {
    runs: { type: 'string', default: '20' },
    cells: { type: 'string', multiple: true },
    from: { type: 'string', default: '1' },
    to: { type: 'string', default: String(CELLS.length) },
    check: { type: 'boolean', default: false },
    accept: { type: 'boolean', default: false },
    logs: { type: 'string' },
    jobs: { type: 'string', default: '1' },
    job: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
  },
});

const chosen = CELLS.slice(Number(options.from) - 1, Number(options.to)).filter(
  ({ id }) => options.cells === undefined || options.cells.some((text) => id.includes(text)),
);

if (options.list) {
  for (const cell of chosen) {
    const { path, by, causes } = possible(cell);
    console.log(
      `${String(CELLS.indexOf(cell) + 1).padStart(2)}  ${cell.id}: ${path} (${by}); ${causes.join(' or ')}`,
    );
  }
  process.exit(0);
}

const obstacle =
  whyNoNamespaces() ??
  whyNoShaper() ??
  (chosen.some(({ a, b }) => (a.gives ?? b.gives) !== undefined) ? whyNoMappingRouter() : undefined);
if (obstacle !== undefined) {
  console.error(`cannot measure here: ${obstacle}`);
  process.exit(1);
}

if (options.job) {
  await workAsJob();
  process.exit(0);
}

const record: MatrixRecord = existsSync(RECORD) ? JSON.parse(readFileSync(RECORD, 'utf8')) : { cells: [] };
const measured = new Map<string, CellRecord>();
const worse: string[] = [];
const waiting = [...chosen];
await Promise.all(Array.from({ length: Math.max(1, Number(options.jobs)) }, employ));
for (const cell of chosen) {
  const before = record.cells.find(({ id }) => id === cell.id);
  const now = measured.get(cell.id);
  if (now === undefined) worse.push(`${cell.id}: not measured`);
  else if (before !== undefined) worse.push(...regressions(cell, before, now));
}
for (const sentence of worse) console.log(`worse: ${sentence}`);
if (!options.check && (worse.length === 0 || options.accept)) write();
process.exit(worse.length > 0 && !options.accept ? 1 : 0);

/** Gives cells to a process with a laboratory of its own until none is left. */
async function employ(): Promise<void> {
  const job = fork(fileURLToPath(import.meta.url), [...process.argv.slice(2), '--job']);
  await new Promise<void>((resolve) => {
    const next = (): void => {
      const cell = waiting.shift();
      job.send({ id: cell?.id });
    };
    job.on('message', (said: { runs?: Run[]; id?: string }) => {
      if (said.runs !== undefined && said.id !== undefined) {
        measured.set(said.id, summarize(CELLS.find(({ id }) => id === said.id)!, said.runs));
      }
      next();
    });
    job.on('exit', () => resolve());
  });
}

/** Measures the cells it is told of, one after the other, until there is none. */
async function workAsJob(): Promise<void> {
  const site = new Site(`m${process.pid % 10000}`);
  const asked = (): Promise<string | undefined> =>
    new Promise((resolve) => process.once('message', ({ id }: { id?: string }) => resolve(id)));
  for (const signal of ['SIGINT', 'SIGTERM', 'disconnect']) {
    process.once(signal, () => void site.close().finally(() => process.exit(130)));
  }
  try {
    await site.open();
    process.send?.({});
    for (let id = await asked(); id !== undefined; id = await asked()) {
      const cell = CELLS.find((candidate) => candidate.id === id)!;
      process.send?.({ id, runs: await runsOf(site, cell) });
    }
  } finally {
    await site.close();
  }
}

async function runsOf(site: Site, cell: Cell): Promise<Run[]> {
  await site.enter(cell);
  const runs: Run[] = [];
  for (let n = 1; n <= Number(options.runs); n++) {
    const run = await measure(site, cell);
    runs.push(run);
    console.log(line(cell, n, run));
    const { path, causes } = possible(cell);
    const right = run.path === path && run.why !== undefined && causes.includes(run.why);
    if (options.logs !== undefined && !(right && !run.misreported)) {
      site.keepLogs(join(options.logs, `${cell.id.replace(/[^a-z0-9]+/g, '-')}-${n}`));
    }
    await site.stop();
  }
  return runs;
}

function line(cell: Cell, n: number, run: Run): string {
  const { path, by } = possible(cell);
  const ms = (value: number | undefined): string => (value === undefined ? '-' : `${value.toFixed(0)} ms`);
  const mark =
    run.path === path ? 'best' : by === 'guess' && run.path === 'relay' ? 'no luck' : `WANTED ${path}`;
  return [
    `${cell.id} #${n}: ${run.path} (${mark})`,
    `first byte ${ms(run.firstByte)}`,
    `direct after ${ms(run.toDirect)}`,
    `why ${run.why ?? '-'}`,
    ...(run.misreported ? ['MISREPORTED'] : []),
    ...(run.failure === undefined ? [] : [run.failure]),
  ].join(', ');
}

function write(): void {
  const cells = CELLS.flatMap(
    ({ id }) => measured.get(id) ?? record.cells.find((known) => known.id === id) ?? [],
  );
  writeFileSync(RECORD, `${JSON.stringify({ cells }, undefined, 1)}\n`);
  writeFileSync(PAGE, matrixPage({ cells }));
}
