/** Networks as the registry tells of them. spec/12 */
import type { Address, NetworkId, NodeId } from '../base/units.ts';
import type { JsonObject } from '../wire/json.ts';

export type JoinRule = 'open' | 'token' | 'invite';
export type MemberRole = 'owner' | 'admin' | 'member';

/** A network of which we are a member, with what holds for us there. */
export interface OwnNetwork {
  readonly network: NetworkId;
  readonly name: string;
  readonly joinRule: string;
  readonly role: MemberRole;
  /** Our member tags. */
  readonly tags: readonly string[];
  /** Ports its members may use with each other; empty for all. */
  readonly ports: readonly number[];
  /** Its expression policy. */
  readonly policy?: JsonObject;
  readonly members: number;
  /** 0 for no limit of its own. */
  readonly maxMembers: number;
  readonly description: string;
  /** Unix seconds when we joined; 0 when the registry does not say. */
  readonly since: number;
}

export interface ListedNetwork {
  readonly network: NetworkId;
  readonly name: string;
  readonly joinRule: string;
  readonly members: number;
  /** Unix seconds. */
  readonly created: number;
}

export interface NetworkMember {
  readonly node: NodeId;
  readonly address: Address;
  readonly role: MemberRole;
  /** Member tags, given by the network's admins. */
  readonly tags: readonly string[];
  /** Unix seconds; 0 when the registry does not say. */
  readonly since: number;
  readonly hostname: string;
  readonly public: boolean;
  readonly online: boolean;
}

/** One network that a peer and we are both members of; role and tags are the peer's. */
export interface SharedNetwork {
  readonly network: NetworkId;
  readonly tags: readonly string[];
  readonly role: MemberRole;
  /** Unix seconds since when both are members. */
  readonly since: number;
}
export interface Relation {
  readonly shared: readonly SharedNetwork[];
}

export interface Invite {
  readonly network: NetworkId;
  /** Empty when the registry does not say. */
  readonly name: string;
  readonly inviter: NodeId;
  /** Unix seconds. */
  readonly timestamp: number;
  /** Unix seconds. */
  readonly expires: number;
}

export interface NetworkPolicy {
  /** 0 for no limit of its own. */
  readonly maxMembers: number;
  /** Empty for all. */
  readonly ports: readonly number[];
  readonly description: string;
}

/** A part of a longer list; `cursor` is the `after` of the next part. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly cursor?: number;
}
export interface PageOptions {
  readonly after?: number;
  /** At most 200. @default 100 */
  readonly limit?: number;
}
