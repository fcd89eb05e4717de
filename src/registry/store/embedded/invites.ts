import type { NetworkId, NodeId, UnixMillis } from '../../../base/units.ts';
import type { Admission, Invite, Joined, NewInvite } from '../store.ts';
import type { NetworkTable } from './networks.ts';
import type { Sql } from './sql.ts';

/** Invitations to networks that were not answered yet. spec/12 §3.1 */
export class InviteTable {
  readonly #sql: Sql;
  readonly #networks: NetworkTable;

  constructor(sql: Sql, networks: NetworkTable) {
    this.#sql = sql;
    this.#networks = networks;
  }

  add(invite: NewInvite): 'invited' | 'already_invited' | 'member' | 'no_network' | 'full' {
    const { network, inviter, target, source, at, expiredBefore } = invite;
    if (this.#networks.record(network) === undefined) return 'no_network';
    if (this.#networks.member(network, target) !== undefined) return 'member';
    this.#sql.run('DELETE FROM invites WHERE target = ? AND at < ?', target, expiredBefore);
    this.#sql.run('DELETE FROM invites WHERE network = ? AND at < ?', network, expiredBefore);
    if (this.#at(network, target) !== undefined) return 'already_invited';
    const waiting = this.#sql.one(
      'SELECT count(*) AS all_of_target, coalesce(sum(source = ?), 0) AS of_source FROM invites WHERE target = ?',
      source,
      target,
    )!;
    const sent = this.#sql.one('SELECT count(*) AS count FROM invites WHERE network = ?', network)!;
    if (
      Number(waiting.all_of_target) >= invite.perTarget ||
      Number(waiting.of_source) >= invite.perSource ||
      Number(sent.count) >= invite.perNetwork
    ) {
      return 'full';
    }
    const sql = 'INSERT INTO invites (target, network, inviter, source, at) VALUES (?, ?, ?, ?, ?)';
    this.#sql.run(sql, target, network, inviter, source, at);
    return 'invited';
  }
  list(target: NodeId, since: UnixMillis, limit: number): Invite[] {
    const sql = 'SELECT * FROM invites WHERE target = ? AND at >= ? ORDER BY sequence LIMIT ?';
    return this.#sql.all(sql, target, since, limit).map((row) => ({
      network: Number(row.network),
      inviter: Number(row.inviter),
      at: Number(row.at),
    }));
  }
  accept(admission: Admission, expiredBefore: UnixMillis): Joined | 'no_invite' | 'expired' {
    const { network, node } = admission;
    const at = this.#at(network, node);
    if (at === undefined) return 'no_invite';
    if (at < expiredBefore) {
      this.#remove(network, node);
      return 'expired';
    }
    return this.#networks.join(admission);
  }
  decline(
    network: NetworkId,
    target: NodeId,
    expiredBefore: UnixMillis,
  ): 'declined' | 'no_invite' | 'expired' {
    const at = this.#at(network, target);
    if (at === undefined) return 'no_invite';
    this.#remove(network, target);
    return at < expiredBefore ? 'expired' : 'declined';
  }

  #at(network: NetworkId, target: NodeId): UnixMillis | undefined {
    const row = this.#sql.one('SELECT at FROM invites WHERE target = ? AND network = ?', target, network);
    return row === undefined ? undefined : Number(row.at);
  }
  #remove(network: NetworkId, target: NodeId): void {
    this.#sql.run('DELETE FROM invites WHERE target = ? AND network = ?', target, network);
  }
}
