import { PilotError } from '../api/errors.ts';
import type { NetworkId, NodeId } from '../base/units.ts';
import type { Invite, JoinRule, MemberRole, OwnNetwork, Relation } from '../directory/network-types.ts';
import type { RegistryPush } from '../directory/types.ts';
import type { RegistryNetworks } from './registry-client.ts';

interface Member {
  role: MemberRole;
  tags: readonly string[];
  readonly since: number;
}

export interface FakeNetwork {
  readonly id: NetworkId;
  name: string;
  readonly joinRule: JoinRule;
  token: string;
  ports: readonly number[];
  maxMembers: number;
  description: string;
  policy: object | undefined;
  readonly members: Map<NodeId, Member>;
}

/** The networks of a registry in memory; `push` reaches one node. */
export class FakeNetworks {
  readonly all = new Map<NetworkId, FakeNetwork>();
  readonly invites: (Invite & { readonly to: NodeId })[] = [];
  /** Pushes get lost. */
  silent = false;
  readonly #push: (to: NodeId, push: RegistryPush) => void;
  #next: NetworkId = 1;

  constructor(push: (to: NodeId, push: RegistryPush) => void) {
    this.#push = push;
  }

  add(name: string, joinRule: JoinRule, owner: NodeId, token = '', policy?: object): FakeNetwork {
    const network: FakeNetwork = {
      id: this.#next++,
      name,
      joinRule,
      token,
      ports: [],
      maxMembers: 0,
      description: '',
      policy,
      members: new Map([[owner, { role: 'owner', tags: [], since: 1 }]]),
    };
    this.all.set(network.id, network);
    this.changed(network, owner);
    return network;
  }

  enter(network: FakeNetwork, node: NodeId): void {
    network.members.set(node, { role: 'member', tags: [], since: 1 });
    this.changed(network, node);
  }

  remove(network: FakeNetwork, node: NodeId): void {
    network.members.delete(node);
    this.changed(network, node);
  }

  /** The node is another member than before. */
  changed(network: FakeNetwork, node: NodeId): void {
    this.#tell(node, { event: 'network_changed', network: network.id });
    for (const other of network.members.keys()) {
      if (other !== node) this.#tell(other, { event: 'member_changed', network: network.id, from: node });
    }
  }

  /** The network holds other things than before. */
  changedForAll(network: FakeNetwork): void {
    for (const node of network.members.keys())
      this.#tell(node, { event: 'network_changed', network: network.id });
  }

  #tell(to: NodeId, push: RegistryPush): void {
    if (!this.silent) this.#push(to, push);
  }

  tellInvite(to: NodeId, network: NetworkId, from: NodeId): void {
    this.#tell(to, { event: 'invite', network, from });
  }
}

