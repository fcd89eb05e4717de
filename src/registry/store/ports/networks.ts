import type { NetworkId, NodeId, UnixMillis } from '../../../base/units.ts';

export type MemberRole = 'owner' | 'admin' | 'member';

/** spec/12 §1 */
export interface NetworkRecord {
  readonly id: NetworkId;
  readonly name: string;
  readonly joinRule: string;
  /** SHA-256 of the join token, hex; empty when there is none. */
  readonly tokenHash: string;
  readonly enterprise: boolean;
  readonly createdAt: UnixMillis;
  readonly members: number;
  /** 0 for no limit of its own. */
  readonly maxMembers: number;
  /** Empty for all. */
  readonly ports: readonly number[];
  readonly description: string;
  /** Canonical JSON of the expression policy; empty when there is none. */
  readonly exprPolicy: string;
}

/** What its admins change about a network. */
export interface NetworkPatch {
  readonly maxMembers?: number;
  readonly ports?: readonly number[];
  readonly description?: string;
  readonly exprPolicy?: string;
  readonly tokenHash?: string;
}

export interface NetworkMember {
  readonly node: NodeId;
  readonly role: MemberRole;
  readonly tags: readonly string[];
  readonly since: UnixMillis;
}

/** One network of a node. */
export interface Membership {
  readonly network: NetworkRecord;
  readonly role: MemberRole;
  readonly tags: readonly string[];
  readonly since: UnixMillis;
}

export interface SharedNetwork {
  readonly network: NetworkId;
  readonly role: MemberRole;
  readonly tags: readonly string[];
  /** When the later of the two joined. */
  readonly since: UnixMillis;
}

export interface NewNetwork {
  readonly name: string;
  readonly joinRule: string;
  readonly tokenHash: string;
  readonly enterprise: boolean;
  readonly exprPolicy: string;
  readonly creator: NodeId;
  readonly at: UnixMillis;
  /** Networks one node may own, and be a member of. */
  readonly perOwner: number;
  readonly perNode: number;
  /** The largest id that may be given. */
  readonly lastId: NetworkId;
}

export interface Admission {
  readonly network: NetworkId;
  readonly node: NodeId;
  readonly at: UnixMillis;
  /** Members any network may have; its own limit holds too. */
  readonly perNetwork: number;
  readonly perNode: number;
}

export interface NewInvite {
  readonly network: NetworkId;
  readonly inviter: NodeId;
  readonly target: NodeId;
  /** Network source of the request. */
  readonly source: string;
  readonly at: UnixMillis;
  /** Invitations made before this are gone. */
  readonly expiredBefore: UnixMillis;
  readonly perTarget: number;
  /** Of those, from one source. */
  readonly perSource: number;
  readonly perNetwork: number;
}

export interface Invite {
  readonly network: NetworkId;
  readonly inviter: NodeId;
  readonly at: UnixMillis;
}

export type Joined = 'joined' | 'already' | 'no_network' | 'full' | 'too_many';

export interface NetworkStore {
  /** The creator becomes its owner. Ids are never given twice. `too_many`: for the creator. */
  createNetwork(network: NewNetwork): Promise<NetworkRecord | 'exists' | 'exhausted' | 'too_many'>;
  network(id: NetworkId): Promise<NetworkRecord | undefined>;
  networkByName(name: string): Promise<NetworkRecord | undefined>;
  /** Open ones and those of `viewer`, ascending ids above `after`. */
  listNetworks(limit: number, viewer?: NodeId, after?: NetworkId): Promise<NetworkRecord[]>;
  /** All of them, whoever may join, by ascending ids above `after`. */
  allNetworks(after: NetworkId, limit: number): Promise<NetworkRecord[]>;
  patchNetwork(
    id: NetworkId,
    patch: NetworkPatch,
  ): Promise<NetworkRecord | 'no_network' | { readonly members: number }>;
  renameNetwork(id: NetworkId, name: string): Promise<'renamed' | 'exists' | 'no_network'>;
  /** With its memberships, tags and invitations. */
  deleteNetwork(id: NetworkId): Promise<boolean>;

  joinNetwork(admission: Admission): Promise<Joined>;
  /**
   * Ends a membership with its tags, and the node's invitations to and from this network. Returns the role instead
   * when that is one of `except`.
   */
  removeMember(
    id: NetworkId,
    node: NodeId,
    except: readonly MemberRole[],
  ): Promise<'removed' | 'not_member' | { readonly role: MemberRole }>;
  member(id: NetworkId, node: NodeId): Promise<NetworkMember | undefined>;
  /** Ascending ids above `after`. */
  members(id: NetworkId, limit: number, after?: NodeId): Promise<NetworkMember[]>;
  owner(id: NetworkId): Promise<NodeId | undefined>;
  /** Only from `from` to `to`; returns the role it has when that is another. An admin's invitations end with the role. */
  changeRole(
    id: NetworkId,
    node: NodeId,
    from: MemberRole,
    to: MemberRole,
  ): Promise<'changed' | 'not_member' | { readonly role: MemberRole }>;
  /** Only while `from` is owner (undefined: nobody); it becomes an admin. `too_many`: for the new owner. */
  transferNetwork(
    id: NetworkId,
    from: NodeId | undefined,
    to: NodeId,
    perOwner: number,
  ): Promise<'transferred' | 'not_member' | 'not_owner' | 'too_many'>;
  setMemberTags(id: NetworkId, node: NodeId, tags: readonly string[]): Promise<boolean>;

  /** Ascending, without the backbone. */
  networksOf(node: NodeId): Promise<NetworkId[]>;
  /** Ascending ids above `after`. */
  membershipsOf(node: NodeId, limit: number, after?: NetworkId): Promise<Membership[]>;
  /** Networks of which both are members, ascending; role and tags are those of `peer`. */
  sharedNetworks(node: NodeId, peer: NodeId): Promise<SharedNetwork[]>;

  /** `full`: for the target, the source or the network. */
  invite(invite: NewInvite): Promise<'invited' | 'already_invited' | 'member' | 'no_network' | 'full'>;
  /** Oldest first. */
  invites(target: NodeId, since: UnixMillis, limit: number): Promise<Invite[]>;
  /** An invitation that can't be followed now stays. */
  acceptInvite(admission: Admission, expiredBefore: UnixMillis): Promise<Joined | 'no_invite' | 'expired'>;
  declineInvite(
    id: NetworkId,
    target: NodeId,
    expiredBefore: UnixMillis,
  ): Promise<'declined' | 'no_invite' | 'expired'>;
}
