/** What the matrix measured, as it is kept, printed and compared. */
import { CABLE, type Cell } from './cells.ts';
import type { Run } from './measure.ts';
import { possible } from './oracle.ts';

export interface CellRecord {
  readonly id: string;
  readonly best: 'lan' | 'direct' | 'relay';
  readonly by: string;
  readonly runs: number;
  readonly connected: number;
  /** Runs that ended on the best path there is. */
  readonly reached: number;
  readonly paths: Readonly<Record<string, number>>;
  /** Milliseconds: median, 95th percentile, slowest. */
  readonly firstByte: readonly [number, number, number] | null;
  readonly toDirect: readonly [number, number, number] | null;
  /** What `pilotctl why` named, and how often. */
  readonly why: Readonly<Record<string, number>>;
  readonly whyTrue: number;
  readonly misreported: number;
}

export interface MatrixRecord {
  readonly cells: readonly CellRecord[];
}

/** The most the first byte may take: three round trips to the beacon and 200 ms. */
export function firstByteLimit(cell: Cell): number {
  const { delayMs = 0, jitterMs = 0 } = cell.link ?? CABLE;
  return 3 * 2 * (delayMs + jitterMs) + 200;
}

/** The most that relay to direct may take, median. */
export const TO_DIRECT_MS = 2000;

export function summarize(cell: Cell, runs: readonly Run[]): CellRecord {
  const { path: best, by, causes } = possible(cell);
  const connected = runs.filter((run) => run.connected);
  return {
    id: cell.id,
    best,
    by,
    runs: runs.length,
    connected: connected.length,
    reached: connected.filter((run) => run.path === best).length,
    paths: tally(runs.map((run) => run.path)),
    firstByte: spread(connected.flatMap((run) => run.firstByte ?? [])),
    toDirect: spread(connected.flatMap((run) => run.toDirect ?? [])),
    why: tally(connected.map((run) => run.why ?? 'no answer')),
    whyTrue: connected.filter((run) => run.why !== undefined && causes.includes(run.why) && fits(run)).length,
    misreported: connected.filter((run) => run.misreported).length,
  };
}

/** A cause must also be about the path that is in use. */
function fits({ path, why }: Run): boolean {
  if (path === 'lan') return why === 'same_lan';
  if (path === 'direct') return why === 'direct';
  return why !== 'direct' && why !== 'same_lan';
}

function tally(values: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const value of [...values].sort()) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
}

function spread(values: readonly number[]): [number, number, number] | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): number =>
    Math.round(sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)]!);
  return [at(0.5), at(0.95), at(1)];
}

/**
 * In what a cell became worse than it was on record, one sentence each. Shares are compared with room for chance: a
 * loss counts when fewer than one in a thousand honest repetitions would be as bad. Times count against the limits
 * the record kept, not against the milliseconds of another machine.
 */
export function regressions(cell: Cell, was: CellRecord, is: CellRecord): string[] {
  const worse: string[] = [];
  const share = (what: string, before: number, after: number): void => {
    if (chance(is.runs, before / was.runs, after) < 0.001) {
      worse.push(`${cell.id}: ${what} in ${after} of ${is.runs} runs, on record ${before} of ${was.runs}`);
    }
  };
  share('connected', was.connected, is.connected);
  share('on the best path', was.reached, is.reached);
  share('explained truly', was.whyTrue, is.whyTrue);
  const time = (what: string, before: CellRecord['firstByte'], after: typeof before, limit: number): void => {
    if (before === null || after === null) return;
    if (before[0] <= limit && after[0] > limit) {
      worse.push(
        `${cell.id}: ${what} after ${after[0]} ms (median), on record ${before[0]} ms, limit ${limit} ms`,
      );
    }
  };
  time('first byte', was.firstByte, is.firstByte, firstByteLimit(cell));
  time('direct', was.toDirect, is.toDirect, TO_DIRECT_MS);
  return worse;
}

/** How likely `hits` or fewer of `runs` are when each hits with `rate`. */
function chance(runs: number, rate: number, hits: number): number {
  if (hits >= runs * rate) return 1;
  if (rate >= 1) return 0;
  let term = (1 - rate) ** runs;
  let sum = term;
  for (let k = 1; k <= hits; k++) {
    term *= ((runs - k + 1) / k) * (rate / (1 - rate));
    sum += term;
  }
  return sum;
}
