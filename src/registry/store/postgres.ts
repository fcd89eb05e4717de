import type { Millis } from '../../base/units.ts';
import type { Clock, Log } from '../../runtime/ports.ts';
import { NotifyBus } from './postgres/bus.ts';
import { postgresEngine } from './postgres/engine.ts';
import { databaseError } from './postgres/errors.ts';
import { Lanes, Readers } from './postgres/lanes.ts';
import { UnwrittenSeen } from './postgres/last-seen.ts';
import { DatabaseLink, type Pools } from './postgres/link.ts';
import { SharedNonces } from './postgres/nonces.ts';
import { readPlace } from './postgres/place.ts';
import { migrate } from './postgres/schema.ts';
import type { Sql } from './postgres/sql.ts';
import { postgresTransfer } from './postgres/transfer.ts';
import { createTables, storeOver } from './sql/store.ts';
import { exportRows, importRows } from './sql/transfer.ts';
import { one, run, type Steps } from './steps.ts';
import type { Store, Transferable } from './store.ts';

/** Connections of one instance, beside one that probes and one that listens. */
const READ_CONNECTIONS = 6;
const VIEW_CONNECTIONS = 3;
const WRITE_CONNECTIONS = 10;
/** Seconds. */
const CONNECT_PATIENCE = 2;
/** A statement that takes longer fails. */
const STATEMENT_PATIENCE: Millis = 10_000;
/** Ours never pause: whoever does has lost its way to the database, and others wait for what it has locked. */
const TRANSACTION_PATIENCE: Millis = 1500;

export interface PostgresStore extends Store, Transferable {
  /** Where it is, without the password. */
  readonly name: string;
  /** What all processes on this store share; undefined when nobody has put it there. */
  setting(name: string): Promise<string | undefined>;
  /** Puts it there unless somebody was first. */
  offerSetting(name: string, value: string): Promise<void>;
}

export interface PostgresStoreOptions {
  /** See `readPlace`. Has the password: never logged. */
  readonly url: string;
  readonly clock: Clock;
  readonly log: Log;
  /** A number in [0, 1), for pauses. */
  readonly random: () => number;
}

/**
 * A store in PostgreSQL 15 or newer, for any number of processes at once. Makes its tables or brings them to the newest
 * version when it is opened. A change is acknowledged after the database committed it. While the database cannot be
 * reached every request fails at once with `unavailable`; it comes back by itself.
 * Errors: `invalid_argument` (the URL), `unavailable`, `permission_denied`, `state_corrupt`.
 */
export async function openPostgresStore(options: PostgresStoreOptions): Promise<PostgresStore> {
  const { clock, log, random } = options;
  const place = readPlace(options.url);
  const { schema, name } = place;
  // The library is loaded by nobody who does not use it.
  const { default: postgres } = await import('postgres');
  const client = (max: number, onclose: () => void = () => undefined): Sql =>
    postgres(place.url, {
      max,
      connect_timeout: CONNECT_PATIENCE,
      idle_timeout: 0,
      max_lifetime: null,
      backoff: false,
      fetch_types: false,
      onnotice: () => undefined,
      onclose,
      types: { bigint: { to: 20, from: [20], serialize: String, parse: Number } },
      connection: {
        application_name: 'pilot-registry',
        search_path: schema,
        statement_timeout: STATEMENT_PATIENCE,
        idle_in_transaction_session_timeout: TRANSACTION_PATIENCE,
      },
    });
  const pools = (): Pools => ({
    reads: new Readers(READ_CONNECTIONS, (onClose) => client(1, onClose)),
    views: new Lanes(VIEW_CONNECTIONS, (onClose) => client(1, onClose)),
    writes: new Lanes(WRITE_CONNECTIONS, (onClose) => client(1, onClose)),
    probe: client(1),
    listen: client(1),
  });
  const bus = new NotifyBus(schema);
  let changed: (isUp: boolean) => void = () => undefined;
  const link = new DatabaseLink({
    clock,
    pools,
    async prepare({ probe, writes, listen }) {
      await migrate({ probe, writes }, place);
      await bus.listen(listen);
    },
    onUp({ reads }) {
      log.event('info', 'registry.store.connected', { database: name });
      bus.connect(reads);
      changed(true);
    },
    onDown(reason) {
      log.event('warn', 'registry.store.lost', { database: name, reason });
      bus.connect(undefined);
      changed(false);
    },
  });
  const engine = postgresEngine({ link, clock, random, schema, name });
  const seen = new UnwrittenSeen(engine, clock, log);
  const nonces = new SharedNonces(engine, clock);
  const tables = createTables({ seen, identities: { drop: () => undefined } });
  try {
    await link.open();
  } catch (thrown) {
    throw databaseError(thrown, name);
  }

  return {
    ...storeOver(engine, tables),
    identity: (id) => engine.read(() => tables.nodes.identity(id)),
    async onlineCount(since) {
      await seen.flush();
      return engine.read(() => tables.nodes.onlineCount(since));
    },
    touch: (id, at) => seen.note(id, at),
    exportTo: (sha256, emit) => engine.view(() => exportRows(postgresTransfer(sha256), emit)),
    importFrom: (sha256, lines) => engine.write(() => importRows(postgresTransfer(sha256), lines)),
    name,
    setting: (key) => engine.read(() => setting(key)),
    offerSetting: (key, value) => engine.write(() => offerSetting(key, value)),
    claimNonce: (node, nonce, at) => nonces.claim(node, nonce, at),
    bus,
    availability: {
      get isUp() {
        return link.pools !== undefined;
      },
      onChange(receiver) {
        changed = receiver;
      },
    },
    async close() {
      await seen.finish();
      await link.close();
    },
  };
}

function* setting(name: string): Steps<string | undefined> {
  const row = yield* one('SELECT value FROM settings WHERE name = ?', name);
  return row === undefined ? undefined : String(row.value);
}
function* offerSetting(name: string, value: string): Steps<void> {
  yield* run('INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING', name, value);
}
