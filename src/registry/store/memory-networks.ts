import type { NetworkId, NodeId, UnixMillis } from '../../base/units.ts';
import type { MemoryInvites } from './memory-invites.ts';
import type {
  Admission,
  Joined,
  MemberRole,
  Membership,
  NetworkMember,
  NetworkPatch,
  NetworkRecord,
  NewInvite,
  NewNetwork,
  SharedNetwork,
} from './store.ts';

interface Stored {
  record: Omit<NetworkRecord, 'members'>;
  readonly members: Map<NodeId, NetworkMember>;
}

/** Networks other than the backbone, and who is in them. spec/12 §1 */
export class MemoryNetworks {
  readonly #networks = new Map<NetworkId, Stored>();
  readonly #byName = new Map<string, NetworkId>();
  readonly #byNode = new Map<NodeId, Set<NetworkId>>();
  readonly #invites: MemoryInvites;
  #last: NetworkId = 0;

  constructor(invites: MemoryInvites) {
    this.#invites = invites;
  }

  get size(): number {
    return this.#networks.size;
  }

  create(input: NewNetwork): NetworkRecord | 'exists' | 'exhausted' | 'too_many' {
    const { name, joinRule, tokenHash, enterprise, exprPolicy, creator, at, perOwner, perNode, lastId } =
      input;
    if (this.#byName.has(name)) return 'exists';
    if (this.#owned(creator) >= perOwner) return 'too_many';
    if (this.of(creator).length >= perNode) return 'too_many';
    if (this.#last >= lastId) return 'exhausted';
    const id = ++this.#last;
    this.#networks.set(id, {
      record: {
        id,
        name,
        joinRule,
        tokenHash,
        enterprise,
        createdAt: at,
        maxMembers: 0,
        ports: [],
        description: '',
        exprPolicy,
      },
      members: new Map(),
    });
    this.#byName.set(name, id);
    this.#put(id, { node: creator, role: 'owner', tags: [], since: at });
    return this.record(id)!;
  }
  record(id: NetworkId): NetworkRecord | undefined {
    const found = this.#networks.get(id);
    return found === undefined ? undefined : { ...found.record, members: found.members.size };
  }
  byName(name: string): NetworkRecord | undefined {
    const id = this.#byName.get(name);
    return id === undefined ? undefined : this.record(id);
  }
  list(limit: number, viewer: NodeId, after: NetworkId): NetworkRecord[] {
    return [...this.#networks.values()]
      .filter(
        ({ record, members }) => record.id > after && (record.joinRule === 'open' || members.has(viewer)),
      )
      .slice(0, limit)
      .map(({ record }) => this.record(record.id)!);
  }
  listAll(after: NetworkId, limit: number): NetworkRecord[] {
    const ids = [...this.#networks.keys()].filter((id) => id > after).sort((a, b) => a - b);
    return ids.slice(0, limit).map((id) => this.record(id)!);
  }
  patch(id: NetworkId, patch: NetworkPatch): NetworkRecord | 'no_network' | { readonly members: number } {
    const found = this.#networks.get(id);
    if (found === undefined) return 'no_network';
    const limit = patch.maxMembers ?? 0;
    if (limit > 0 && limit < found.members.size) return { members: found.members.size };
    const { record } = found;
    found.record = {
      ...record,
      maxMembers: patch.maxMembers ?? record.maxMembers,
      ports: patch.ports === undefined ? record.ports : [...patch.ports],
      description: patch.description ?? record.description,
      exprPolicy: patch.exprPolicy ?? record.exprPolicy,
      tokenHash: patch.tokenHash ?? record.tokenHash,
    };
    return this.record(id)!;
  }
  rename(id: NetworkId, name: string): 'renamed' | 'exists' | 'no_network' {
    const found = this.#networks.get(id);
    if (found === undefined) return 'no_network';
    const holder = this.#byName.get(name);
    if (holder !== undefined && holder !== id) return 'exists';
    this.#byName.delete(found.record.name);
    this.#byName.set(name, id);
    found.record = { ...found.record, name };
    return 'renamed';
  }
  delete(id: NetworkId): boolean {
    const found = this.#networks.get(id);
    if (found === undefined) return false;
    for (const node of found.members.keys()) this.#byNode.get(node)?.delete(id);
    this.#byName.delete(found.record.name);
    this.#networks.delete(id);
    this.#invites.dropNetwork(id);
    return true;
  }

  join(admission: Admission): Joined {
    const { network, node, at, perNetwork, perNode } = admission;
    const found = this.#networks.get(network);
    if (found === undefined) return 'no_network';
    if (found.members.has(node)) return 'already';
    const { maxMembers } = found.record;
    const capacity = maxMembers > 0 ? Math.min(maxMembers, perNetwork) : perNetwork;
    if (found.members.size >= capacity) return 'full';
    if (this.of(node).length >= perNode) return 'too_many';
    this.#put(network, { node, role: 'member', tags: [], since: at });
    this.#invites.drop(network, node);
    return 'joined';
  }
  invite(invite: NewInvite): 'invited' | 'already_invited' | 'member' | 'no_network' | 'full' {
    const found = this.#networks.get(invite.network);
    if (found === undefined) return 'no_network';
    return found.members.has(invite.target) ? 'member' : this.#invites.add(invite);
  }
  accept(admission: Admission, expiredBefore: UnixMillis): Joined | 'no_invite' | 'expired' {
    const { network, node } = admission;
    const at = this.#invites.at(network, node);
    if (at === undefined) return 'no_invite';
    if (at >= expiredBefore) return this.join(admission);
    this.#invites.drop(network, node);
    return 'expired';
  }
  remove(
    id: NetworkId,
    node: NodeId,
    except: readonly MemberRole[],
  ): 'removed' | 'not_member' | { readonly role: MemberRole } {
    const found = this.#networks.get(id);
    const known = found?.members.get(node);
    if (found === undefined || known === undefined) return 'not_member';
    if (except.includes(known.role)) return { role: known.role };
    found.members.delete(node);
    this.#byNode.get(node)?.delete(id);
    this.#invites.dropOf(id, node);
    this.#invites.drop(id, node);
    return 'removed';
  }
  member(id: NetworkId, node: NodeId): NetworkMember | undefined {
    return this.#networks.get(id)?.members.get(node);
  }
  members(id: NetworkId, limit: number, after: NodeId): NetworkMember[] {
    return [...(this.#networks.get(id)?.members.values() ?? [])]
      .filter(({ node }) => node > after)
      .sort((a, b) => a.node - b.node)
      .slice(0, limit);
  }
  owner(id: NetworkId): NodeId | undefined {
    return this.members(id, Number.MAX_SAFE_INTEGER, -1).find(({ role }) => role === 'owner')?.node;
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
    this.#put(id, { ...known, role: to });
    if (to === 'member') this.#invites.dropOf(id, node);
    return 'changed';
  }
  transfer(
    id: NetworkId,
    from: NodeId | undefined,
    to: NodeId,
    perOwner: number,
  ): 'transferred' | 'not_member' | 'not_owner' | 'too_many' {
    const heir = this.member(id, to);
    if (heir === undefined) return 'not_member';
    if (this.owner(id) !== from || from === to) return 'not_owner';
    if (this.#owned(to) >= perOwner) return 'too_many';
    if (from !== undefined) this.#put(id, { ...this.member(id, from)!, role: 'admin' });
    this.#put(id, { ...heir, role: 'owner' });
    return 'transferred';
  }
  setTags(id: NetworkId, node: NodeId, tags: readonly string[]): boolean {
    const known = this.member(id, node);
    if (known === undefined) return false;
    this.#put(id, { ...known, tags: [...tags] });
    return true;
  }

  of(node: NodeId): NetworkId[] {
    return [...(this.#byNode.get(node) ?? [])].sort((a, b) => a - b);
  }
  membershipsOf(node: NodeId, limit: number, after: NetworkId): Membership[] {
    return this.of(node)
      .filter((id) => id > after)
      .slice(0, limit)
      .map((id) => {
        const { role, tags, since } = this.member(id, node)!;
        return { network: this.record(id)!, role, tags, since };
      });
  }
  shared(node: NodeId, peer: NodeId): SharedNetwork[] {
    if (node === peer) return [];
    return this.of(node).flatMap((network) => {
      const theirs = this.member(network, peer);
      if (theirs === undefined) return [];
      const { role, tags, since } = theirs;
      return [{ network, role, tags, since: Math.max(since, this.member(network, node)!.since) }];
    });
  }

  #owned(node: NodeId): number {
    return this.of(node).filter((id) => this.member(id, node)!.role === 'owner').length;
  }
  #put(id: NetworkId, member: NetworkMember): void {
    this.#networks.get(id)!.members.set(member.node, member);
    const known = this.#byNode.get(member.node);
    if (known === undefined) this.#byNode.set(member.node, new Set([id]));
    else known.add(id);
  }
}
