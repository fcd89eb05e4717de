/**
 * What the programs here measured, as it is kept, printed and compared. Only ratios within one run say anything:
 * machines differ and are noisy.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { median } from './measure.ts';

/** A column: what was measured, and what it is compared with. */
export interface Metric {
  readonly id: string;
  /** Heading, with the unit. */
  readonly title: string;
  readonly better: 'higher' | 'lower';
  readonly digits: number;
  /** The subject all others are divided by. */
  readonly yardstick?: string;
}

export interface Subject {
  readonly id: string;
  readonly name: string;
}

export interface Measured {
  readonly subject: string;
  readonly metric: string;
  readonly values: readonly number[];
}

/** A ratio that we want to reach. */
export interface Goal {
  readonly text: string;
  /** What was measured; undefined when one of its parts could not be measured. */
  readonly value: number | undefined;
  readonly bound: number;
  readonly better: 'higher' | 'lower';
}

export interface Group {
  readonly id: string;
  readonly title: string;
  /** The program, for the page. */
  readonly command: string;
  /** What the rows mean: how many runs, of how much. */
  readonly about: string;
  readonly machine: string;
  readonly metrics: readonly Metric[];
  readonly subjects: readonly Subject[];
  readonly measured: readonly Measured[];
  readonly goals: readonly Goal[];
  /** What could not be measured and why, and other remarks. */
  readonly notes: readonly string[];
}

export interface BenchRecord {
  readonly version: 1;
  readonly groups: readonly Group[];
}

export function machine(): string {
  const all = cpus();
  return `${all.length} × ${all[0]?.model.trim() ?? 'unknown'}, ${process.platform} ${release().split('-')[0]}, Node ${process.versions.node}`;
}

/** Collects the figures of one group. */
export class Sheet {
  readonly #values = new Map<string, number[]>();

  add(subject: string, metric: string, ...values: readonly number[]): void {
    const key = `${subject}\0${metric}`;
    const known = this.#values.get(key) ?? [];
    known.push(...values);
    this.#values.set(key, known);
  }

  median(subject: string, metric: string): number | undefined {
    const values = this.#values.get(`${subject}\0${metric}`);
    return values === undefined || values.length === 0 ? undefined : median(values);
  }

  /** Median over median. */
  ratio(metric: string, subject: string, yardstick: string): number | undefined {
    const above = this.median(subject, metric);
    const below = this.median(yardstick, metric);
    return above === undefined || below === undefined || below === 0 ? undefined : above / below;
  }

  /** All figures. More than 60 of one kind are thinned out to their quantiles. */
  measured(): Measured[] {
    return [...this.#values].map(([key, values]) => {
      const [subject, metric] = key.split('\0') as [string, string];
      return { subject, metric, values: thinned(values).map((value) => Number(value.toPrecision(6))) };
    });
  }
}

function thinned(values: readonly number[], keep = 61): readonly number[] {
  if (values.length <= keep) return values;
  const sorted = [...values].sort((a, b) => a - b);
  return Array.from({ length: keep }, (_, i) => sorted[Math.round((i * (sorted.length - 1)) / (keep - 1))]!);
}

export function valuesOf(group: Group, subject: string, metric: string): readonly number[] {
  return group.measured.find((row) => row.subject === subject && row.metric === metric)?.values ?? [];
}

/** Of the medians, against the yardstick of the same group; undefined when either is missing. */
export function ratioOf(group: Group, subject: string, metric: Metric): number | undefined {
  if (metric.yardstick === undefined) return undefined;
  const own = valuesOf(group, subject, metric.id);
  const base = valuesOf(group, metric.yardstick, metric.id);
  if (own.length === 0 || base.length === 0 || median(base) === 0) return undefined;
  return median(own) / median(base);
}

export interface Loss {
  readonly what: string;
  readonly before: number;
  readonly now: number;
}

/** Every ratio that both have and that became worse by more than `tolerance` (0.15: 15 %). */
export function lost(before: BenchRecord, now: BenchRecord, tolerance = 0.15): Loss[] {
  const losses: Loss[] = [];
  for (const group of now.groups) {
    const old = before.groups.find(({ id }) => id === group.id);
    if (old === undefined) continue;
    for (const metric of group.metrics) {
      const known = old.metrics.find(({ id }) => id === metric.id);
      if (known === undefined) continue;
      for (const { id, name } of group.subjects) {
        if (id === metric.yardstick) continue;
        const was = ratioOf(old, id, known);
        const is = ratioOf(group, id, metric);
        if (was === undefined || is === undefined || was === 0) continue;
        const worse = metric.better === 'higher' ? is < was * (1 - tolerance) : is > was * (1 + tolerance);
        if (worse) losses.push({ what: `${group.id}: ${name}, ${metric.title}`, before: was, now: is });
      }
    }
  }
  return losses;
}

/** Groups of `fresh` replace those of `kept`; the rest stays. */
export function merge(kept: BenchRecord | undefined, fresh: BenchRecord): BenchRecord {
  const others = (kept?.groups ?? []).filter(({ id }) => !fresh.groups.some((group) => group.id === id));
  return { version: 1, groups: [...others, ...fresh.groups].sort((a, b) => (a.id < b.id ? -1 : 1)) };
}

/** Undefined when there is no such file. Throws when it is not a record. */
export function readRecord(path: string): BenchRecord | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
  const record = JSON.parse(text) as BenchRecord;
  if (record.version !== 1) throw new Error(`${path} is not a record of this benchmark`);
  return record;
}

export function writeRecord(path: string, record: BenchRecord): void {
  writeFileSync(path, `${JSON.stringify(record, null, 1)}\n`);
}
