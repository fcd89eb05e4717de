import type { NetworkId, NodeId, UnixMillis } from '../../base/units.ts';
import type { Invite, NewInvite } from './store.ts';

type Stored = Pick<NewInvite, 'network' | 'inviter' | 'target' | 'source' | 'at'>;

/** Invitations to networks that were not answered yet, oldest first. spec/12 §3.1 */
export class MemoryInvites {
  #invites: readonly Stored[] = [];

  add(invite: NewInvite): 'invited' | 'already_invited' | 'full' {
    const { network, target, source, expiredBefore } = invite;
    this.#keep((old) => old.at >= expiredBefore || (old.target !== target && old.network !== network));
    if (this.at(network, target) !== undefined) return 'already_invited';
    const waiting = this.#invites.filter((old) => old.target === target);
    if (
      waiting.length >= invite.perTarget ||
      waiting.filter((old) => old.source === source).length >= invite.perSource ||
      this.#invites.filter((old) => old.network === network).length >= invite.perNetwork
    ) {
      return 'full';
    }
    const { inviter, at } = invite;
    this.#invites = [...this.#invites, { network, inviter, target, source, at }];
    return 'invited';
  }
  list(target: NodeId, since: UnixMillis, limit: number): Invite[] {
    return this.#invites
      .filter((invite) => invite.target === target && invite.at >= since)
      .slice(0, limit)
      .map(({ network, inviter, at }) => ({ network, inviter, at }));
  }
  at(network: NetworkId, target: NodeId): UnixMillis | undefined {
    return this.#invites.find((invite) => invite.network === network && invite.target === target)?.at;
  }
  decline(
    network: NetworkId,
    target: NodeId,
    expiredBefore: UnixMillis,
  ): 'declined' | 'no_invite' | 'expired' {
    const at = this.at(network, target);
    if (at === undefined) return 'no_invite';
    this.drop(network, target);
    return at < expiredBefore ? 'expired' : 'declined';
  }
  drop(network: NetworkId, target: NodeId): void {
    this.#keep((invite) => invite.network !== network || invite.target !== target);
  }
  /** Those that `inviter` made. */
  dropOf(network: NetworkId, inviter: NodeId): void {
    this.#keep((invite) => invite.network !== network || invite.inviter !== inviter);
  }
  dropNetwork(network: NetworkId): void {
    this.#keep((invite) => invite.network !== network);
  }

  #keep(good: (invite: Stored) => boolean): void {
    this.#invites = this.#invites.filter(good);
  }
}
