import assert from 'node:assert/strict';
import { test } from 'node:test';
import Database from 'libsql';
import { PilotError } from '../../../api/errors.ts';
import { GroupCommit, LARGEST_GROUP } from './group-commit.ts';
import { Sql } from './sql.ts';

function world() {
  const sql = new Sql(new Database(':memory:'));
  sql.exec('CREATE TABLE t (n INTEGER UNIQUE, pad TEXT) STRICT');
  const deferred: (() => void)[] = [];
  const syncs: { done: () => void; failed: (error: Error) => void }[] = [];
  let manual = false;
  const commit = new GroupCommit({
    sql,
    path: 'x.db',
    defer: (run) => deferred.push(run),
    sync: () => (manual ? new Promise((done, failed) => syncs.push({ done, failed })) : Promise.resolve()),
  });
  const add = (n: number, pad = ''): Promise<void> =>
    commit.write(() => {
      sql.run('INSERT INTO t (n, pad) VALUES (?, ?)', n, pad);
    });
  const rows = (): number[] => sql.all('SELECT n FROM t ORDER BY n').map(({ n }) => Number(n));
  const turn = (): void => {
    for (const run of deferred.splice(0)) run();
  };
  const syncByHand = (): void => {
    manual = true;
  };
  return { sql, commit, add, rows, turn, deferred, syncs, syncByHand };
}

function watch(promise: Promise<unknown>): { state: string } {
  const seen = { state: 'waiting' };
  promise.then(
    () => {
      seen.state = 'done';
    },
    (error: { code: string }) => {
      seen.state = error.code;
    },
  );
  return seen;
}
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('answers a change only after the commit, one commit for the whole turn', async () => {
  const { add, turn, deferred } = world();
  const seen = [watch(add(1)), watch(add(2)), watch(add(3))];
  await settle();
  assert.equal(deferred.length, 1);
  assert.deepEqual(
    seen.map(({ state }) => state),
    ['waiting', 'waiting', 'waiting'],
  );
  turn();
  await settle();
  assert.deepEqual(
    seen.map(({ state }) => state),
    ['done', 'done', 'done'],
  );
});

test('a read sees nothing that may yet be lost, and waits only while the disk works', async () => {
  const { add, commit, rows, turn, syncs, syncByHand } = world();
  syncByHand();
  const first = watch(add(1));
  assert.deepEqual(await commit.read(rows), []);
  turn();
  const read = commit.read(rows);
  const seen = watch(read);
  const second = watch(add(2));
  await settle();
  assert.deepEqual(
    [first.state, second.state, seen.state, syncs.length],
    ['waiting', 'waiting', 'waiting', 1],
  );
  syncs[0]!.done();
  assert.deepEqual(await read, [1]);
  assert.deepEqual([first.state, second.state], ['done', 'waiting']);
  turn();
  syncs[1]!.done();
  await settle();
  assert.equal(second.state, 'done');
});

test('a sync that fails says so to everybody, and nothing is acknowledged after it', async () => {
  const { add, commit, rows, turn, syncs, syncByHand } = world();
  syncByHand();
  const first = watch(add(1));
  turn();
  const queued = watch(add(2));
  syncs[0]!.failed(new PilotError('io_error', 'the disk is gone'));
  await settle();
  assert.deepEqual([first.state, queued.state], ['io_error', 'io_error']);
  await assert.rejects(add(3), { code: 'io_error' });
  assert.deepEqual(await commit.read(rows), [1]);
  await commit.close();
});

test('a change that fails leaves nothing behind and does not harm the others of its turn', async () => {
  const { add, commit, sql, rows, turn } = world();
  const first = add(1);
  const failing = commit.write(() => {
    sql.run('INSERT INTO t (n, pad) VALUES (2, ?)', '');
    throw new Error('thought better of it');
  });
  const twice = add(1);
  const last = add(3);
  const results = Promise.allSettled([first, failing, twice, last]);
  turn();
  assert.deepEqual(
    (await results).map(({ status }) => status),
    ['fulfilled', 'rejected', 'rejected', 'fulfilled'],
  );
  assert.deepEqual(rows(), [1, 3]);
});

test('a full disk undoes the whole turn, tells everybody, and the next turn works', async () => {
  const { add, sql, rows, turn } = world();
  const before = add(1);
  turn();
  await before;
  const pages = Number(sql.one('PRAGMA page_count')!.page_count);
  sql.one(`PRAGMA max_page_count = ${pages}`);
  const changes = [add(2), add(3, 'x'.repeat(100_000)), add(4)].map(watch);
  turn();
  await settle();
  assert.deepEqual(
    changes.map(({ state }) => state),
    ['disk_full', 'disk_full', 'done'],
  );
  assert.deepEqual(rows(), [1, 4]);
  sql.one('PRAGMA max_page_count = 100000');
  const later = add(5, 'x'.repeat(100_000));
  turn();
  await later;
  assert.deepEqual(rows(), [1, 4, 5]);
});

test('makes what waits when closed, and refuses everything after', async () => {
  const { add, commit } = world();
  const last = watch(add(1));
  const closing = commit.close();
  await assert.rejects(add(2), { code: 'unavailable' });
  await closing;
  assert.equal(last.state, 'done');
  await assert.rejects(
    commit.read(() => 1),
    { code: 'unavailable' },
  );
});

test('many changes are made in pieces, in order', async () => {
  const { add, deferred, rows, turn } = world();
  const many = 2 * LARGEST_GROUP + 10;
  const all = Array.from({ length: many }, (_, n) => watch(add(n)));
  for (let piece = 1; piece <= 3; piece++) {
    turn();
    await settle();
    const done = all.filter(({ state }) => state === 'done').length;
    assert.equal(done, Math.min(many, piece * LARGEST_GROUP));
  }
  assert.equal(deferred.length, 0);
  assert.equal(rows().length, many);
});

test('what follows a sync holds up changes and no reads, and when it fails nothing more is taken', async () => {
  const sql = new Sql(new Database(':memory:'));
  sql.exec('CREATE TABLE t (n INTEGER) STRICT');
  const folds: { done: () => void; failed: (error: Error) => void; changes: number }[] = [];
  const commit = new GroupCommit({
    sql,
    path: 'x.db',
    defer: (run) => setImmediate(run),
    sync: () => Promise.resolve(),
    synced: (changes) => new Promise((done, failed) => folds.push({ done, failed, changes })),
  });
  const add = (n: number) => watch(commit.write(() => sql.run('INSERT INTO t (n) VALUES (?)', n)));
  const [first, again] = [add(1), add(2)];
  await settle();
  await settle();
  assert.deepEqual([first.state, again.state, folds.length, folds[0]?.changes], ['done', 'done', 1, 2]);
  const waiting = add(3);
  await settle();
  await settle();
  assert.equal(waiting.state, 'waiting');
  assert.equal(await commit.read(() => sql.one('SELECT count(*) AS count FROM t')!.count), 2);
  folds[0]!.done();
  await settle();
  await settle();
  assert.deepEqual([waiting.state, folds.length], ['done', 2]);
  folds[1]!.failed(new PilotError('io_error', 'the disk is gone'));
  await settle();
  const late = add(4);
  await settle();
  assert.equal(late.state, 'io_error');
});
