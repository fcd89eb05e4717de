import { PilotError } from '../../../api/errors.ts';
import { FIRST } from './migrations/001-first.ts';
import { IDENTITY } from './migrations/002-identity.ts';
import { NETWORKS } from './migrations/003-networks.ts';
import { BEACONS } from './migrations/004-beacons.ts';
import { COUNTERS } from './migrations/005-counters.ts';
import { SEEN } from './migrations/006-seen.ts';
import { AUDIT } from './migrations/007-audit.ts';
import type { Sql } from './sql.ts';

/** "PLTR": says that a SQLite file is ours. */
const APPLICATION_ID = 0x504c5452;

/** Each entry takes the schema from its index to the next. Entries are never changed, only added. */
export const MIGRATIONS: readonly string[] = [FIRST, IDENTITY, NETWORKS, BEACONS, COUNTERS, SEEN, AUDIT];

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
