import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { PilotError } from '../../api/errors.ts';
import type { Bytes, NodeId } from '../../base/units.ts';
import type { Clock, Log } from '../../runtime/ports.ts';
import { DocumentTable } from './embedded/documents.ts';
import { GroupCommit } from './embedded/group-commit.ts';
import { IdentityIndex } from './embedded/identity-index.ts';
import { InboxTable } from './embedded/inbox.ts';
import { InviteTable } from './embedded/invites.ts';
import { NetworkTable } from './embedded/networks.ts';
import { NodeTable } from './embedded/nodes.ts';
import { checkOurs, migrate } from './embedded/schema.ts';
import { SeenPages } from './embedded/seen-pages.ts';
import { Sql, storeError } from './embedded/sql.ts';
import { TrustTables } from './embedded/trust.ts';
import { WriteBehind } from './embedded/write-behind.ts';
import type { NodeIdentity, Store } from './store.ts';
import { TrustLedger } from './trust-ledger.ts';

/** Files up to this size are checked in depth when opened; larger ones for structure only. */
const DEEP_CHECK_LIMIT: Bytes = 64 * 1024 * 1024;

export interface EmbeddedStoreOptions {
  /** The database file; its directory is made when missing. A second file with the suffix `-wal` lies beside it. */
  readonly path: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Runs a function after the current turn of the event loop; what happens until then shares a sync. @default the clock's next tick */
  readonly defer?: (run: () => void) => void;
}

/**
 * The default store: one SQLite file, no server. A change is acknowledged after its write-ahead log is synced;
 * changes of one turn share a sync. Opening checks the whole file.
 * Errors: `state_corrupt`, `disk_full`, `io_error`, `unavailable` (another process has it, or a newer version wrote it).
 */
export async function openEmbeddedStore(options: EmbeddedStoreOptions): Promise<Store> {
  const { path } = options;
  // The native library is loaded by nobody who does not open a store.
  const { default: Database } = await import('libsql');
  prepareFile(path);
  let sql: Sql | undefined;
  try {
    sql = new Sql(new Database(path));
    // Exclusive: one process at a time, and no shared-memory file that a full disk could turn into a bus error.
    sql.one('PRAGMA locking_mode = EXCLUSIVE');
    // Before anything is written: a file that is damaged or not ours stays as it is.
    check(sql, path);
    checkOurs(sql, path);
    configure(sql);
    migrate(sql);
    hashOldTokens(sql);
    return storeOver(sql, options);
  } catch (error) {
    if (sql !== undefined) abandon(sql);
    throw storeError(error, path);
  }
}

/** Join tokens were kept as they are until schema 3. */
function hashOldTokens(sql: Sql): void {
  new NetworkTable(sql).hashTokens((token) => createHash('sha256').update(token).digest('hex'));
}

/** SQLite would create the file readable for everybody. */
function prepareFile(path: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    closeSync(openSync(path, 'a', 0o600));
    const directory = openSync(dirname(path), 'r');
    fsyncSync(directory);
    closeSync(directory);
  } catch (error) {
    const code = (error as { code?: string }).code === 'ENOSPC' ? 'disk_full' : 'io_error';
    const text = error instanceof Error ? error.message : String(error);
    throw new PilotError(code, `Cannot open the registry store ${path}: ${text}`, { cause: error });
  }
}

function configure(sql: Sql): void {
  sql.exec('PRAGMA synchronous = FULL; PRAGMA cache_size = -32768; PRAGMA temp_store = MEMORY');
  // Takes the lock now rather than at the first change.
  sql.exec('BEGIN EXCLUSIVE; COMMIT');
}

