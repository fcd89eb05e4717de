/**
 * The benchmark. Prints its tables; only ratios within one run say anything.
 *
 *   node dist/bench/run.js [GROUP...] [--runs 5] [--seconds 1.5] [--short]
 *       --record FILE    also writes what was measured as JSON; groups that were not measured keep their figures
 *       --write          the same with docs/performance.json, and puts the tables into docs/performance.md
 *       --against FILE   names every ratio that is more than 15 % worse than in that record; exit status 1
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PROJECT } from '../lab/stage.ts';
import { dial } from './dial.ts';
import { link } from './link.ts';
import { loopback } from './loopback.ts';
import { table } from './measure.ts';
import { memory } from './memory.ts';
import { flag, type RunOptions, runOptions, text } from './options.ts';
import { packets } from './packets.ts';
import { goalRows, rowsOf, withGroups } from './page.ts';
import { peers } from './peers.ts';
import { type BenchRecord, type Group, lost, merge, readRecord, writeRecord } from './record.ts';
import { streams } from './streams.ts';

const GROUPS: Readonly<Record<string, (options: RunOptions) => Promise<Group | readonly Group[]>>> = {
  packets,
  loopback,
  dial,
  memory,
  streams,
  peers,
  link,
};

/** What runs without being named: the others take long, or need root. */
const USUAL = ['packets', 'loopback', 'dial', 'memory', 'streams', 'peers'];
const DOCS = join(PROJECT, 'docs');

async function main(): Promise<void> {
  const words = process.argv
    .slice(2)
    .filter((word, i, all) => !word.startsWith('--') && !takesValue(all[i - 1]));
  const unknown = words.find((word) => GROUPS[word] === undefined);
  if (unknown !== undefined)
    throw new TypeError(`no such group: ${unknown}; there are ${Object.keys(GROUPS)}`);
  const against = text('against');
  const before = against === undefined ? undefined : readRecord(against);
  if (against !== undefined && before === undefined) throw new TypeError(`no such record: ${against}`);
  const options = runOptions();
  const groups: Group[] = [];
  for (const name of words.length === 0 ? USUAL : words) {
    const measured = [await GROUPS[name]!(options)].flat();
    measured.forEach(print);
    groups.push(...measured);
  }
  const record: BenchRecord = { version: 1, groups };
  keep(record);
  if (before !== undefined) compare(before, record);
}

function takesValue(word: string | undefined): boolean {
  return ['--runs', '--seconds', '--record', '--against', '--flow', '--peers'].includes(word ?? '');
}

function print(group: Group): void {
  console.log(`\n${group.title} (${group.machine})\n${group.about}\n`);
  table(rowsOf(group));
  if (group.goals.length > 0) {
    console.log('');
    table(goalRows(group.goals));
  }
  for (const note of group.notes) console.log(note);
}

function keep(record: BenchRecord): void {
  const path = text('record');
  if (path !== undefined) writeRecord(path, merge(readRecord(path), record));
  if (!flag('write')) return;
  const own = join(DOCS, 'performance.json');
  writeRecord(own, merge(readRecord(own), record));
  const page = join(DOCS, 'performance.md');
  writeFileSync(page, withGroups(readFileSync(page, 'utf8'), record.groups));
}

function compare(before: BenchRecord, now: BenchRecord): void {
  const losses = lost(before, now);
  console.log(losses.length === 0 ? '\nNo ratio lost more than 15 %' : '\nLost more than 15 %:');
  for (const { what, before: was, now: is } of losses) {
    console.log(`  ${what}: ${was.toPrecision(3)} -> ${is.toPrecision(3)} × yardstick`);
  }
  if (losses.length > 0) process.exitCode = 1;
}

await main();
process.exit();
