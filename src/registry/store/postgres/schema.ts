import { PilotError } from '../../../api/errors.ts';
import type { Lanes } from './lanes.ts';
import { FIRST } from './migrations/001-first.ts';
import { AUDIT } from './migrations/002-audit.ts';
import { SETTINGS } from './migrations/003-settings.ts';
import { NONCES } from './migrations/004-nonces.ts';
import type { Asks } from './sql.ts';

/** Each entry takes the schema from its index to the next. Entries are never changed, only added, and only add. */
export const MIGRATIONS: readonly string[] = [FIRST, AUDIT, SETTINGS, NONCES];

/** Of PostgreSQL itself. */
const OLDEST_SERVER = 150_000;

/**
 * Makes the schema or brings it to the newest version, one instance at a time, all or nothing. Errors: `unavailable`
 * (the server is too old, or a newer version of ours was here), `state_corrupt` (not ours).
 */
export async function migrate(
  { probe, writes }: { readonly probe: Asks; readonly writes: Pick<Lanes, 'transaction'> },
  { schema, name }: { readonly schema: string; readonly name: string },
  migrations: readonly string[] = MIGRATIONS,
): Promise<void> {
  await checkServer(probe, name);
  await writes.transaction('BEGIN', async (step) => {
    await step.unsafe('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`pilot schema ${schema}`]);
    await step.unsafe(`CREATE SCHEMA IF NOT EXISTS ${schema}`);
    const version = await versionOf(step, schema, name);
    if (version > migrations.length) {
      const text = `Cannot open the registry's database ${name}: it was written by a newer version (schema ${version}, this one knows ${migrations.length})`;
      throw new PilotError('unavailable', text, { hint: 'update pilot on this machine' });
    }
    for (const [index, text] of migrations.entries()) {
      if (index < version) continue;
      await step.unsafe(text);
      await step.unsafe('INSERT INTO schema_versions (version) VALUES ($1)', [index + 1]);
    }
  });
}

async function checkServer(sql: Asks, name: string): Promise<void> {
  const [row] = await sql.unsafe(
    "SELECT current_setting('server_version_num') AS number, current_setting('server_version') AS version, current_setting('server_encoding') AS encoding, current_setting('synchronous_commit') AS commits",
  );
  if (Number(row!.number) < OLDEST_SERVER) {
    const text = `Cannot open the registry's database ${name}: it is PostgreSQL ${row!.version}`;
    throw new PilotError('unavailable', text, { hint: 'PostgreSQL 15 or newer' });
  }
  if (row!.encoding !== 'UTF8') {
    const text = `Cannot open the registry's database ${name}: its encoding is ${row!.encoding}`;
    throw new PilotError('unavailable', text, { hint: "CREATE DATABASE … ENCODING 'UTF8'" });
  }
  if (row!.commits === 'off') {
    const text = `Cannot open the registry's database ${name}: it acknowledges changes before they are on disk`;
    throw new PilotError('unavailable', text, { hint: 'ALTER ROLE … SET synchronous_commit = on' });
  }
}

async function versionOf(step: Asks, schema: string, name: string): Promise<number> {
  const tables = await step.unsafe(
    'SELECT table_name FROM information_schema.tables WHERE table_schema = $1',
    [schema],
  );
  if (tables.length === 0) {
    await step.unsafe(
      'CREATE TABLE schema_versions (version bigint PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())',
    );
    return 0;
  }
  if (!tables.some((row) => row.table_name === 'schema_versions')) {
    const text = `Cannot open the registry's database ${name}: the schema holds tables of another program`;
    throw new PilotError('state_corrupt', text, { hint: 'name another one in the URL: ?schema=NAME' });
  }
  const [row] = await step.unsafe('SELECT coalesce(max(version), 0) AS version FROM schema_versions');
  return Number(row!.version);
}
