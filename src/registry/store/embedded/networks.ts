import { PilotError } from '../../../api/errors.ts';
import type { NetworkId, NodeId } from '../../../base/units.ts';
import type {
  Admission,
  Joined,
  MemberRole,
  Membership,
  NetworkMember,
  NetworkPatch,
  NetworkRecord,
  NewNetwork,
  SharedNetwork,
} from '../store.ts';
import type { Row, Sql, Value } from './sql.ts';

/** Networks other than the backbone, and who is in them. spec/12 §1 */
export class NetworkTable {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** Replaces join tokens that earlier versions kept as they are. */
  hashTokens(hash: (token: string) => string): void {
    for (const row of this.#sql.all("SELECT id, token FROM networks WHERE token <> ''")) {
      const hashed = hash(String(row.token));
      this.#sql.run("UPDATE networks SET token = '', token_hash = ? WHERE id = ?", hashed, Number(row.id));
    }
  }

  count(): number {
    return Number(this.#sql.one('SELECT count(*) AS count FROM networks')!.count);
  }
  create(input: NewNetwork): NetworkRecord | 'exists' | 'exhausted' | 'too_many' {
    if (this.#idOf(input.name) !== undefined) return 'exists';
    if (this.#owned(input.creator) >= input.perOwner) return 'too_many';
    if (this.#memberships(input.creator) >= input.perNode) return 'too_many';
    const last = this.#sql.one("SELECT seq FROM sqlite_sequence WHERE name = 'networks'");
    if (Number(last?.seq ?? 0) >= input.lastId) return 'exhausted';
    const id = this.#sql.insert(
      `INSERT INTO networks (name, join_rule, token, token_hash, enterprise, expr_policy, members, created_at)
       VALUES (?, ?, '', ?, ?, ?, 1, ?)`,
      input.name,
      input.joinRule,
      input.tokenHash,
      Number(input.enterprise),
      input.exprPolicy,
      input.at,
    );
    this.#add(id, input.creator, 'owner', input.at);
    return this.record(id)!;
  }
  record(id: NetworkId): NetworkRecord | undefined {
    return optional(this.#sql.one('SELECT * FROM networks WHERE id = ?', id), networkOf);
  }
  byName(name: string): NetworkRecord | undefined {
    return optional(this.#sql.one('SELECT * FROM networks WHERE name = ?', name), networkOf);
  }
  /** Two indexed reads instead of a walk past networks that nobody may see. */
  list(limit: number, viewer: NodeId, after: NetworkId): NetworkRecord[] {
    const open = this.#sql.all(
      "SELECT * FROM networks WHERE join_rule = 'open' AND id > ? ORDER BY id LIMIT ?",
      after,
      limit,
    );
    const own = this.#sql.all(
      `SELECT networks.* FROM members JOIN networks ON networks.id = members.network
       WHERE members.node = ? AND members.network > ? AND networks.join_rule <> 'open'
       ORDER BY members.network LIMIT ?`,
      viewer,
      after,
      limit,
    );
    return [...open, ...own]
      .map(networkOf)
      .sort((a, b) => a.id - b.id)
      .slice(0, limit);
  }
  patch(id: NetworkId, patch: NetworkPatch): NetworkRecord | 'no_network' | { readonly members: number } {
    const known = this.record(id);
    if (known === undefined) return 'no_network';
    const { maxMembers, ports, description, exprPolicy, tokenHash } = patch;
    if (maxMembers !== undefined && maxMembers > 0 && maxMembers < known.members) {
      return { members: known.members };
    }
    const columns: [string, Value][] = [];
    if (maxMembers !== undefined) columns.push(['max_members', maxMembers]);
    if (ports !== undefined) columns.push(['ports', JSON.stringify(ports)]);
    if (description !== undefined) columns.push(['description', description]);
    if (exprPolicy !== undefined) columns.push(['expr_policy', exprPolicy]);
    if (tokenHash !== undefined) columns.push(['token_hash', tokenHash]);
    for (const [column, value] of columns) {
      this.#sql.run(`UPDATE networks SET ${column} = ? WHERE id = ?`, value, id);
    }
    return this.record(id)!;
  }
  rename(id: NetworkId, name: string): 'renamed' | 'exists' | 'no_network' {
    const holder = this.#idOf(name);
    if (holder !== undefined && holder !== id) return this.record(id) === undefined ? 'no_network' : 'exists';
    return this.#sql.run('UPDATE networks SET name = ? WHERE id = ?', name, id) > 0
      ? 'renamed'
      : 'no_network';
  }
  delete(id: NetworkId): boolean {
    if (this.#sql.run('DELETE FROM networks WHERE id = ?', id) === 0) return false;
    this.#sql.run('DELETE FROM members WHERE network = ?', id);
    this.#sql.run('DELETE FROM invites WHERE network = ?', id);
    return true;
  }

  /** What keeps `node` out, or undefined. */
  obstacle({ network, node, perNetwork, perNode }: Admission): Exclude<Joined, 'joined'> | undefined {
    const known = this.record(network);
    if (known === undefined) return 'no_network';
    if (this.member(network, node) !== undefined) return 'already';
    const capacity = known.maxMembers > 0 ? Math.min(known.maxMembers, perNetwork) : perNetwork;
    if (known.members >= capacity) return 'full';
    return this.#memberships(node) >= perNode ? 'too_many' : undefined;
  }
  join(admission: Admission): Joined {
    const obstacle = this.obstacle(admission);
    if (obstacle !== undefined) return obstacle;
    const { network, node, at } = admission;
    this.#add(network, node, 'member', at);
    this.#sql.run('UPDATE networks SET members = members + 1 WHERE id = ?', network);
    this.#sql.run('DELETE FROM invites WHERE target = ? AND network = ?', node, network);
    return 'joined';
  }
  remove(
    id: NetworkId,
    node: NodeId,
    except: readonly MemberRole[],
  ): 'removed' | 'not_member' | { readonly role: MemberRole } {
    const known = this.member(id, node);
    if (known === undefined) return 'not_member';
    if (except.includes(known.role)) return { role: known.role };
    this.#sql.run('DELETE FROM members WHERE network = ? AND node = ?', id, node);
    this.#sql.run('UPDATE networks SET members = members - 1 WHERE id = ?', id);
    this.#sql.run('DELETE FROM invites WHERE network = ? AND inviter = ?', id, node);
    this.#sql.run('DELETE FROM invites WHERE target = ? AND network = ?', node, id);
    return 'removed';
  }
  member(id: NetworkId, node: NodeId): NetworkMember | undefined {
    return optional(
      this.#sql.one('SELECT * FROM members WHERE network = ? AND node = ?', id, node),
      memberOf,
    );
  }
  members(id: NetworkId, limit: number, after: NodeId): NetworkMember[] {
    return this.#sql
      .all('SELECT * FROM members WHERE network = ? AND node > ? ORDER BY node LIMIT ?', id, after, limit)
      .map(memberOf);
  }
  owner(id: NetworkId): NodeId | undefined {
    const sql = "SELECT node FROM members WHERE network = ? AND role = 'owner' ORDER BY node LIMIT 1";
    return optional(this.#sql.one(sql, id), (row) => Number(row.node));
  }
  changeRole(
    id: NetworkId,
    node: NodeId,
    from: MemberRole,
    to: MemberRole,
  ): 'changed' | 'not_member' | { readonly role: MemberRole } {
    const known = this.member(id, node);
    if (known === undefined) return 'not_member';
    if (known.role !== from) return { role: known.role };
    this.#setRole(id, node, to);
    if (to === 'member') this.#sql.run('DELETE FROM invites WHERE network = ? AND inviter = ?', id, node);
    return 'changed';
  }
  transfer(
    id: NetworkId,
    from: NodeId | undefined,
    to: NodeId,
    perOwner: number,
  ): 'transferred' | 'not_member' | 'not_owner' | 'too_many' {
    if (this.member(id, to) === undefined) return 'not_member';
    if (this.owner(id) !== from || from === to) return 'not_owner';
    if (this.#owned(to) >= perOwner) return 'too_many';
    if (from !== undefined) this.#setRole(id, from, 'admin');
    this.#setRole(id, to, 'owner');
    return 'transferred';
  }
  setTags(id: NetworkId, node: NodeId, tags: readonly string[]): boolean {
    const sql = 'UPDATE members SET tags = ? WHERE network = ? AND node = ?';
    return this.#sql.run(sql, JSON.stringify(tags), id, node) > 0;
  }

  of(node: NodeId): NetworkId[] {
    return this.#sql
      .all('SELECT network FROM members WHERE node = ? ORDER BY network', node)
      .map((row) => Number(row.network));
  }
  membershipsOf(node: NodeId, limit: number, after: NetworkId): Membership[] {
    return this.#sql
      .all(
        'SELECT * FROM members WHERE node = ? AND network > ? ORDER BY network LIMIT ?',
        node,
        after,
        limit,
      )
      .map((row) => {
        const { role, tags, since } = memberOf(row);
        return { network: this.record(Number(row.network))!, role, tags, since };
      });
  }
  shared(node: NodeId, peer: NodeId): SharedNetwork[] {
    if (node === peer) return [];
    return this.#sql
      .all(
        `SELECT theirs.*, max(theirs.since, mine.since) AS both FROM members AS mine
         JOIN members AS theirs ON theirs.network = mine.network AND theirs.node = ?
         WHERE mine.node = ? ORDER BY mine.network`,
        peer,
        node,
      )
      .map((row) => {
        const { role, tags } = memberOf(row);
        return { network: Number(row.network), role, tags, since: Number(row.both) };
      });
  }

  #idOf(name: string): NetworkId | undefined {
    return optional(this.#sql.one('SELECT id FROM networks WHERE name = ?', name), (row) => Number(row.id));
  }
  #owned(node: NodeId): number {
    const sql = "SELECT count(*) AS count FROM members WHERE node = ? AND role = 'owner'";
    return Number(this.#sql.one(sql, node)!.count);
  }
  #memberships(node: NodeId): number {
    return Number(this.#sql.one('SELECT count(*) AS count FROM members WHERE node = ?', node)!.count);
  }
  #add(id: NetworkId, node: NodeId, role: MemberRole, at: number): void {
    const sql = 'INSERT INTO members (network, node, role, since) VALUES (?, ?, ?, ?)';
    this.#sql.run(sql, id, node, role, at);
  }
  #setRole(id: NetworkId, node: NodeId, role: MemberRole): void {
    this.#sql.run('UPDATE members SET role = ? WHERE network = ? AND node = ?', role, id, node);
  }
}

function networkOf(row: Row): NetworkRecord {
  return {
    id: Number(row.id),
    name: String(row.name),
    joinRule: String(row.join_rule),
    tokenHash: String(row.token_hash),
    enterprise: row.enterprise === 1,
    createdAt: Number(row.created_at),
    members: Number(row.members),
    maxMembers: Number(row.max_members),
    ports: list(row.ports, (item) => typeof item === 'number'),
    description: String(row.description),
    exprPolicy: String(row.expr_policy),
  };
}

function memberOf(row: Row): NetworkMember {
  return {
    node: Number(row.node),
    role: row.role as MemberRole,
    tags: list(row.tags, (item) => typeof item === 'string'),
    since: Number(row.since),
  };
}

function optional<T>(row: Row | undefined, read: (row: Row) => T): T | undefined {
  return row === undefined ? undefined : read(row);
}

/** A list stored as JSON. Throws `state_corrupt`. */
function list<T>(value: unknown, is: (item: unknown) => item is T): T[] {
  try {
    const items: unknown = JSON.parse(String(value));
    if (Array.isArray(items) && items.every(is)) return items;
  } catch {
    // Said below.
  }
  throw new PilotError('state_corrupt', 'Cannot read a network of the registry store: its lists are damaged');
}
