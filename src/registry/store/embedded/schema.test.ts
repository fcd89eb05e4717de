import assert from 'node:assert/strict';
import { test } from 'node:test';
import Database from 'libsql';
import { checkOurs, MIGRATIONS, migrate } from './schema.ts';
import { Sql } from './sql.ts';

const open = (): Sql => new Sql(new Database(':memory:'));
const version = (sql: Sql): unknown => sql.one('PRAGMA user_version')!.user_version;

test('brings an empty database to the newest schema, once', () => {
  const sql = open();
  checkOurs(sql, 'x');
  migrate(sql);
  assert.equal(version(sql), MIGRATIONS.length);
  migrate(sql);
  checkOurs(sql, 'x');
});

test('adds later steps to a database with content', () => {
  const sql = open();
  migrate(sql);
  sql.run(
    "INSERT INTO networks (name, join_rule, token, enterprise, created_at) VALUES ('n', 'open', '', 0, 0)",
  );
  const later = [
    ...MIGRATIONS,
    'ALTER TABLE networks ADD COLUMN colour TEXT',
    "UPDATE networks SET colour = 'blue'",
  ];
  checkOurs(sql, 'x', later);
  migrate(sql, later);
  assert.deepEqual(
    [version(sql), sql.one('SELECT colour FROM networks')!.colour],
    [MIGRATIONS.length + 2, 'blue'],
  );
  assert.throws(() => checkOurs(sql, 'x'), { code: 'unavailable' });
});

test('a step that fails leaves the old schema', () => {
  const sql = open();
  migrate(sql);
  const broken = [...MIGRATIONS, 'CREATE TABLE extra (x)', 'INSERT INTO no_such_table VALUES (1)'];
  assert.throws(() => migrate(sql, broken));
  assert.equal(version(sql), MIGRATIONS.length);
  assert.equal(sql.one("SELECT count(*) AS count FROM sqlite_master WHERE name = 'extra'")!.count, 0);
  checkOurs(sql, 'x');
});

test('finds the public nodes of a database that had no search', () => {
  const sql = open();
  migrate(sql, MIGRATIONS.slice(0, 1));
  const insert = `INSERT INTO nodes (public_key, owner, endpoint, lan, tags, public, version, relay_only, proven,
      registered, last_seen, key_created_at) VALUES (?, '', '', '[]', ?, ?, '', 0, 0, ?, 0, 0)`;
  const nodes: [string, number, number][] = [
    ['["a","b","a"]', 1, 1],
    ['["a"]', 0, 1],
    ['["a"]', 1, 0],
    ['[]', 1, 1],
  ];
  for (const [n, [tags, isPublic, registered]] of nodes.entries())
    sql.run(insert, new Uint8Array(32).fill(n), tags, isPublic, registered);
  migrate(sql);
  assert.deepEqual(
    sql.all('SELECT term, node FROM node_terms ORDER BY term, node').map(({ term, node }) => [term, node]),
    [
      ['', 1],
      ['', 4],
      ['tag:a', 1],
      ['tag:b', 1],
    ],
  );
});
