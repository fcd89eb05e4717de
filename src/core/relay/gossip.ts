import { endpointKey } from '../../base/endpoint.ts';
import type { Endpoint, Instant, NodeId } from '../../base/units.ts';
import { GOSSIP_INTERVAL, PEER_LIMIT, REMOTE_LIFETIME, REMOTE_LIMIT } from './limits.ts';

interface PeerBeacon {
  readonly endpoint: Endpoint;
  nodes: Set<NodeId>;
  heardAt: Instant | undefined;
  /** When the last list was taken: lists arriving faster than this are not worth their cost. */
  takenAt: Instant | undefined;
}

/** Which nodes the listed peer beacons serve. spec/04 §2.5 */
export class Gossip {
  readonly #peers = new Map<string, PeerBeacon>();
  readonly #owners = new Map<NodeId, PeerBeacon>();

  get peerCount(): number {
    return this.#peers.size;
  }
  get remoteNodes(): number {
    return this.#owners.size;
  }

  peers(): Endpoint[] {
    return Array.from(this.#peers.values(), (peer) => peer.endpoint);
  }

  isPeer(endpoint: Endpoint): boolean {
    return this.#peers.size > 0 && this.#peers.has(endpointKey(endpoint));
  }

  /** Replaces the list. What unlisted beacons said is forgotten. True when a peer is new. */
  setPeers(endpoints: readonly Endpoint[]): boolean {
    let hasNew = false;
    const wanted = new Map(
      endpoints.slice(0, PEER_LIMIT).map((endpoint) => [endpointKey(endpoint), endpoint]),
    );
    for (const [key, peer] of this.#peers) {
      if (wanted.has(key)) continue;
      this.#forget(peer);
      this.#peers.delete(key);
    }
    for (const [key, endpoint] of wanted) {
      if (this.#peers.has(key)) continue;
      hasNew = true;
      this.#peers.set(key, { endpoint, nodes: new Set(), heardAt: undefined, takenAt: undefined });
    }
    return hasNew;
  }

  /** Replaces what this peer said before. */
  hear(from: Endpoint, nodes: readonly NodeId[], now: Instant): 'taken' | 'not_a_peer' | 'rate_limited' {
    const peer = this.#peers.get(endpointKey(from));
    if (peer === undefined) return 'not_a_peer';
    if (peer.takenAt !== undefined && now - peer.takenAt < GOSSIP_INTERVAL / 10) return 'rate_limited';
    this.#forget(peer);
    peer.heardAt = now;
    peer.takenAt = now;
    for (const node of nodes) {
      if (this.#owners.size >= REMOTE_LIMIT && !this.#owners.has(node)) break;
      this.#owners.get(node)?.nodes.delete(node);
      this.#owners.set(node, peer);
      peer.nodes.add(node);
    }
    return 'taken';
  }

  /** The peer beacon that serves the node. */
  beaconOf(node: NodeId): Endpoint | undefined {
    return this.#owners.get(node)?.endpoint;
  }

  /** Forgets what silent peers said; returns them. */
  sweep(now: Instant): Endpoint[] {
    const silent: Endpoint[] = [];
    for (const peer of this.#peers.values()) {
      if (peer.heardAt === undefined || now - peer.heardAt < REMOTE_LIFETIME) continue;
      this.#forget(peer);
      peer.heardAt = undefined;
      silent.push(peer.endpoint);
    }
    return silent;
  }

  #forget(peer: PeerBeacon): void {
    for (const node of peer.nodes) if (this.#owners.get(node) === peer) this.#owners.delete(node);
    peer.nodes = new Set();
  }
}
