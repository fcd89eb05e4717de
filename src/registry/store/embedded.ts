import { createHash } from 'node:crypto';
import { PilotError } from '../../api/errors.ts';
import type { Bytes, Millis, NodeId } from '../../base/units.ts';
import type { Clock, Log } from '../../runtime/ports.ts';
import { copyAside, FileSync, hasLog, prepareFile, removeAside, sizeOf } from './embedded/files.ts';
import { Folder } from './embedded/folder.ts';
import { GroupCommit } from './embedded/group-commit.ts';
import { IdentityIndex } from './embedded/identity-index.ts';
import { checkOurs, migrate } from './embedded/schema.ts';
import { SeenPages } from './embedded/seen-pages.ts';
import { Sql, storeError } from './embedded/sql.ts';
import { embeddedTransfer } from './embedded/transfer.ts';
import { SOFT_DELAY, WriteBehind } from './embedded/write-behind.ts';
import type { LastSeen } from './sql/last-seen.ts';
import { NetworkTable } from './sql/networks.ts';
import { createTables, storeOver } from './sql/store.ts';
import { exportRows, importRows } from './sql/transfer.ts';
import { type Result, runNow, type Statement, type Steps } from './steps.ts';
import type { NodeIdentity, Store, Transferable } from './store.ts';

/** Files up to this size are checked in depth when opened; larger ones for structure only. */
const DEEP_CHECK_LIMIT: Bytes = 64 * 1024 * 1024;

export interface EmbeddedStoreOptions {
  /** The database file; its directory is made when missing. A second file with the suffix `-wal` lies beside it. */
  readonly path: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Runs a function after the current turn of the event loop; what happens until then shares a sync. @default the clock's next tick */
  readonly defer?: (run: () => void) => void;
  /** How long a heartbeat may stay in memory only. @default 5 s */
  readonly softDelay?: Millis;
}

/** A store in a file that others may copy while it is in use. */
export interface FileHolder {
  /**
   * From now on the file stays as it is, and what changes goes to its log, which grows: whoever copies first the file and
   * then the log has every change acknowledged before he began. Resolves with how to let go; once is enough.
   */
  holdFile(): Promise<() => void>;
}

/**
 * The default store: one SQLite file, no server. A change is acknowledged after its write-ahead log is synced;
 * changes of one turn share a sync. Opening checks the whole file.
 * Errors: `state_corrupt`, `disk_full`, `io_error`, `unavailable` (another process has it, or a newer version wrote it).
 */
export async function openEmbeddedStore(
  options: EmbeddedStoreOptions,
): Promise<Store & FileHolder & Transferable> {
  const { path } = options;
  // The native library is loaded by nobody who does not open a store.
  const { default: Database } = await import('libsql');
  prepareFile(path);
  const connect = (file: string): Sql => {
    const connection = new Sql(new Database(file));
    // Exclusive: one process at a time, and no shared-memory file that a full disk could turn into a bus error.
    connection.one('PRAGMA locking_mode = EXCLUSIVE');
    return connection;
  };
  let sql: Sql | undefined;
  try {
    const checked =
      hasLog(path) && checkCopy(connect, path, () => isHeld(new Sql(new Database(readOnly(path)))));
    sql = connect(path);
    // Before anything is written: a file that is damaged or not ours stays as it is.
    if (!checked) check(sql, path);
    checkOurs(sql, path);
    configure(sql);
    migrate(sql);
    hashOldTokens(sql);
    return embeddedStore(sql, options);
  } catch (error) {
    if (sql !== undefined) abandon(sql);
    throw storeError(error, path);
  }
}

/** Join tokens were kept as they are until schema 3. */
function hashOldTokens(sql: Sql): void {
  const hash = (token: string): string => createHash('sha256').update(token).digest('hex');
  runNow(new NetworkTable().hashTokens(hash), (statement) => sql.execute(statement));
}

/**
 * With a log beside it, a file that is opened is written to when it is closed, even after it was refused: what is
 * looked at is a copy. False when there is no room for one, or another process has the file and may have changed it
 * meanwhile.
 */
function checkCopy(connect: (file: string) => Sql, path: string, held: () => boolean): boolean {
  const aside = copyAside(path);
  if (aside === undefined) return false;
  let copy: Sql | undefined;
  try {
    copy = connect(aside);
    check(copy, path);
    checkOurs(copy, path);
    return true;
  } catch (error) {
    if (held()) return false;
    throw error;
  } finally {
    if (copy !== undefined) abandon(copy);
    removeAside(aside);
  }
}

/** What the library opens without ever writing. */
function readOnly(path: string): string {
  return `file:${encodeURI(path).replaceAll('?', '%3f').replaceAll('#', '%23')}?mode=ro`;
}

