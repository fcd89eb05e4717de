import { PilotError } from '../../../api/errors.ts';
import type { NetworkId, NodeId } from '../../../base/units.ts';
import { all, lock, one, type Row, run, type Steps, type Value } from '../steps.ts';
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

/** Networks other than the backbone, and who is in them. spec/12 §1 */
export class NetworkTable {
  /** Replaces join tokens that earlier versions kept as they are. */
  *hashTokens(hash: (token: string) => string): Steps<void> {
    for (const row of yield* all("SELECT id, token FROM networks WHERE token <> ''")) {
      const hashed = hash(String(row.token));
      yield* run("UPDATE networks SET token = '', token_hash = ? WHERE id = ?", hashed, Number(row.id));
    }
  }

  *count(): Steps<number> {
    return Number((yield* one('SELECT count(*) AS count FROM networks'))!.count);
  }
  *create(input: NewNetwork): Steps<NetworkRecord | 'exists' | 'exhausted' | 'too_many'> {
    yield* lock(memberName(input.creator));
    if ((yield* this.#idOf(input.name)) !== undefined) return 'exists';
    if ((yield* this.#owned(input.creator)) >= input.perOwner) return 'too_many';
    if ((yield* this.#memberships(input.creator)) >= input.perNode) return 'too_many';
    const id = yield* this.#newId(input.lastId);
    if (id === undefined) return 'exhausted';
    yield* run(
      `INSERT INTO networks (id, name, join_rule, token, token_hash, enterprise, expr_policy, members, created_at)
       VALUES (?, ?, ?, '', ?, ?, ?, 1, ?)`,
      id,
      input.name,
      input.joinRule,
      input.tokenHash,
      Number(input.enterprise),
      input.exprPolicy,
      input.at,
    );
    yield* this.#add(id, input.creator, 'owner', input.at);
    return (yield* this.record(id))!;
  }
  *record(id: NetworkId): Steps<NetworkRecord | undefined> {
    return optional(yield* one('SELECT * FROM networks WHERE id = ?', id), networkOf);
  }
  *byName(name: string): Steps<NetworkRecord | undefined> {
    return optional(yield* one('SELECT * FROM networks WHERE name = ?', name), networkOf);
  }
  /** Two indexed reads instead of a walk past networks that nobody may see. */
  *list(limit: number, viewer: NodeId, after: NetworkId): Steps<NetworkRecord[]> {
    const open = yield* all(
      "SELECT * FROM networks WHERE join_rule = 'open' AND id > ? ORDER BY id LIMIT ?",
      after,
      limit,
    );
    const own = yield* all(
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
  *listAll(after: NetworkId, limit: number): Steps<NetworkRecord[]> {
    const sql = 'SELECT * FROM networks WHERE id > ? ORDER BY id LIMIT ?';
    return (yield* all(sql, after, limit)).map(networkOf);
  }
  *patch(
    id: NetworkId,
    patch: NetworkPatch,
  ): Steps<NetworkRecord | 'no_network' | { readonly members: number }> {
    yield* lock(networkName(id));
    const known = yield* this.record(id);
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
      yield* run(`UPDATE networks SET ${column} = ? WHERE id = ?`, value, id);
    }
    return (yield* this.record(id))!;
  }
  *rename(id: NetworkId, name: string): Steps<'renamed' | 'exists' | 'no_network'> {
    yield* lock(networkName(id));
    const holder = yield* this.#idOf(name);
    if (holder !== undefined && holder !== id)
      return (yield* this.record(id)) === undefined ? 'no_network' : 'exists';
    return (yield* run('UPDATE networks SET name = ? WHERE id = ?', name, id)) > 0 ? 'renamed' : 'no_network';
  }
  *delete(id: NetworkId): Steps<boolean> {
    yield* lock(networkName(id));
    if ((yield* run('DELETE FROM networks WHERE id = ?', id)) === 0) return false;
    yield* run('DELETE FROM members WHERE network = ?', id);
    yield* run('DELETE FROM invites WHERE network = ?', id);
    return true;
  }

  /** What keeps `node` out, or undefined. */
  *obstacle({ network, node, perNetwork, perNode }: Admission): Steps<Exclude<Joined, 'joined'> | undefined> {
    const known = yield* this.record(network);
    if (known === undefined) return 'no_network';
    if ((yield* this.member(network, node)) !== undefined) return 'already';
    const capacity = known.maxMembers > 0 ? Math.min(known.maxMembers, perNetwork) : perNetwork;
    if (known.members >= capacity) return 'full';
    return (yield* this.#memberships(node)) >= perNode ? 'too_many' : undefined;
  }
  *join(admission: Admission): Steps<Joined> {
    yield* lock(memberName(admission.node), networkName(admission.network));
    const obstacle = yield* this.obstacle(admission);
    if (obstacle !== undefined) return obstacle;
    const { network, node, at } = admission;
    yield* this.#add(network, node, 'member', at);
    yield* run('UPDATE networks SET members = members + 1 WHERE id = ?', network);
    yield* run('DELETE FROM invites WHERE target = ? AND network = ?', node, network);
    return 'joined';
  }
  *remove(
    id: NetworkId,
    node: NodeId,
    except: readonly MemberRole[],
  ): Steps<'removed' | 'not_member' | { readonly role: MemberRole }> {
    yield* lock(networkName(id));
    const known = yield* this.member(id, node);
    if (known === undefined) return 'not_member';
    if (except.includes(known.role)) return { role: known.role };
    yield* run('DELETE FROM members WHERE network = ? AND node = ?', id, node);
    yield* run('UPDATE networks SET members = members - 1 WHERE id = ?', id);
    yield* run('DELETE FROM invites WHERE network = ? AND inviter = ?', id, node);
    yield* run('DELETE FROM invites WHERE target = ? AND network = ?', node, id);
    return 'removed';
  }
  *member(id: NetworkId, node: NodeId): Steps<NetworkMember | undefined> {
    return optional(yield* one('SELECT * FROM members WHERE network = ? AND node = ?', id, node), memberOf);
  }
  *members(id: NetworkId, limit: number, after: NodeId): Steps<NetworkMember[]> {
    const sql = 'SELECT * FROM members WHERE network = ? AND node > ? ORDER BY node LIMIT ?';
    return (yield* all(sql, id, after, limit)).map(memberOf);
  }
  *owner(id: NetworkId): Steps<NodeId | undefined> {
    const sql = "SELECT node FROM members WHERE network = ? AND role = 'owner' ORDER BY node LIMIT 1";
    return optional(yield* one(sql, id), (row) => Number(row.node));
  }
  *changeRole(
    id: NetworkId,
    node: NodeId,
    from: MemberRole,
    to: MemberRole,
  ): Steps<'changed' | 'not_member' | { readonly role: MemberRole }> {
    yield* lock(networkName(id));
    const known = yield* this.member(id, node);
    if (known === undefined) return 'not_member';
    if (known.role !== from) return { role: known.role };
    yield* this.#setRole(id, node, to);
    if (to === 'member') yield* run('DELETE FROM invites WHERE network = ? AND inviter = ?', id, node);
    return 'changed';
  }
  *transfer(
    id: NetworkId,
    from: NodeId | undefined,
    to: NodeId,
    perOwner: number,
  ): Steps<'transferred' | 'not_member' | 'not_owner' | 'too_many'> {
    yield* lock(memberName(to), networkName(id));
    if ((yield* this.member(id, to)) === undefined) return 'not_member';
    if ((yield* this.owner(id)) !== from || from === to) return 'not_owner';
    if ((yield* this.#owned(to)) >= perOwner) return 'too_many';
    if (from !== undefined) yield* this.#setRole(id, from, 'admin');
    yield* this.#setRole(id, to, 'owner');
    return 'transferred';
  }
  *setTags(id: NetworkId, node: NodeId, tags: readonly string[]): Steps<boolean> {
    const sql = 'UPDATE members SET tags = ? WHERE network = ? AND node = ?';
    return (yield* run(sql, JSON.stringify(tags), id, node)) > 0;
  }

  *of(node: NodeId): Steps<NetworkId[]> {
    const rows = yield* all('SELECT network FROM members WHERE node = ? ORDER BY network', node);
    return rows.map((row) => Number(row.network));
  }
  *membershipsOf(node: NodeId, limit: number, after: NetworkId): Steps<Membership[]> {
    const rows = yield* all(
      `SELECT networks.*, members.node, members.role, members.tags, members.since
       FROM members JOIN networks ON networks.id = members.network
       WHERE members.node = ? AND members.network > ? ORDER BY members.network LIMIT ?`,
      node,
      after,
      limit,
    );
    return rows.map((row) => {
      const { role, tags, since } = memberOf(row);
      return { network: networkOf(row), role, tags, since };
    });
  }
  *shared(node: NodeId, peer: NodeId): Steps<SharedNetwork[]> {
    if (node === peer) return [];
    const rows = yield* all(
      `SELECT theirs.*, CASE WHEN theirs.since > mine.since THEN theirs.since ELSE mine.since END AS since_both
       FROM members AS mine
       JOIN members AS theirs ON theirs.network = mine.network AND theirs.node = ?
       WHERE mine.node = ? ORDER BY mine.network`,
      peer,
      node,
    );
    return rows.map((row) => {
      const { role, tags } = memberOf(row);
      return { network: Number(row.network), role, tags, since: Number(row.since_both) };
    });
  }

  /** Ids are few, so none is skipped and none is given twice. */
  *#newId(last: NetworkId): Steps<NetworkId | undefined> {
    const sql = "UPDATE counters SET value = value + 1 WHERE name = 'network' AND value < ? RETURNING value";
    return optional(yield* one(sql, last), (row) => Number(row.value));
  }
  *#idOf(name: string): Steps<NetworkId | undefined> {
    return optional(yield* one('SELECT id FROM networks WHERE name = ?', name), (row) => Number(row.id));
  }
  *#owned(node: NodeId): Steps<number> {
    const sql = "SELECT count(*) AS count FROM members WHERE node = ? AND role = 'owner'";
    return Number((yield* one(sql, node))!.count);
  }
  *#memberships(node: NodeId): Steps<number> {
    return Number((yield* one('SELECT count(*) AS count FROM members WHERE node = ?', node))!.count);
  }
  *#add(id: NetworkId, node: NodeId, role: MemberRole, at: number): Steps<void> {
    const sql = 'INSERT INTO members (network, node, role, since) VALUES (?, ?, ?, ?)';
    yield* run(sql, id, node, role, at);
  }
  *#setRole(id: NetworkId, node: NodeId, role: MemberRole): Steps<void> {
    yield* run('UPDATE members SET role = ? WHERE network = ? AND node = ?', role, id, node);
  }
}

/** Who changes a network, or what one node is in, locks that first: counts and bounds depend on it. */
export function networkName(id: NetworkId): string {
  return `network:${id}`;
}
export function memberName(node: NodeId): string {
  return `member:${node}`;
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
