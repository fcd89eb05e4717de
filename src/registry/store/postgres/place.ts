import { PilotError } from '../../../api/errors.ts';

/** Where a database is, and the schema in it that holds the registry. */
export interface DatabasePlace {
  /** What the library connects to; has the password. Never shown. */
  readonly url: string;
  readonly schema: string;
  /** For messages: host, database and schema. */
  readonly name: string;
}

/** Parameters of the URL that are ours. */
const SCHEMA = 'schema';
const DEFAULT_SCHEMA = 'pilot';

/**
 * `postgres://USER:PASSWORD@HOST:PORT/DATABASE?schema=NAME&sslmode=require`. The password may come from `PGPASSWORD`
 * instead. Throws `invalid_argument`, without the URL in its message.
 */
export function readPlace(text: string): DatabasePlace {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw invalid('it is no URL');
  }
  if (!/^postgres(ql)?:$/.test(url.protocol)) throw invalid('it does not begin with postgres://');
  const database = decodeURIComponent(url.pathname.slice(1));
  if (url.hostname === '' || database === '') throw invalid('it has to name a host and a database');
  const schema = url.searchParams.get(SCHEMA) ?? DEFAULT_SCHEMA;
  if (!/^[a-z_][a-z0-9_]{0,50}$/.test(schema)) throw invalid('its schema is no plain name');
  url.searchParams.delete(SCHEMA);
  return { url: url.href, schema, name: `${url.host}/${database} (schema ${schema})` };
}

function invalid(why: string): PilotError {
  return new PilotError('invalid_argument', `Cannot use the URL of the registry's database: ${why}`, {
    hint: 'postgres://USER:PASSWORD@HOST:PORT/DATABASE',
  });
}
