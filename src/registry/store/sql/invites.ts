import type { NetworkId, NodeId, UnixMillis } from '../../../base/units.ts';
import { all, lock, one, run, type Steps } from '../steps.ts';
import type { Admission, Invite, Joined, NewInvite } from '../store.ts';
import { memberName, type NetworkTable, networkName } from './networks.ts';

/** Invitations to networks that were not answered yet. spec/12 §3.1 */
export class InviteTable {
  readonly #networks: NetworkTable;

  constructor(networks: NetworkTable) {
    this.#networks = networks;
  }

  *add(invite: NewInvite): Steps<'invited' | 'already_invited' | 'member' | 'no_network' | 'full'> {
    const { network, inviter, target, source, at, expiredBefore } = invite;
    yield* lock(`invites:${target}`, networkName(network));
    if ((yield* this.#networks.record(network)) === undefined) return 'no_network';
    if ((yield* this.#networks.member(network, target)) !== undefined) return 'member';
    yield* run('DELETE FROM invites WHERE target = ? AND at < ?', target, expiredBefore);
    yield* run('DELETE FROM invites WHERE network = ? AND at < ?', network, expiredBefore);
    if ((yield* this.#at(network, target)) !== undefined) return 'already_invited';
    const waiting = (yield* one(
      'SELECT count(*) AS all_of_target, coalesce(sum(CASE WHEN source = ? THEN 1 ELSE 0 END), 0) AS of_source FROM invites WHERE target = ?',
      source,
      target,
    ))!;
    const sent = (yield* one('SELECT count(*) AS count FROM invites WHERE network = ?', network))!;
    if (
      Number(waiting.all_of_target) >= invite.perTarget ||
      Number(waiting.of_source) >= invite.perSource ||
      Number(sent.count) >= invite.perNetwork
    ) {
      return 'full';
    }
    const sql = 'INSERT INTO invites (target, network, inviter, source, at) VALUES (?, ?, ?, ?, ?)';
    yield* run(sql, target, network, inviter, source, at);
    return 'invited';
  }
  *list(target: NodeId, since: UnixMillis, limit: number): Steps<Invite[]> {
    const sql = 'SELECT * FROM invites WHERE target = ? AND at >= ? ORDER BY sequence LIMIT ?';
    return (yield* all(sql, target, since, limit)).map((row) => ({
      network: Number(row.network),
      inviter: Number(row.inviter),
      at: Number(row.at),
    }));
  }
  *accept(admission: Admission, expiredBefore: UnixMillis): Steps<Joined | 'no_invite' | 'expired'> {
    const { network, node } = admission;
    yield* lock(memberName(node), networkName(network));
    const at = yield* this.#at(network, node);
    if (at === undefined) return 'no_invite';
    if (at < expiredBefore) {
      yield* this.#remove(network, node);
      return 'expired';
    }
    return yield* this.#networks.join(admission);
  }
  *decline(
    network: NetworkId,
    target: NodeId,
    expiredBefore: UnixMillis,
  ): Steps<'declined' | 'no_invite' | 'expired'> {
    yield* lock(networkName(network));
    const at = yield* this.#at(network, target);
    if (at === undefined) return 'no_invite';
    yield* this.#remove(network, target);
    return at < expiredBefore ? 'expired' : 'declined';
  }

  *#at(network: NetworkId, target: NodeId): Steps<UnixMillis | undefined> {
    const row = yield* one('SELECT at FROM invites WHERE target = ? AND network = ?', target, network);
    return row === undefined ? undefined : Number(row.at);
  }
  *#remove(network: NetworkId, target: NodeId): Steps<void> {
    yield* run('DELETE FROM invites WHERE target = ? AND network = ?', target, network);
  }
}
