import { PilotError } from '../../../api/errors.ts';
import type { Sql } from './sql.ts';

/** "PLTR": says that a SQLite file is ours. */
const APPLICATION_ID = 0x504c5452;

/** Each entry takes the schema from its index to the next. Entries are never changed, only added. */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE nodes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    public_key BLOB NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    lan TEXT NOT NULL,
    public INTEGER NOT NULL DEFAULT 0,
    hostname TEXT UNIQUE,
    tags TEXT NOT NULL DEFAULT '[]',
    polo_score INTEGER NOT NULL DEFAULT 0,
    task_exec INTEGER NOT NULL DEFAULT 0,
    version TEXT NOT NULL,
    relay_only INTEGER NOT NULL,
    proven INTEGER NOT NULL,
    registered INTEGER NOT NULL DEFAULT 1,
    last_seen INTEGER NOT NULL,
    key_created_at INTEGER NOT NULL,
    key_rotated_at INTEGER,
    key_rotations INTEGER NOT NULL DEFAULT 0,
    key_expires_at INTEGER
  ) STRICT;
  CREATE TABLE trust_pairs (
    low INTEGER NOT NULL,
    high INTEGER NOT NULL,
    request TEXT NOT NULL,
    accept TEXT NOT NULL,
    PRIMARY KEY (low, high)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX trust_pairs_high ON trust_pairs (high, low);
  CREATE TABLE trust_halves (
    giver INTEGER NOT NULL,
    peer INTEGER NOT NULL,
    kind TEXT NOT NULL,
    message TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (giver, peer)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE inbox (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    target INTEGER NOT NULL,
    kind TEXT NOT NULL,
    sender INTEGER NOT NULL,
    justification TEXT NOT NULL,
    accept INTEGER NOT NULL,
    message TEXT NOT NULL,
    source TEXT NOT NULL,
    at INTEGER NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX inbox_of_target ON inbox (target, kind, sender);
  CREATE TABLE networks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    join_rule TEXT NOT NULL,
    token TEXT NOT NULL,
    enterprise INTEGER NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE members (
    network INTEGER NOT NULL,
    node INTEGER NOT NULL,
    role TEXT NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX members_of_network ON members (network, node);
  CREATE INDEX members_of_node ON members (node, network);
  `,
];

/** Refuses files of other programs and of newer versions, reading only. Errors: `state_corrupt`, `unavailable`. */
export function checkOurs(sql: Sql, path: string, migrations: readonly string[] = MIGRATIONS): void {
  const version = schemaVersion(sql);
  const application = Number(sql.one('PRAGMA application_id')?.application_id);
  if (version === 0 && application === 0) {
    const foreign = sql.one('SELECT count(*) AS count FROM sqlite_master');
    if (Number(foreign?.count) > 0) throw notOurs(path);
  } else if (application !== APPLICATION_ID) throw notOurs(path);
  if (version > migrations.length) {
    const message = `Cannot open the registry store ${path}: it was written by a newer version (schema ${version}, this one knows ${migrations.length})`;
    throw new PilotError('unavailable', message, { hint: 'update pilot on this machine' });
  }
}

/** Brings the file to the newest schema in one transaction. */
export function migrate(sql: Sql, migrations: readonly string[] = MIGRATIONS): void {
  const version = schemaVersion(sql);
  if (version === migrations.length) return;
  sql.exec('BEGIN IMMEDIATE');
  try {
    for (const step of migrations.slice(version)) sql.exec(step);
    sql.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${migrations.length}`);
    sql.exec('COMMIT');
  } catch (error) {
    if (sql.inTransaction) sql.exec('ROLLBACK');
    throw error;
  }
}

function schemaVersion(sql: Sql): number {
  return Number(sql.one('PRAGMA user_version')?.user_version);
}

function notOurs(path: string): PilotError {
  return new PilotError(
    'state_corrupt',
    `Cannot open the registry store ${path}: it is a database of another program`,
  );
}
