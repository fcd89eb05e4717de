import type { NodeId, UnixMillis } from '../../../base/units.ts';
import type { LastSeen } from '../last-seen.ts';
import { hasMoved, mayTakeHostname } from '../rules.ts';
import type {
  DescribedNode,
  HostnameRelease,
  NodePatch,
  NodeRecord,
  PublishedRecord,
  Registration,
  RegistrationOutcome,
} from '../store.ts';
import { type DocumentTable, textList } from './documents.ts';
import { bytesOf, type Row, type Sql, type Value } from './sql.ts';

/** Largest node id; the one above means "everyone". spec/01 §1.3 */
const LAST_NODE: NodeId = 0xffff_fffe;

/** Node records. The row's `last_seen` is of the last registration; `LastSeen` has the heartbeats since. */
export class NodeTable {
  readonly #sql: Sql;
  readonly #documents: DocumentTable;
  readonly #seen: LastSeen;

  constructor(sql: Sql, documents: DocumentTable, seen: LastSeen) {
    this.#sql = sql;
    this.#documents = documents;
    this.#seen = seen;
  }

  byId(id: NodeId): NodeRecord | undefined {
    return this.#record(this.#sql.one('SELECT * FROM nodes WHERE id = ?', id));
  }
  byKey(publicKey: Uint8Array): NodeRecord | undefined {
    return this.#record(this.#sql.one('SELECT * FROM nodes WHERE public_key = ?', publicKey));
  }
  byHostname(hostname: string): NodeRecord | undefined {
    return this.#record(this.#sql.one('SELECT * FROM nodes WHERE hostname = ?', hostname));
  }
  list(after: NodeId, limit: number): NodeRecord[] {
    return this.#sql
      .all('SELECT * FROM nodes WHERE id > ? ORDER BY id LIMIT ?', after, limit)
      .map((row) => this.#record(row)!);
  }
  /** Records are never deleted and ids never skipped, so the last id is their number: counting rows takes long. */
  count(): number {
    return Number(this.#sql.one('SELECT coalesce(max(id), 0) AS last FROM nodes')!.last);
  }

  register(input: Registration): RegistrationOutcome {
    const known = this.byKey(input.publicKey);
    if (known?.proven && !input.proven) return { kind: 'proof_required' };
    const lan = JSON.stringify(input.lan);
    const beacons = JSON.stringify(input.beacons);
    let id: NodeId;
    let moved = false;
    if (known === undefined) {
      if (this.#documents.ownerOfRetired(input.publicKey) !== undefined) return { kind: 'retired' };
      if (this.count() >= input.maxNodes) return { kind: 'full' };
      id = this.#sql.insert(
        `INSERT INTO nodes (public_key, owner, endpoint, lan, beacons, version, relay_only, proven, last_seen,
           key_created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        input.publicKey,
        input.owner,
        input.endpoint,
        lan,
        beacons,
        input.version,
        Number(input.relayOnly),
        Number(input.proven),
        input.at,
        input.at,
      );
      if (id > LAST_NODE) {
        this.#sql.run('DELETE FROM nodes WHERE id = ?', id);
        return { kind: 'full' };
      }
    } else {
      id = known.id;
      moved = hasMoved(known, input);
      this.#sql.run(
        `UPDATE nodes SET endpoint = ?, lan = ?, beacons = ?, version = CASE WHEN ? = '' THEN version ELSE ? END,
           owner = CASE WHEN owner = '' THEN ? ELSE owner END, relay_only = ?, proven = max(proven, ?),
           registered = 1, last_seen = ? WHERE id = ?`,
        input.endpoint,
        lan,
        beacons,
        input.version,
        input.version,
        input.owner,
        Number(input.relayOnly),
        Number(input.proven),
        input.at,
        id,
      );
    }
    this.#seen.set(id, input.at);
    const holder = input.hostname === undefined ? undefined : this.#claim(id, input.hostname, input.release);
    const node = this.byId(id)!;
    if (node.public) this.#documents.index(node);
    return {
      kind: known === undefined ? 'created' : 'known',
      node,
      moved,
      ...(holder === undefined ? {} : { hostnameHolder: holder }),
    };
  }

  patch(id: NodeId, patch: NodePatch, at: UnixMillis): NodeRecord | undefined {
    const columns: [string, Value][] = [];
    if (patch.public !== undefined) columns.push(['public', Number(patch.public)]);
    if (patch.tags !== undefined) columns.push(['tags', JSON.stringify(patch.tags)]);
    if (patch.taskExec !== undefined) columns.push(['task_exec', Number(patch.taskExec)]);
    if (patch.poloScore !== undefined) columns.push(['polo_score', patch.poloScore]);
    if (patch.keyExpiresAt !== undefined) columns.push(['key_expires_at', patch.keyExpiresAt]);
    for (const [column, value] of columns)
      this.#sql.run(`UPDATE nodes SET ${column} = ? WHERE id = ?`, value, id);
    if (patch.poloScore !== undefined && this.byId(id) !== undefined) this.#seen.note(id, at);
    const node = this.byId(id);
    if (node !== undefined && (patch.public !== undefined || patch.tags !== undefined))
      this.#documents.index(node);
    return node;
  }

  setHostname(
    id: NodeId,
    hostname: string,
    release: HostnameRelease,
  ): 'set' | 'no_node' | { readonly holder: NodeRecord } {
    if (this.byId(id) === undefined) return 'no_node';
    const holder = this.#claim(id, hostname, release);
    if (holder !== undefined) return { holder };
    this.#documents.index(this.byId(id)!);
    return 'set';
  }

  rotateKey(
    id: NodeId,
    publicKey: Uint8Array,
    at: UnixMillis,
    document = '',
  ): NodeRecord | 'no_node' | 'key_in_use' {
    const node = this.byId(id);
    if (node === undefined) return 'no_node';
    if (this.byKey(publicKey) !== undefined) return 'key_in_use';
    if (this.#documents.ownerOfRetired(publicKey) !== undefined) return 'key_in_use';
    if (document !== '') this.#documents.rotated(id, node.keyRotations + 1, node.publicKey, document);
    this.#documents.dropRecord(id);
    this.#sql.run(
      'UPDATE nodes SET public_key = ?, key_rotated_at = ?, key_rotations = key_rotations + 1, last_seen = ? WHERE id = ?',
      publicKey,
      at,
      at,
      id,
    );
    this.#seen.set(id, at);
    const rotated = this.byId(id)!;
    this.#documents.index(rotated);
    return rotated;
  }

  deregister(id: NodeId): boolean {
    if (this.#sql.run('UPDATE nodes SET registered = 0 WHERE id = ? AND registered = 1', id) === 0)
      return false;
    this.#seen.leave(id);
    this.#documents.index(this.byId(id)!);
    return true;
  }

  publish(id: NodeId, published: PublishedRecord): 'stored' | 'older' | 'no_node' {
    const node = this.byId(id);
    return node === undefined ? 'no_node' : this.#documents.publish(node, published);
  }
  describe(ids: readonly NodeId[]): DescribedNode[] {
    return ids
      .map((id) => this.byId(id))
      .filter((node) => node?.registered === true)
      .map((node) => ({
        node: node!,
        record: this.#documents.record(node!.id),
        terms: this.#documents.terms(node!),
      }));
  }

  /** Gives the name to `id`, or returns who holds it. */
  #claim(id: NodeId, hostname: string, release: HostnameRelease): NodeRecord | undefined {
    if (hostname !== '') {
      const holder = this.byHostname(hostname);
      if (holder !== undefined && holder.id !== id) {
        if (!mayTakeHostname(holder, release)) return holder;
        this.#sql.run('UPDATE nodes SET hostname = NULL WHERE id = ?', holder.id);
        this.#documents.index(this.byId(holder.id)!);
      }
    }
    this.#sql.run('UPDATE nodes SET hostname = ? WHERE id = ?', hostname === '' ? null : hostname, id);
    return undefined;
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