/** Indexes are compared with their tables only while that takes no more than a few seconds. */
function check(sql: Sql, path: string): void {
  const kind = statSync(path).size <= DEEP_CHECK_LIMIT ? 'integrity_check' : 'quick_check';
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

function storeOver(sql: Sql, { path, clock, log, defer }: EmbeddedStoreOptions): Store {
  const nextTurn = defer ?? ((run: () => void) => void clock.at(clock.now(), run));
  // Not before the first change: whoever only opens and closes a store leaves the file as it was.
  const beforeFirst = (): void => void sql.one('PRAGMA journal_mode = WAL');
  const commit = new GroupCommit(sql, path, nextTurn, beforeFirst);
  const seen = new SeenPages();
  const behind = new WriteBehind({ sql, pages: seen, commit, clock, log, path });
  const identities = new IdentityIndex();
  const documents = new DocumentTable(sql);
  const nodes = new NodeTable(sql, documents, seen);
  const inbox = new InboxTable(sql);
  const trustRows = new TrustTables(sql);
  const trust = new TrustLedger(trustRows, inbox);
  const networks = new NetworkTable(sql);
  const invites = new InviteTable(sql, networks);

  /** Changes a node in a way that heartbeats have to know of. */
  function changing<T>(id: NodeId, work: () => T): Promise<T> {
    return commit.write(() => {
      identities.drop(id);
      return work();
    });
  }
  function readIdentity(id: NodeId): NodeIdentity | undefined {
    const node = nodes.byId(id);
    if (node !== undefined) identities.put(node);
    return node;
  }

  return {
    node: (id) => commit.read(() => nodes.byId(id)),
    async identity(id) {
      return identities.find(id) ?? commit.read(() => readIdentity(id));
    },
    nodeByKey: (publicKey) => commit.read(() => nodes.byKey(publicKey)),
    nodeByHostname: (hostname) => commit.read(() => nodes.byHostname(hostname)),
    listNodes: (after, limit) => commit.read(() => nodes.list(after, limit)),
    counts: () => commit.read(() => ({ nodes: nodes.count(), networks: networks.count() })),
    onlineCount: async (since) => seen.countSince(since),
    register: (registration) =>
      commit.write(() => {
        const outcome = nodes.register(registration);
        if ('node' in outcome) identities.drop(outcome.node.id);
        behind.arm();
        return outcome;
      }),
    patchNode: (id, patch, at) => changing(id, () => nodes.patch(id, patch, at)),
    setHostname: (id, hostname, release) => commit.write(() => nodes.setHostname(id, hostname, release)),
    rotateKey: (id, publicKey, at, document) =>
      changing(id, () => nodes.rotateKey(id, publicKey, at, document)),
    nodeDocuments: (id) => commit.read(() => documents.documents(id)),
    nodeByRetiredKey: (publicKey) => commit.read(() => documents.ownerOfRetired(publicKey)),
    publishRecord: (id, record) => commit.write(() => nodes.publish(id, record)),
    findNodes: (term, after, limit) => commit.read(() => nodes.describe(documents.find(term, after, limit))),
    describeNodes: (ids) => commit.read(() => nodes.describe(ids)),
    deregister: (id) => changing(id, () => nodes.deregister(id)),
    touch(id, at) {
      seen.note(id, at);
      behind.arm();
    },
    trusted: (a, b, at) => commit.read(() => trust.trusted(a, b, at)),
    gaveWord: (giver, peer) => commit.read(() => trust.gaveWord(giver, peer)),
    trustProof: (a, b) => commit.read(() => trust.proof(a, b)),
    trustDocuments: (a, b) => commit.read(() => trust.documents(a, b)),
    trustPeers: (id, limit, at) => commit.read(() => trustRows.peers(id, limit, at)),
    certifyTrust: (certified) => commit.write(() => trust.certify(certified)),
    reportTrust: (from, peer, at, askedAfter) => commit.write(() => trust.report(from, peer, at, askedAfter)),
    revokeTrust: (revocation) => commit.write(() => trust.revoke(revocation)),
    requestHandshake: (request) => commit.write(() => trust.request(request)),
    respondHandshake: (response) => commit.write(() => trust.respond(response)),
    async takeInbox(node) {
      // Most polls find nothing, and reading costs no sync.
      const empty = await commit.read(() => inbox.isEmpty(node, Number.MAX_SAFE_INTEGER));
      return empty ? [] : commit.write(() => inbox.take(node));
    },
    async pollInbox(node, ack, limit) {
      const nothingToDrop = await commit.read(() => inbox.isEmpty(node, ack));
      if (!nothingToDrop) await commit.write(() => inbox.acknowledge(node, ack));
      return commit.read(() => inbox.list(node, limit));
    },
    createNetwork: (network) => commit.write(() => networks.create(network)),
    network: (id) => commit.read(() => networks.record(id)),
    networkByName: (name) => commit.read(() => networks.byName(name)),
    listNetworks: (limit, viewer = 0, after = 0) => commit.read(() => networks.list(limit, viewer, after)),
    patchNetwork: (id, patch) => commit.write(() => networks.patch(id, patch)),
    renameNetwork: (id, name) => commit.write(() => networks.rename(id, name)),
    deleteNetwork: (id) => commit.write(() => networks.delete(id)),
    joinNetwork: (admission) => commit.write(() => networks.join(admission)),
    removeMember: (id, node, except) => commit.write(() => networks.remove(id, node, except)),
    member: (id, node) => commit.read(() => networks.member(id, node)),
    members: (id, limit, after = 0) => commit.read(() => networks.members(id, limit, after)),
    owner: (id) => commit.read(() => networks.owner(id)),
    changeRole: (id, node, from, to) => commit.write(() => networks.changeRole(id, node, from, to)),
    transferNetwork: (id, from, to, perOwner) =>
      commit.write(() => networks.transfer(id, from, to, perOwner)),
    setMemberTags: (id, node, tags) => commit.write(() => networks.setTags(id, node, tags)),
    networksOf: (node) => commit.read(() => networks.of(node)),
    membershipsOf: (node, limit, after = 0) => commit.read(() => networks.membershipsOf(node, limit, after)),
    sharedNetworks: (node, peer) => commit.read(() => networks.shared(node, peer)),
    invite: (invite) => commit.write(() => invites.add(invite)),
    invites: (target, since, limit) => commit.read(() => invites.list(target, since, limit)),
    acceptInvite: (admission, expiredBefore) => commit.write(() => invites.accept(admission, expiredBefore)),
    declineInvite: (id, target, expiredBefore) =>
      commit.write(() => invites.decline(id, target, expiredBefore)),
    async close() {
      commit.commit();
      await behind.finish();
      commit.close();
      release(sql);
    },
  };
}
