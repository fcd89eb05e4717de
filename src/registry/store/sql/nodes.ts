import { toHex } from '../../../base/bytes.ts';
import type { NodeId, UnixMillis } from '../../../base/units.ts';
import { hasMoved, mayTakeHostname, nodeTerms } from '../rules.ts';
import { all, bytesOf, hold, lock, one, type Row, run, type Steps, type Value } from '../steps.ts';
import type {
  DescribedNode,
  HostnameRelease,
  NodeIdentity,
  NodePatch,
  NodeRecord,
  PublishedRecord,
  Registration,
  RegistrationOutcome,
} from '../store.ts';
import { type DocumentTable, textList } from './documents.ts';
import type { LastSeen } from './last-seen.ts';

/** Largest node id; the one above means "everyone". spec/01 §1.3 */
const LAST_NODE: NodeId = 0xffff_fffe;

/** Nodes described by one statement. */
const DESCRIBED_AT_ONCE = 32;
const DESCRIBE = `SELECT nodes.*, node_documents.document AS record, node_documents.terms AS record_terms
  FROM nodes LEFT JOIN node_documents ON node_documents.node = nodes.id
  WHERE nodes.registered = 1 AND nodes.id IN (${Array(DESCRIBED_AT_ONCE).fill('?').join()})`;

/** What a process keeps of nodes beside the tables. */
export interface Remembered {
  readonly seen: LastSeen;
  readonly identities: Identities;
}
export interface Identities {
  /** The node is another now, or will be in a moment. */
  drop(id: NodeId): void;
}

/**
 * Node records. The row's `last_seen` is of the last registration that changed something; `LastSeen` knows what came
 * since. Whoever changes a node holds its row.
 */
export class NodeTable {
  readonly #documents: DocumentTable;
  readonly #seen: LastSeen;
  readonly #identities: Identities;

  constructor(documents: DocumentTable, { seen, identities }: Remembered) {
    this.#documents = documents;
    this.#seen = seen;
    this.#identities = identities;
  }

