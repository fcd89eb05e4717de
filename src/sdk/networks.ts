import type { IpcClient } from '../ipc/client.ts';
import type {
  InviteRow,
  JoinRuleName,
  ListedNetworkRow,
  MemberRow,
  NetworkPolicyRow,
  NetworkRow,
  PolicyParam,
  Result,
} from '../ipc/methods.ts';
import type { Abort } from '../runtime/ports.ts';

export interface PageOptions {
  /** The `cursor` of the page before. */
  readonly after?: number;
  /** @default 100; at most 200 */
  readonly limit?: number;
  readonly signal?: Abort;
}

/**
 * Networks: groups whose members may reach each other while they are members. `network` is a number or a name.
 * Errors: `not_found`, `permission_denied` when our role does not allow it, `registry_unreachable`.
 */
export class NetworkClient {
  readonly #ipc: IpcClient;

  constructor(ipc: IpcClient) {
    this.#ipc = ipc;
  }

  /** We become its owner. With the rule `token` and none given, one is made and returned this once. */
  create(network: {
    readonly name: string;
    readonly joinRule?: JoinRuleName;
    readonly token?: string;
    readonly policy?: object;
    /** Where only the operator of the registry makes networks. */
    readonly operatorToken?: string;
  }): Promise<Result<'network_create'>> {
    const { name, joinRule, token, policy, operatorToken } = network;
    return this.#ipc.call('network_create', {
      name,
      ...(joinRule !== undefined && { join_rule: joinRule }),
      ...(token !== undefined && { token }),
      ...(policy !== undefined && { expr_policy: policy }),
      ...(operatorToken !== undefined && { operator_token: operatorToken }),
    });
  }

  /** Those of which we are a member. */
  async own(signal?: Abort): Promise<readonly NetworkRow[]> {
    return (await this.#ipc.call('network_own', {}, signal)).networks;
  }

  /** Those that anybody may join, and ours. */
  list(page: PageOptions = {}): Promise<{ networks: readonly ListedNetworkRow[]; cursor?: number }> {
    return this.#ipc.call('network_list', paging(page), page.signal);
  }

  join(network: string, token = ''): Promise<Result<'network_join'>> {
    return this.#ipc.call('network_join', { network, token });
  }

  leave(network: string): Promise<{ network_id: number }> {
    return this.#ipc.call('network_leave', { network });
  }

  members(
    network: string,
    page: PageOptions = {},
  ): Promise<{ network_id: number; members: readonly MemberRow[]; cursor?: number }> {
    return this.#ipc.call('network_members', { network, ...paging(page) }, page.signal);
  }

  invite(network: string, target: string): Promise<Result<'network_invite'>> {
    return this.#ipc.call('network_invite', { network, target });
  }

  /** Invitations of others to us. */
  async invites(): Promise<readonly InviteRow[]> {
    return (await this.#ipc.call('network_invites', {})).invites;
  }

  acceptInvite(network: string): Promise<Result<'network_respond'>> {
    return this.#ipc.call('network_respond', { network, accept: true });
  }

  declineInvite(network: string): Promise<Result<'network_respond'>> {
    return this.#ipc.call('network_respond', { network, accept: false });
  }

  /** What rested on the membership ends at once. */
  kick(network: string, target: string): Promise<Result<'network_kick'>> {
    return this.#ipc.call('network_kick', { network, target });
  }

  promote(network: string, target: string): Promise<Result<'network_promote'>> {
    return this.#ipc.call('network_promote', { network, target });
  }

  demote(network: string, target: string): Promise<Result<'network_demote'>> {
    return this.#ipc.call('network_demote', { network, target });
  }

  /** The member becomes owner, and we an admin. */
  transfer(network: string, target: string): Promise<Result<'network_transfer'>> {
    return this.#ipc.call('network_transfer', { network, target });
  }

  rename(network: string, name: string): Promise<{ network_id: number; name: string }> {
    return this.#ipc.call('network_rename', { network, name });
  }

  delete(network: string): Promise<{ network_id: number }> {
    return this.#ipc.call('network_delete', { network });
  }

  /** The member tags of a member, after setting them when `tags` is given. */
  tags(network: string, target: string, tags?: readonly string[]): Promise<Result<'network_tags'>> {
    return this.#ipc.call('network_tags', { network, target, ...(tags !== undefined && { tags }) });
  }

  policy(network: string, signal?: Abort): Promise<NetworkPolicyRow> {
    return this.#ipc.call('network_policy', { network }, signal);
  }

  /** Changes what is given. Errors: `invalid_argument` for an expression policy that members would not understand. */
  setPolicy(network: string, change: PolicyParam): Promise<Result<'network_set_policy'>> {
    return this.#ipc.call('network_set_policy', { network, ...change });
  }

  /** What a peer is in a network that we share. */
  peer(network: string, target: string, signal?: Abort): Promise<Result<'network_peer'>> {
    return this.#ipc.call('network_peer', { network, target }, signal);
  }

  /** The old token ceases to work. Without `token` one is made. */
  rotateToken(network: string, token?: string): Promise<Result<'network_rotate_token'>> {
    return this.#ipc.call('network_rotate_token', { network, ...(token !== undefined && { token }) });
  }
}

function paging({ after, limit }: PageOptions): { after?: number; limit?: number } {
  return { ...(after !== undefined && { after }), ...(limit !== undefined && { limit }) };
}
