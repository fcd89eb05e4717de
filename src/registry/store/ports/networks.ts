import type { NetworkId, NodeId, UnixMillis } from '../../../base/units.ts';

/** spec/12 §1 */
export interface NetworkRecord {
  readonly id: NetworkId;
  readonly name: string;
  readonly joinRule: string;
  readonly token: string;
  readonly enterprise: boolean;
  readonly createdAt: UnixMillis;
  readonly members: number;
}

export interface NetworkMember {
  readonly node: NodeId;
  readonly role: 'owner' | 'admin' | 'member';
}

export interface NetworkStore {
  createNetwork(network: {
    name: string;
    joinRule: string;
    token: string;
    enterprise: boolean;
    creator: NodeId;
    at: UnixMillis;
  }): Promise<NetworkRecord | 'exists' | 'exhausted'>;
  network(id: NetworkId): Promise<NetworkRecord | undefined>;
  listNetworks(limit: number): Promise<NetworkRecord[]>;
  joinNetwork(id: NetworkId, node: NodeId): Promise<'joined' | 'already' | 'no_network'>;
  leaveNetwork(id: NetworkId, node: NodeId): Promise<boolean>;
  members(id: NetworkId, limit: number): Promise<NetworkMember[]>;
  /** Ascending, without the backbone. */
  networksOf(node: NodeId): Promise<NetworkId[]>;
}