  *byId(id: NodeId): Steps<NodeRecord | undefined> {
    return this.#record(yield* one('SELECT * FROM nodes WHERE id = ?', id));
  }
  *identity(id: NodeId): Steps<NodeIdentity | undefined> {
    const sql = 'SELECT id, public_key, proven, registered, key_expires_at FROM nodes WHERE id = ?';
    const row = yield* one(sql, id);
    return row === undefined
      ? undefined
      : {
          id,
          publicKey: bytesOf(row.public_key),
          proven: row.proven === 1,
          registered: row.registered === 1,
          keyExpiresAt: optionalNumber(row.key_expires_at),
        };
  }
  *byKey(publicKey: Uint8Array): Steps<NodeRecord | undefined> {
    return this.#record(yield* one('SELECT * FROM nodes WHERE public_key = ?', publicKey));
  }
  *byHostname(hostname: string): Steps<NodeRecord | undefined> {
    return this.#record(yield* one('SELECT * FROM nodes WHERE hostname = ?', hostname));
  }
  *list(after: NodeId, limit: number): Steps<NodeRecord[]> {
    const rows = yield* all('SELECT * FROM nodes WHERE id > ? ORDER BY id LIMIT ?', after, limit);
    return rows.map((row) => this.#record(row)!);
  }
  /** Records are never deleted and ids seldom skipped, so the last id is their number: counting rows takes long. */
  *count(): Steps<number> {
    return Number((yield* one('SELECT coalesce(max(id), 0) AS last FROM nodes'))!.last);
  }

  /** Looks at all of them. */
  *onlineCount(since: UnixMillis): Steps<number> {
    const sql = 'SELECT count(*) AS count FROM nodes WHERE registered = 1 AND last_seen > ?';
    return Number((yield* one(sql, since))!.count);
  }

  *register(input: Registration): Steps<RegistrationOutcome> {
    yield* lock(keyName(input.publicKey), ...hostnameNames(input.hostname));
    const known = this.#record(yield* hold('SELECT * FROM nodes WHERE public_key = ?', input.publicKey));
    if (known?.proven && !input.proven) return { kind: 'proof_required' };
    if (known !== undefined && isAsBefore(known, input)) {
      this.#seen.set(known.id, input.at);
      return { kind: 'known', node: { ...known, lastSeen: input.at }, moved: false };
    }
    let fresh: NodeRecord | undefined;
    let id: NodeId;
    if (known === undefined) {
      if ((yield* this.#documents.ownerOfRetired(input.publicKey)) !== undefined) return { kind: 'retired' };
      if ((yield* this.count()) >= input.maxNodes) return { kind: 'full' };
      fresh = yield* this.#insert(input);
      id = fresh.id;
      if (id > LAST_NODE) {
        yield* run('DELETE FROM nodes WHERE id = ?', id);
        return { kind: 'full' };
      }
    } else {
      id = known.id;
      yield* this.#renew(id, input);
    }
    this.#seen.set(id, input.at);
    this.#identities.drop(id);
    const holder =
      input.hostname === undefined ? undefined : yield* this.#claim(id, input.hostname, input.release);
    const node =
      fresh !== undefined && input.hostname === undefined
        ? { ...fresh, lastSeen: input.at }
        : (yield* this.byId(id))!;
    if (node.public) yield* this.#documents.index(node);
    return {
      kind: known === undefined ? 'created' : 'known',
      node,
      moved: known !== undefined && hasMoved(known, input),
      ...(holder === undefined ? {} : { hostnameHolder: holder }),
    };
  }

  *patch(id: NodeId, patch: NodePatch, at: UnixMillis): Steps<NodeRecord | undefined> {
    const columns: [string, Value][] = [];
    if (patch.public !== undefined) columns.push(['public', Number(patch.public)]);
    if (patch.tags !== undefined) columns.push(['tags', JSON.stringify(patch.tags)]);
    if (patch.taskExec !== undefined) columns.push(['task_exec', Number(patch.taskExec)]);
    if (patch.poloScore !== undefined) columns.push(['polo_score', patch.poloScore]);
    if (patch.keyExpiresAt !== undefined) columns.push(['key_expires_at', patch.keyExpiresAt]);
    for (const [column, value] of columns)
      yield* run(`UPDATE nodes SET ${column} = ? WHERE id = ?`, value, id);
    if (patch.poloScore !== undefined && (yield* this.byId(id)) !== undefined) this.#seen.note(id, at);
    this.#identities.drop(id);
    const node = yield* this.byId(id);
    if (node !== undefined && (patch.public !== undefined || patch.tags !== undefined))
      yield* this.#documents.index(node);
    return node;
  }

  *setHostname(
    id: NodeId,
    hostname: string,
    release: HostnameRelease,
  ): Steps<'set' | 'no_node' | { readonly holder: NodeRecord }> {
    yield* lock(...hostnameNames(hostname));
    if ((yield* this.#held(id)) === undefined) return 'no_node';
    const holder = yield* this.#claim(id, hostname, release);
    if (holder !== undefined) return { holder };
    yield* this.#documents.index((yield* this.byId(id))!);
    return 'set';
  }

  *rotateKey(
    id: NodeId,
    publicKey: Uint8Array,
    at: UnixMillis,
    document = '',
  ): Steps<NodeRecord | 'no_node' | 'key_in_use'> {
    yield* lock(keyName(publicKey));
    const node = yield* this.#held(id);
    if (node === undefined) return 'no_node';
    if ((yield* this.byKey(publicKey)) !== undefined) return 'key_in_use';
    if ((yield* this.#documents.ownerOfRetired(publicKey)) !== undefined) return 'key_in_use';
    if (document !== '') yield* this.#documents.rotated(id, node.keyRotations + 1, node.publicKey, document);
    yield* this.#documents.dropRecord(id);
    yield* run(
      'UPDATE nodes SET public_key = ?, key_rotated_at = ?, key_rotations = key_rotations + 1, last_seen = ? WHERE id = ?',
      publicKey,
      at,
      at,
      id,
    );
    this.#seen.set(id, at);
    this.#identities.drop(id);
    const rotated = (yield* this.byId(id))!;
    yield* this.#documents.index(rotated);
    return rotated;
  }

  *deregister(id: NodeId): Steps<boolean> {
    if ((yield* run('UPDATE nodes SET registered = 0 WHERE id = ? AND registered = 1', id)) === 0)
      return false;
    this.#seen.leave(id);
    this.#identities.drop(id);
    yield* this.#documents.index((yield* this.byId(id))!);
    return true;
  }

  *publish(id: NodeId, published: PublishedRecord): Steps<'stored' | 'older' | 'no_node'> {
    const node = yield* this.#held(id);
    return node === undefined ? 'no_node' : yield* this.#documents.publish(node, published);
  }

  /** Registered ones of these, in the order asked for. */
  *describe(ids: readonly NodeId[]): Steps<DescribedNode[]> {
    const found = new Map<NodeId, DescribedNode>();
    for (let at = 0; at < ids.length; at += DESCRIBED_AT_ONCE) {
      const some = ids.slice(at, at + DESCRIBED_AT_ONCE);
      // Always as many places: each number of them would be a statement of its own.
      while (some.length < DESCRIBED_AT_ONCE) some.push(some[0]!);
      for (const row of yield* all(DESCRIBE, ...some)) {
        const node = this.#record(row)!;
        const terms = nodeTerms(node, row.record_terms === null ? [] : textList(row.record_terms));
        found.set(node.id, { node, record: String(row.record ?? ''), terms });
      }
    }
    return ids.map((id) => found.get(id)).filter((described) => described !== undefined);
  }

  /** Gives the name to `id`, or returns who holds it. */
  *#claim(id: NodeId, hostname: string, release: HostnameRelease): Steps<NodeRecord | undefined> {
    if (hostname !== '') {
      const holder = this.#record(yield* hold('SELECT * FROM nodes WHERE hostname = ?', hostname));
      if (holder !== undefined && holder.id !== id) {
        if (!mayTakeHostname(holder, release)) return holder;
        yield* run('UPDATE nodes SET hostname = NULL WHERE id = ?', holder.id);
        yield* this.#documents.index((yield* this.byId(holder.id))!);
      }
    }
    yield* run('UPDATE nodes SET hostname = ? WHERE id = ?', hostname === '' ? null : hostname, id);
    return undefined;
  }

  *#held(id: NodeId): Steps<NodeRecord | undefined> {
    return this.#record(yield* hold('SELECT * FROM nodes WHERE id = ?', id));
  }
  *#insert(input: Registration): Steps<NodeRecord> {
    const row = yield* one(
      `INSERT INTO nodes (public_key, owner, endpoint, lan, beacons, version, relay_only, proven, last_seen,
         key_created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING *`,
      input.publicKey,
      input.owner,
      input.endpoint,
      JSON.stringify(input.lan),
      JSON.stringify(input.beacons),
      input.version,
      Number(input.relayOnly),
      Number(input.proven),
      input.at,
      input.at,
    );
    return this.#record(row)!;
  }
  *#renew(id: NodeId, input: Registration): Steps<void> {
    yield* run(
      `UPDATE nodes SET endpoint = ?, lan = ?, beacons = ?, version = CASE WHEN ? = '' THEN version ELSE ? END,
         owner = CASE WHEN owner = '' THEN ? ELSE owner END, relay_only = ?,
         proven = CASE WHEN proven = 1 THEN 1 ELSE ? END, registered = 1, last_seen = ? WHERE id = ?`,
      input.endpoint,
      JSON.stringify(input.lan),
      JSON.stringify(input.beacons),
      input.version,
      input.version,
      input.owner,
      Number(input.relayOnly),
      Number(input.proven),
      input.at,
      id,
    );
  }

  #record(row: Row | undefined): NodeRecord | undefined {
    if (row === undefined) return undefined;
    const id = Number(row.id);
    return {
      id,
      publicKey: bytesOf(row.public_key),
      owner: String(row.owner),
      endpoint: String(row.endpoint),
      lan: textList(row.lan),
      beacons: textList(row.beacons),
      public: row.public === 1,
      hostname: row.hostname === null ? '' : String(row.hostname),
      tags: textList(row.tags),
      poloScore: Number(row.polo_score),
      taskExec: row.task_exec === 1,
      version: String(row.version),
      relayOnly: row.relay_only === 1,
      proven: row.proven === 1,
      registered: row.registered === 1,
      lastSeen: Math.max(Number(row.last_seen), this.#seen.at(id)),
      keyCreatedAt: Number(row.key_created_at),
      keyRotatedAt: optionalNumber(row.key_rotated_at),
      keyRotations: Number(row.key_rotations),
      keyExpiresAt: optionalNumber(row.key_expires_at),
    };
  }
}

function optionalNumber(value: unknown): number | undefined {
  return value === null ? undefined : Number(value);
}

/** Two that want one key or one name come one after the other: a conflict seen too late would use up an id. */
function keyName(publicKey: Uint8Array): string {
  return `key:${toHex(publicKey)}`;
}
function hostnameNames(hostname: string | undefined): string[] {
  return hostname === undefined || hostname === '' ? [] : [`hostname:${hostname}`];
}

/** True when a registration says nothing new but that the node is there. */
function isAsBefore(known: NodeRecord, input: Registration): boolean {
  return (
    known.registered &&
    known.lastSeen <= input.at &&
    known.proven === (known.proven || input.proven) &&
    known.relayOnly === input.relayOnly &&
    known.endpoint === input.endpoint &&
    JSON.stringify([known.lan, known.beacons]) === JSON.stringify([input.lan, input.beacons]) &&
    (input.version === '' || known.version === input.version) &&
    (input.owner === '' || known.owner !== '') &&
    (input.hostname === undefined || known.hostname === input.hostname)
  );
}
