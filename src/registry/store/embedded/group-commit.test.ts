import assert from 'node:assert/strict';
import { test } from 'node:test';
import Database from 'libsql';
import { GroupCommit } from './group-commit.ts';
import { Sql } from './sql.ts';

function world() {
  const sql = new Sql(new Database(':memory:'));
  sql.exec('CREATE TABLE t (n INTEGER UNIQUE, pad TEXT) STRICT');
  const deferred: (() => void)[] = [];
  const commit = new GroupCommit(sql, 'x.db', (run) => deferred.push(run));
  const add = (n: number, pad = ''): Promise<void> =>
    commit.write(() => {
      sql.run('INSERT INTO t (n, pad) VALUES (?, ?)', n, pad);
    });
  const rows = (): number[] => sql.all('SELECT n FROM t ORDER BY n').map(({ n }) => Number(n));
  const turn = (): void => {
    for (const run of deferred.splice(0)) run();
  };
  return { sql, commit, add, rows, turn, deferred };
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

test('a read waits for the changes it would see', async () => {
  const { add, commit, rows, turn } = world();
  assert.deepEqual(await commit.read(rows), []);
  void add(1);
  const read = commit.read(rows);
  const seen = watch(read);
  await settle();
  assert.equal(seen.state, 'waiting');
  turn();
  assert.deepEqual(await read, [1]);
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

test('a read that waited for changes that failed sees the state without them', async () => {
  const { add, commit, sql, rows, turn } = world();
  sql.one(`PRAGMA max_page_count = ${Number(sql.one('PRAGMA page_count')!.page_count)}`);
  const lost = watch(add(1));
  const read = commit.read(rows);
  const cause = watch(add(2, 'x'.repeat(100_000)));
  turn();
  assert.deepEqual(await read, []);
  assert.deepEqual([lost.state, cause.state], ['disk_full', 'disk_full']);
});

test('commits what waits when closed, and refuses everything after', async () => {
  const { add, commit, rows } = world();
  const last = add(1);
  const read = commit.read(rows);
  commit.close();
  await last;
  assert.deepEqual(await read, [1]);
  await assert.rejects(add(2), { code: 'unavailable' });
  await assert.rejects(commit.read(rows), { code: 'unavailable' });
});

test('a very large turn is committed in pieces', async () => {
  const { add, deferred, turn } = world();
  const all = Array.from({ length: 4500 }, (_, n) => watch(add(n)));
  await settle();
  assert.equal(all.filter(({ state }) => state === 'done').length, 4000);
  turn();
  await settle();
  assert.ok(all.every(({ state }) => state === 'done'));
  assert.equal(deferred.length, 0);
});
