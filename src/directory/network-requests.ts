import { PilotError } from '../api/errors.ts';
import type { Address, NetworkId, NodeId } from '../base/units.ts';
import { canonicalJson, type JsonObject } from '../wire/json.ts';
import { signedString } from '../wire/registry-signatures.ts';
import { ownNetworksOld, relationOld } from './network-fallback.ts';
import * as read from './network-replies.ts';
import type {
  Invite,
  JoinRule,
  ListedNetwork,
  MemberRole,
  NetworkMember,
  NetworkPolicy,
  OwnNetwork,
  Page,
  PageOptions,
  Relation,
} from './network-types.ts';
import type { Requests } from './requests.ts';

/** Parts our own networks may come in. */
const MAX_PAGES = 64;

/**
 * Every request about networks, for the node we are. Errors are those of `Directory`; a refused role is
 * `permission_denied`, a missing network, member or invite `not_found`.
 */
export class NetworkRequests {
  readonly #requests: Requests;
  readonly #self: () => NodeId;

  constructor(requests: Requests, self: () => NodeId) {
    this.#requests = requests;
    this.#self = self;
  }

  /**
   * We become its owner. Without `token` the registry makes one for the rule `token`, and returns it this once.
   * `operatorToken` is for registries where only the operator makes networks.
   */
  async create(network: {
    name: string;
    joinRule: JoinRule;
    token?: string;
    policy?: object;
    operatorToken?: string;
  }): Promise<{
    readonly network: NetworkId;
    readonly name: string;
    readonly token?: string;
  }> {
    const { name, joinRule, token, policy, operatorToken } = network;
    const reply = await this.#ask('create_network', `create the network "${name}"`, {
      name,
      join_rule: joinRule,
      ...(token === undefined ? {} : { token }),
      ...(policy === undefined ? {} : { expr_policy: canonicalJson(policy) }),
      ...(operatorToken === undefined ? {} : { admin_token: operatorToken }),
    });
    return {
      network: read.networkId(reply.network_id),
      name,
      ...(typeof reply.token === 'string' ? { token: reply.token } : {}),
    };
  }

  /** By number, or by name where the registry knows names. */
  async join(
    target: { network: NetworkId } | { name: string },
    token = '',
  ): Promise<{ readonly network: NetworkId; readonly address: Address }> {
    const self = this.#self();
    const byNumber = 'network' in target;
    const reply = await this.#ask(
      'join_network',
      byNumber ? `join network ${target.network}` : `join the network "${target.name}"`,
      { ...(byNumber ? { network_id: target.network } : { name: target.name }), token },
      { signed: byNumber ? signedString.joinNetwork(self, target.network) : '' },
    );
    const network = read.networkId(reply.network_id);
    return { network, address: { network, node: self } };
  }

  /** Owners hand the network over or delete it first. */
  async leave(network: NetworkId): Promise<void> {
    await this.#ask(
      'leave_network',
      `leave network ${network}`,
      { network_id: network },
      { signed: signedString.leaveNetwork(this.#self(), network) },
    );
  }

  /** Networks anybody may join, and our own. */
  async list(page: PageOptions = {}): Promise<Page<ListedNetwork>> {
    const reply = await this.#look('list_networks', 'list the networks', { ...paging(page) });
    return read.readPage(reply, reply.networks, read.readListed);
  }

  /** All networks we are a member of, by number. */
  async mine(): Promise<OwnNetwork[]> {
    if (!(await this.#knowsUs())) return ownNetworksOld(this.#requests, this.#self());
    const own: OwnNetwork[] = [];
    let after = 0;
    for (let pages = 0; pages < MAX_PAGES; pages++) {
      const reply: JsonObject = await this.#look('my_networks', 'read our networks', { after });
      const page: Page<OwnNetwork> = read.readPage(reply, reply.networks, read.readOwn);
      own.push(...page.items);
      // A registry that repeats itself is not listened to for ever.
      if (page.cursor === undefined || page.cursor <= after) break;
      after = page.cursor;
    }
    return own;
  }

  /** Which networks `peer` and we share now, and what the peer is there. Empty also for a peer that does not exist. */
  async relation(peer: NodeId): Promise<Relation> {
    if (!(await this.#knowsUs())) return relationOld(this.#requests, this.#self(), peer);
    return read.readRelation(
      await this.#look('relation', `read what we share with node ${peer}`, { peer_id: peer }),
    );
  }

  async members(network: NetworkId, page: PageOptions = {}): Promise<Page<NetworkMember>> {
    const reply = await this.#look('list_nodes', `list the members of network ${network}`, {
      network_id: network,
      ...paging(page),
    });
    return read.readPage(reply, reply.nodes, read.readMember);
  }
  async role(network: NetworkId, node: NodeId): Promise<MemberRole> {
    const reply = await this.#look('get_member_role', `read the role of node ${node}`, {
      network_id: network,
      target_node_id: node,
    });
    return read.role(reply.role);
  }

  async invite(network: NetworkId, node: NodeId): Promise<'invited' | 'already_invited'> {
    const self = this.#self();
    const reply = await this.#requests.ask({
      type: 'invite_to_network',
      fields: { inviter_id: self, network_id: network, target_node_id: node },
      action: `invite node ${node} to network ${network}`,
      signed: signedString.inviteToNetwork(self, network, node),
      repeatable: true,
    });
    return reply.status === 'already_invited' ? 'already_invited' : 'invited';
  }
  /** Invitations of others to us that are still good. */
  async invites(): Promise<Invite[]> {
    const signed = signedString.pollInvites(this.#self());
    return read.readInvites(
      await this.#ask('poll_invites', 'read the invitations', {}, { signed, repeatable: true }),
    );
  }
  async respondInvite(network: NetworkId, accept: boolean): Promise<void> {
    await this.#ask(
      'respond_invite',
      `answer the invitation to network ${network}`,
      { network_id: network, accept },
      { signed: signedString.respondInvite(this.#self(), network) },
    );
  }

  async kick(network: NetworkId, node: NodeId): Promise<void> {
    await this.#about('kick_member', network, node, `remove node ${node} from network ${network}`);
  }
  async promote(network: NetworkId, node: NodeId): Promise<void> {
    await this.#about('promote_member', network, node, `make node ${node} an admin of network ${network}`);
  }
  async demote(network: NetworkId, node: NodeId): Promise<void> {
    const action = `take the role of admin of network ${network} from node ${node}`;
    await this.#about('demote_member', network, node, action);
  }
  /** The member becomes owner, and we an admin. */
  async transfer(network: NetworkId, node: NodeId): Promise<void> {
    const fields = { network_id: network, new_owner_id: node };
    await this.#ask('transfer_ownership', `hand network ${network} over to node ${node}`, fields);
  }
  async rename(network: NetworkId, name: string): Promise<void> {
    const fields = { network_id: network, name };
    await this.#ask('rename_network', `rename network ${network} to "${name}"`, fields, { repeatable: true });
  }
  async delete(network: NetworkId): Promise<void> {
    await this.#ask('delete_network', `delete network ${network}`, { network_id: network });
  }

  async policy(network: NetworkId): Promise<NetworkPolicy> {
    const action = `read the policy of network ${network}`;
    return read.readPolicy(await this.#look('get_network_policy', action, { network_id: network }));
  }
  /** Changes what is given and returns the whole. */
  async setPolicy(network: NetworkId, policy: Partial<NetworkPolicy>): Promise<NetworkPolicy> {
    const { maxMembers, ports, description } = policy;
    const fields = {
      network_id: network,
      ...(maxMembers === undefined ? {} : { max_members: maxMembers }),
      ...(ports === undefined ? {} : { allowed_ports: ports }),
      ...(description === undefined ? {} : { description }),
    };
    const action = `set the policy of network ${network}`;
    return read.readPolicy(await this.#ask('set_network_policy', action, fields, { repeatable: true }));
  }

  async memberTags(network: NetworkId, node: NodeId): Promise<readonly string[]> {
    const fields = { network_id: network, target_node_id: node };
    const reply = await this.#look('get_member_tags', `read the member tags of node ${node}`, fields);
    return read.texts(reply.tags);
  }
  async setMemberTags(network: NetworkId, node: NodeId, tags: readonly string[]): Promise<void> {
    const fields = { network_id: network, target_node_id: node, tags };
    const action = `set the member tags of node ${node}`;
    await this.#ask('set_member_tags', action, fields, { repeatable: true });
  }

  /** Undefined when the network has none. */
  async exprPolicy(network: NetworkId): Promise<JsonObject | undefined> {
    const action = `read the expression policy of network ${network}`;
    return read.document((await this.#look('get_expr_policy', action, { network_id: network })).expr_policy);
  }
  /** Undefined removes it. Refused with `invalid_argument` and the reason when it can't be understood. */
  async setExprPolicy(network: NetworkId, policy: object | undefined): Promise<void> {
    const fields = { network_id: network, expr_policy: policy === undefined ? '' : canonicalJson(policy) };
    const action = `set the expression policy of network ${network}`;
    await this.#ask('set_expr_policy', action, fields, { repeatable: true });
  }

  /** The old token ceases to work at once. Without `token` the registry makes one. */
  async rotateJoinToken(network: NetworkId, token?: string): Promise<string> {
    const reply = await this.#ask('rotate_join_token', `change the join token of network ${network}`, {
      network_id: network,
      ...(token === undefined ? {} : { token }),
    });
    if (typeof reply.token !== 'string') {
      throw new PilotError('protocol_error', 'Cannot read the answer of the registry: bad token');
    }
    return reply.token;
  }

  async #knowsUs(): Promise<boolean> {
    return (await this.#requests.session()).traits.features.has('networks');
  }
  /** Changes something as ourselves. Old servers take most of these unsigned. */
  #ask(
    type: string,
    action: string,
    fields: JsonObject,
    options: { readonly signed?: string; readonly repeatable?: boolean } = {},
  ): Promise<JsonObject> {
    const { signed = '', repeatable = false } = options;
    return this.#requests.ask({
      type,
      fields: { node_id: this.#self(), ...fields },
      action,
      signed,
      repeatable,
    });
  }
  #look(type: string, action: string, fields: JsonObject): Promise<JsonObject> {
    return this.#ask(type, action, fields, { repeatable: true });
  }
  async #about(type: string, network: NetworkId, node: NodeId, action: string): Promise<void> {
    await this.#ask(type, action, { network_id: network, target_node_id: node });
  }
}

function paging({ after = 0, limit = 100 }: PageOptions): JsonObject {
  return { after, limit };
}
