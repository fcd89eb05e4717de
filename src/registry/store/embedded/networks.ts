import type { NetworkId, NodeId, UnixMillis } from '../../../base/units.ts';
import type { NetworkMember, NetworkRecord } from '../store.ts';
import type { Row, Sql } from './sql.ts';

const LAST_NETWORK: NetworkId = 0xffff;
const SELECT =
  'SELECT networks.*, (SELECT count(*) FROM members WHERE members.network = networks.id) AS members FROM networks';

/** Networks other than the backbone. spec/12 §1 */
export class NetworkTable {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  count(): number {
    return Number(this.#sql.one('SELECT count(*) AS count FROM networks')!.count);
  }
  create(network: {
    name: string;
    joinRule: string;
    token: string;
    enterprise: boolean;
    creator: NodeId;
    at: UnixMillis;
  }): NetworkRecord | 'exists' | 'exhausted' {
    if (this.#sql.one('SELECT 1 AS found FROM networks WHERE name = ?', network.name) !== undefined)
      return 'exists';
    const last = this.#sql.one("SELECT seq FROM sqlite_sequence WHERE name = 'networks'");
    if (Number(last?.seq ?? 0) >= LAST_NETWORK) return 'exhausted';
    const id = this.#sql.insert(
      'INSERT INTO networks (name, join_rule, token, enterprise, created_at) VALUES (?, ?, ?, ?, ?)',
      network.name,
      network.joinRule,
      network.token,
      Number(network.enterprise),
      network.at,
    );
    this.#sql.run("INSERT INTO members (network, node, role) VALUES (?, ?, 'owner')", id, network.creator);
    return this.record(id)!;
  }
  record(id: NetworkId): NetworkRecord | undefined {
    const row = this.#sql.one(`${SELECT} WHERE id = ?`, id);
    return row === undefined ? undefined : record(row);
  }
  list(limit: number): NetworkRecord[] {
    return this.#sql.all(`${SELECT} ORDER BY id LIMIT ?`, limit).map(record);
  }
  join(id: NetworkId, node: NodeId): 'joined' | 'already' | 'no_network' {
    if (this.#sql.one('SELECT 1 AS found FROM networks WHERE id = ?', id) === undefined) return 'no_network';
    const added = this.#sql.run(
      "INSERT OR IGNORE INTO members (network, node, role) VALUES (?, ?, 'member')",
      id,
      node,
    );
    return added > 0 ? 'joined' : 'already';
  }
  leave(id: NetworkId, node: NodeId): boolean {
    return this.#sql.run('DELETE FROM members WHERE network = ? AND node = ?', id, node) > 0;
  }
  members(id: NetworkId, limit: number): NetworkMember[] {
    return this.#sql
      .all('SELECT node, role FROM members WHERE network = ? ORDER BY rowid LIMIT ?', id, limit)
      .map((row) => ({ node: Number(row.node), role: row.role as NetworkMember['role'] }));
  }
  of(node: NodeId): NetworkId[] {
    return this.#sql
      .all('SELECT network FROM members WHERE node = ? ORDER BY network', node)
      .map((row) => Number(row.network));
  }
}

function record(row: Row): NetworkRecord {
  return {
    id: Number(row.id),
    name: String(row.name),
    joinRule: String(row.join_rule),
    token: String(row.token),
    enterprise: row.enterprise === 1,
    createdAt: Number(row.created_at),
    members: Number(row.members),
  };
}
