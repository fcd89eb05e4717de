import type { NetworkId, NodeId } from '../../base/units.ts';
import type { ConnectionState } from '../connection.ts';
import type { Bus } from '../store/store.ts';

/** Connections of one node that are told of events; a new one replaces the oldest. */
const PER_NODE = 4;

export const PUSH_EVENTS = [
  'handshake_request',
  'handshake_response',
  'trust_changed',
  'trust_revoked',
  'key_rotated',
  'peer_moved',
  'network_changed',
  'invite',
  'member_changed',
] as const;
export type PushEvent = (typeof PUSH_EVENTS)[number];

/** Which connections want to be told what happens to a node. A push carries no secrets: it says "look". */
export class Subscribers {
  readonly #byNode = new Map<NodeId, Set<ConnectionState>>();
  readonly #bus: Bus | undefined;

  /** `bus` reaches the subscribers of other processes. */
  constructor(bus?: Bus) {
    this.#bus = bus;
  }

  get size(): number {
    return this.#byNode.size;
  }
  add(node: NodeId, connection: ConnectionState): void {
    const connections = this.#byNode.get(node) ?? new Set();
    connections.delete(connection);
    connections.add(connection);
    connection.subscriptions.add(node);
    this.#byNode.set(node, connections);
    if (connections.size > PER_NODE) {
      for (const oldest of connections) {
        connections.delete(oldest);
        oldest.subscriptions.delete(node);
        break;
      }
    }
  }
  has(node: NodeId): boolean {
    return this.#byNode.has(node);
  }
  /** True when nobody would be told. */
  get isIdle(): boolean {
    return this.#byNode.size === 0 && this.#bus === undefined;
  }
  /** Nodes that somebody here is subscribed to. */
  nodes(): NodeId[] {
    return [...this.#byNode.keys()];
  }
  /** Tells every subscribed connection of `node`. `from` 0 stands for several. */
  tell(node: NodeId, event: PushEvent, from: NodeId, network?: NetworkId): void {
    this.tellHere(node, event, from, network);
    this.#bus?.publish({ kind: 'tell', node, event, from, network });
  }
  /** As `tell`, only the connections of this process. */
  tellHere(node: NodeId, event: PushEvent, from: NodeId, network?: NetworkId): void {
    const place = network === undefined ? {} : { network_id: network };
    for (const connection of this.#byNode.get(node) ?? []) {
      connection.push({ type: 'push', event, node_id: node, ...(from === 0 ? {} : { from }), ...place });
    }
  }
  dropConnection(connection: ConnectionState): void {
    for (const node of connection.subscriptions) this.#drop(node, connection);
    connection.subscriptions.clear();
  }
  /** After a change of key nobody is known to speak for the node. */
  dropNode(node: NodeId): void {
    for (const connection of this.#byNode.get(node) ?? []) connection.subscriptions.delete(node);
    this.#byNode.delete(node);
  }
  #drop(node: NodeId, connection: ConnectionState): void {
    const connections = this.#byNode.get(node);
    if (connections?.delete(connection) && connections.size === 0) this.#byNode.delete(node);
  }
}