/** True when another process has locked the file. */
function isHeld(probe: Sql): boolean {
  try {
    // Fails in any case, the file being opened for reading only: at the lock that it finds, or at the one it wants.
    probe.one('PRAGMA locking_mode = EXCLUSIVE');
    probe.one('PRAGMA user_version');
    return false;
  } catch (error) {
    return String((error as { code?: unknown }).code).startsWith('SQLITE_BUSY');
  } finally {
    probe.close();
  }
}

function configure(sql: Sql): void {
  sql.exec('PRAGMA synchronous = FULL; PRAGMA cache_size = -32768; PRAGMA temp_store = MEMORY');
  // Takes the lock now rather than at the first change.
  sql.exec('BEGIN EXCLUSIVE; COMMIT');
}

/** Indexes are compared with their tables only while that takes no more than a few seconds. */
function check(sql: Sql, path: string): void {
  const kind = sizeOf(path) <= DEEP_CHECK_LIMIT ? 'integrity_check' : 'quick_check';
  const finding = sql.one(`PRAGMA ${kind}(1)`)?.[kind];
  if (finding === 'ok') return;
  throw new PilotError('state_corrupt', `Cannot open the registry store ${path}: ${String(finding)}`);
}

/**
 * Leaves one file with everything in it, and lets go of the lock: the library closes a database only when the
 * garbage collector has taken the last of its statements.
 */
function release(sql: Sql): void {
  try {
    sql.exec('PRAGMA synchronous = FULL');
    sql.one('PRAGMA journal_mode = DELETE');
    sql.one('PRAGMA locking_mode = NORMAL');
    sql.one('SELECT 1 FROM sqlite_master');
  } catch {
    // A full disk, or not a database: the log stays beside the file and is read at the next opening.
  }
  sql.close();
}

/** Lets go of a file that can't be used, without writing to it. */
function abandon(sql: Sql): void {
  try {
    sql.one('PRAGMA locking_mode = NORMAL');
    sql.one('SELECT 1 FROM sqlite_master');
  } catch {
    // Not a database at all.
  }
  sql.close();
}

function embeddedStore(
  sql: Sql,
  { path, clock, log, defer, softDelay = SOFT_DELAY }: EmbeddedStoreOptions,
): Store & FileHolder & Transferable {
  const nextTurn = defer ?? ((run: () => void) => void clock.at(clock.now(), run));
  // Not before the first change: whoever only opens and closes a store leaves the file as it was.
  const beforeFirst = (): void => {
    sql.one('PRAGMA journal_mode = WAL');
    // The log is synced after every group, but not by the database, which would hold up the event loop.
    // Nor does it fold the log into the file by itself, for the same reason.
    sql.exec('PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0');
  };
  const logFile = new FileSync(`${path}-wal`);
  const folder = new Folder(sql, path);
  const commit = new GroupCommit({
    ...{ sql, path, beforeFirst },
    defer: nextTurn,
    sync: () => logFile.sync(),
    synced: (changes) => folder.committed(changes),
  });
  const pages = new SeenPages();
  const behind = new WriteBehind({ sql, pages, commit, clock, log, path, delay: softDelay });
  const seen = armed(pages, behind);
  const identities = new IdentityIndex();
  const execute = (statement: Statement): Result => sql.execute(statement);
  const read = <T>(work: () => Steps<T>): Promise<T> => commit.read(() => runNow(work(), execute));
  const write = <T>(work: () => Steps<T>): Promise<T> => commit.write(() => runNow(work(), execute));
  const tables = createTables({ seen, identities });

  function* readIdentity(id: NodeId): Steps<NodeIdentity | undefined> {
    const node = yield* tables.nodes.byId(id);
    if (node !== undefined) identities.put(node);
    return node;
  }

  let holders = 0;

  return {
    ...storeOver({ read, view: read, write }, tables),
    async identity(id) {
      return identities.find(id) ?? read(() => readIdentity(id));
    },
    onlineCount: async (since) => pages.countSince(since),
    touch: (id, at) => seen.note(id, at),
    exportTo: (sha256, emit) => read(() => exportRows(embeddedTransfer(sha256, seen), emit)),
    importFrom: (sha256, lines) => write(() => importRows(embeddedTransfer(sha256, seen), lines)),
    async holdFile() {
      // A first change would turn the file into one with a log.
      await commit.write(() => {});
      if (holders++ === 0) folder.held = true;
      let held = true;
      return () => {
        if (held && --holders === 0) folder.held = false;
        held = false;
      };
    },
    async close() {
      await commit.drain();
      await behind.finish();
      await commit.close();
      logFile.close();
      release(sql);
      folder.close();
    },
  };
}

/** Times that are written some seconds after they changed. */
function armed(pages: SeenPages, behind: WriteBehind): LastSeen {
  return {
    at: (id) => pages.at(id),
    note(id, at) {
      pages.note(id, at);
      behind.arm();
    },
    set(id, at) {
      pages.set(id, at);
      behind.arm();
    },
    leave(id) {
      pages.leave(id);
      behind.arm();
    },
  };
}
