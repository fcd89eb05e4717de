import type { NetworkId, NodeId, UnixMillis } from '../../base/units.ts';
import type { NetworkMember, NetworkRecord } from './store.ts';

const LAST_NETWORK: NetworkId = 0xffff;

interface Stored {
  readonly record: NetworkRecord;
  readonly members: Map<NodeId, NetworkMember>;
}

/** Networks other than the backbone. spec/12 §1 */
export class MemoryNetworks {
  readonly #networks = new Map<NetworkId, Stored>();
  #next: NetworkId = 1;

  get size(): number {
    return this.#networks.size;
  }

  create(network: {
    name: string;
    joinRule: string;
    token: string;
    enterprise: boolean;
    creator: NodeId;
    at: UnixMillis;
  }): NetworkRecord | 'exists' | 'exhausted' {
    for (const { record } of this.#networks.values()) if (record.name === network.name) return 'exists';
    if (this.#next > LAST_NETWORK) return 'exhausted';
    const id = this.#next++;
    const { name, joinRule, token, enterprise, creator, at } = network;
    const record = { id, name, joinRule, token, enterprise, createdAt: at, members: 1 };
    this.#networks.set(id, { record, members: new Map([[creator, { node: creator, role: 'owner' }]]) });
    return record;
  }
  record(id: NetworkId): NetworkRecord | undefined {
    const found = this.#networks.get(id);
    return found === undefined ? undefined : { ...found.record, members: found.members.size };
  }
  list(limit: number): NetworkRecord[] {
    return [...this.#networks.keys()].slice(0, limit).map((id) => this.record(id)!);
  }
  join(id: NetworkId, node: NodeId): 'joined' | 'already' | 'no_network' {
    const found = this.#networks.get(id);
    if (found === undefined) return 'no_network';
    if (found.members.has(node)) return 'already';
    found.members.set(node, { node, role: 'member' });
    return 'joined';
  }
  leave(id: NetworkId, node: NodeId): boolean {
    return this.#networks.get(id)?.members.delete(node) ?? false;
  }
  members(id: NetworkId, limit: number): NetworkMember[] {
    return [...(this.#networks.get(id)?.members.values() ?? [])].slice(0, limit);
  }
  of(node: NodeId): NetworkId[] {
    return [...this.#networks.entries()].filter(([, { members }]) => members.has(node)).map(([id]) => id);
  }
}
