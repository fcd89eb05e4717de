import assert from 'node:assert/strict';
import { test } from 'node:test';
import Database from 'libsql';
import { PilotError } from '../../../api/errors.ts';
import { ManualClock } from '../../registry.testkit.ts';
import { bytesOf } from '../steps.ts';
import { migrate } from './schema.ts';
import { PAGE_NODES, SeenPages } from './seen-pages.ts';
import { Sql } from './sql.ts';
import { WriteBehind } from './write-behind.ts';

function world() {
  const sql = new Sql(new Database(':memory:'));
  migrate(sql);
  const clock = new ManualClock();
  const pages = new SeenPages();
  const warnings: string[] = [];
  const log = { event: (_level: string, name: string) => void warnings.push(name) };
  let failing = false;
  let slices = 0;
  const commit = {
    write: <T>(work: () => T): Promise<T> => {
      slices++;
      return failing
        ? Promise.reject(new PilotError('disk_full', 'no room'))
        : new Promise((resolve) => resolve(work()));
    },
  };
  const behind = new WriteBehind({ sql, pages, commit, clock, log, path: 'x.db', delay: 1000 });
  const written = (): number[] =>
    sql.all('SELECT page FROM seen_pages ORDER BY page').map(({ page }) => Number(page));
  const note = (id: number, at: number): void => {
    pages.note(id, at);
    behind.arm();
  };
  const fail = (on: boolean): void => {
    failing = on;
  };
  return { sql, clock, pages, warnings, behind, written, note, fail, slices: () => slices };
}

test('writes what changed once the time is up, once, and nothing while nothing changes', async () => {
  const { sql, clock, written, note, slices } = world();
  note(1, 5);
  note(1, 6);
  note(3 * PAGE_NODES, 7);
  await clock.advance(999);
  assert.deepEqual(written(), []);
  await clock.advance(1);
  assert.deepEqual(written(), [0, 3]);
  await clock.advance(60_000);
  assert.equal(slices(), 1);
  assert.equal(clock.timers, 0);
  const again = new SeenPages();
  const row = sql.one('SELECT times FROM seen_pages WHERE page = 0')!;
  assert.equal(again.load(0, bytesOf(row.times)), true);
  assert.equal(again.at(1), 6);
});

test('many pages are written in slices, with pauses for others', async () => {
  const { clock, pages, note, written, slices } = world();
  for (let page = 0; page < 500; page++) note(page * PAGE_NODES + 1, 5);
  await clock.advance(1000);
  assert.ok(written().length > 0 && written().length < 100, `${written().length} in one go`);
  await clock.advance(1000);
  assert.equal(written().length, 500);
  assert.ok(slices() >= 10);
  assert.equal(pages.unwritten, 0);
});

test('what could not be written is written later, and the log says so', async () => {
  const { clock, warnings, note, written, fail, pages } = world();
  fail(true);
  note(1, 5);
  await clock.advance(1000);
  assert.deepEqual([written(), warnings, pages.unwritten], [[], ['registry.store.soft_write_failed'], 1]);
  fail(false);
  await clock.advance(1000);
  assert.deepEqual([written(), pages.unwritten], [[0], 0]);
});

test('at the end everything is written, and nothing is left to wake the process', async () => {
  const { clock, behind, note, written } = world();
  for (let page = 0; page < 100; page++) note(page * PAGE_NODES + 1, 5);
  await behind.finish();
  assert.equal(written().length, 100);
  assert.equal(clock.timers, 0);
  note(1, 6);
  assert.equal(clock.timers, 0);
});