/** What one node asks; `enter` notes the call and fails while the registry is away. */
export function networkRequests(
  networks: FakeNetworks,
  self: () => NodeId,
  enter: (call: string) => void,
): RegistryNetworks {
  const at = (call: string, id: NetworkId): FakeNetwork => {
    enter(call);
    const network = networks.all.get(id);
    if (network === undefined) throw new PilotError('not_found', `network ${id}: network not found`);
    return network;
  };
  const memberOf = (network: FakeNetwork, node: NodeId): Member => {
    const member = network.members.get(node);
    if (member === undefined)
      throw new PilotError('not_found', `node ${node} is not a member of network ${network.id}`);
    return member;
  };
  const ruled = (call: string, id: NetworkId): FakeNetwork => {
    const network = at(call, id);
    const role = network.members.get(self())?.role;
    if (role !== 'owner' && role !== 'admin') throw new PilotError('permission_denied', `Refused: ${call}`);
    return network;
  };
  return {
    create: async ({ name, joinRule, token, policy }) => {
      enter('create_network');
      const made = joinRule === 'token' ? (token ?? `made-for-${name}`) : '';
      const network = networks.add(name, joinRule, self(), made, policy);
      return { network: network.id, name, ...(token === undefined && made !== '' && { token: made }) };
    },
    join: async (target, token = '') => {
      enter('join_network');
      const network =
        'network' in target
          ? networks.all.get(target.network)
          : [...networks.all.values()].find((one) => one.name === target.name);
      if (network === undefined) throw new PilotError('not_found', 'network not found');
      if (network.joinRule === 'invite' || (network.joinRule === 'token' && network.token !== token)) {
        throw new PilotError('permission_denied', `invalid token for network ${network.id}`);
      }
      networks.enter(network, self());
      return { network: network.id, address: { network: network.id, node: self() } };
    },
    leave: async (id) => {
      const network = at('leave_network', id);
      memberOf(network, self());
      networks.remove(network, self());
    },
    list: async () => {
      enter('list_networks');
      const shown = [...networks.all.values()].filter(
        (one) => one.joinRule === 'open' || one.members.has(self()),
      );
      return {
        items: shown.map((one) => ({
          network: one.id,
          name: one.name,
          joinRule: one.joinRule,
          members: one.members.size,
          created: 1,
        })),
      };
    },
    mine: async () => {
      enter('my_networks');
      return [...networks.all.values()].flatMap((one): OwnNetwork[] => {
        const member = one.members.get(self());
        if (member === undefined) return [];
        return [
          {
            network: one.id,
            name: one.name,
            joinRule: one.joinRule,
            role: member.role,
            tags: member.tags,
            ports: one.ports,
            ...(one.policy !== undefined && { policy: one.policy as Record<string, unknown> }),
            members: one.members.size,
            maxMembers: one.maxMembers,
            description: one.description,
            since: member.since,
          },
        ];
      });
    },
    relation: async (peer): Promise<Relation> => {
      enter('relation');
      return {
        shared: [...networks.all.values()].flatMap((one) => {
          const member = one.members.get(peer);
          if (member === undefined || !one.members.has(self())) return [];
          return [{ network: one.id, tags: member.tags, role: member.role, since: member.since }];
        }),
      };
    },
    members: async (id) => {
      const network = at('list_nodes', id);
      memberOf(network, self());
      return {
        items: [...network.members].map(([node, member]) => ({
          node,
          address: { network: id, node },
          role: member.role,
          tags: member.tags,
          since: member.since,
          hostname: '',
          public: false,
          online: true,
        })),
      };
    },
    role: async (id, node) => memberOf(at('get_member_role', id), node).role,
    invite: async (id, node) => {
      ruled('invite_to_network', id);
      if (networks.invites.some((known) => known.to === node && known.network === id))
        return 'already_invited';
      const name = networks.all.get(id)?.name ?? '';
      networks.invites.push({ to: node, network: id, name, inviter: self(), timestamp: 1, expires: 2 });
      networks.tellInvite(node, id, self());
      return 'invited';
    },
    invites: async () => {
      enter('poll_invites');
      return networks.invites.filter((known) => known.to === self());
    },
    respondInvite: async (id, accept) => {
      const network = at('respond_invite', id);
      const found = networks.invites.findIndex((known) => known.to === self() && known.network === id);
      if (found < 0) throw new PilotError('not_found', `no pending invite to network ${id}`);
      networks.invites.splice(found, 1);
      if (accept) networks.enter(network, self());
    },
    kick: async (id, node) => {
      const network = ruled('kick_member', id);
      memberOf(network, node);
      networks.remove(network, node);
    },
    promote: async (id, node) => {
      memberOf(ruled('promote_member', id), node).role = 'admin';
    },
    demote: async (id, node) => {
      memberOf(ruled('demote_member', id), node).role = 'member';
    },
    transfer: async (id, node) => {
      const network = ruled('transfer_ownership', id);
      memberOf(network, node).role = 'owner';
      memberOf(network, self()).role = 'admin';
      networks.changed(network, node);
    },
    rename: async (id, name) => {
      const network = ruled('rename_network', id);
      network.name = name;
      networks.changedForAll(network);
    },
    delete: async (id) => {
      const network = ruled('delete_network', id);
      networks.all.delete(id);
      networks.changedForAll(network);
    },
    policy: async (id) => {
      const { maxMembers, ports, description } = at('get_network_policy', id);
      return { maxMembers, ports, description };
    },
    setPolicy: async (id, change) => {
      const network = ruled('set_network_policy', id);
      Object.assign(network, change);
      networks.changedForAll(network);
      const { maxMembers, ports, description } = network;
      return { maxMembers, ports, description };
    },
    memberTags: async (id, node) => memberOf(at('get_member_tags', id), node).tags,
    setMemberTags: async (id, node, tags) => {
      const network = ruled('set_member_tags', id);
      memberOf(network, node).tags = tags;
      networks.changed(network, node);
    },
    exprPolicy: async (id) => at('get_expr_policy', id).policy as Record<string, unknown> | undefined,
    setExprPolicy: async (id, policy) => {
      const network = ruled('set_expr_policy', id);
      network.policy = policy;
      networks.changedForAll(network);
    },
    rotateJoinToken: async (id, token = 'turned') => {
      ruled('rotate_join_token', id).token = token;
      return token;
    },
  };
}
