import type { Bytes, Endpoint, Instant, NodeId } from '../base/units.ts';
import type { NatBehaviour } from './nat/behaviour.ts';
import { NodeTrust } from './node-trust.ts';
import type { PathFacts } from './path/facts.ts';
import type { Links } from './path/link-size.ts';
import type { BeaconFacts } from './path/node-facts.ts';
import type { PeerRelay } from './peer-relay.ts';
import type { RelayStats } from './relay/types.ts';
import type { Trust } from './trust/trust.ts';
import type { Tunnel } from './tunnel/tunnel.ts';
import type { PeerStatus } from './tunnel/types.ts';

/** What a node's owner tells it about the host's surroundings, and what it knows about the ways to its peers. */
export abstract class NodeReach extends NodeTrust {
  protected readonly tunnel: Tunnel;

  /** Set when we relay for peers. */
  protected readonly peerRelay: PeerRelay | undefined;

  constructor(tunnel: Tunnel, trust: Trust, wall: NodeTrust['wall'], peerRelay: PeerRelay | undefined) {
    super(trust, wall);
    this.tunnel = tunnel;
    this.peerRelay = peerRelay;
  }

  /** What we relayed for peers; undefined when we do not. */
  relayStats(): RelayStats | undefined {
    return this.peerRelay?.stats();
  }

  setBeacons(endpoints: readonly Endpoint[], now: Instant): void {
    this.settled(this.tunnel.setBeacons(endpoints, now), now);
  }

  /** Our own addresses on local networks, with the tunnel socket's port. A change means that we may have moved. */
  setLocalEndpoints(lan: readonly Endpoint[], now: Instant): void {
    this.tunnel.setLocalEndpoints(lan);
    this.settled(this.tunnel.networkChanged(now), now);
  }

  /** External endpoints that a port mapping leads to the tunnel's socket, best first. */
  setMapped(endpoints: readonly Endpoint[], now: Instant): void {
    this.settled(this.tunnel.setMapped(endpoints, now), now);
  }

  /** Our links, and what our sockets do with datagrams that are too large for a path. */
  setLinks(links: Links, now: Instant): void {
    this.settled(this.tunnel.setLinks(links), now);
  }

  /** Payload of the largest datagram to the peer that is not known to be too large; undefined: none is. */
  largestDatagram(node: NodeId): Bytes | undefined {
    return this.tunnel.largestPayload(node);
  }

  /** Our own system refused a datagram of this size to this endpoint. */
  refusedSize(to: Endpoint, size: Bytes, now: Instant): void {
    this.settled(this.tunnel.refusedSize(to, size, now), now);
  }

  /** The byte stream to this beacon works, or does not any more. */
  setCarrier(endpoint: Endpoint, up: boolean, now: Instant): void {
    this.settled(this.tunnel.setCarrier(endpoint, up, now), now);
  }

  /** `via`: the local socket it came by. */
  handleDatagram(from: Endpoint, data: Uint8Array, now: Instant, via = 0): void {
    const isForRelay = via === 0 && this.peerRelay?.handleDatagram(from, data, now) === true;
    if (!isForRelay) this.tunnel.handleDatagram(from, data, now, via);
    this.settled(undefined, now);
  }

  /**
   * The same for a train: datagrams of `segment` bytes one behind the other. Its bytes are written to, and the caller's
   * again once the outputs are taken.
   */
  handleTrain(from: Endpoint, train: Uint8Array, segment: number, now: Instant, via = 0): void {
    if (this.tunnel.takesTrain(from, train, segment, now, via)) {
      this.settled(undefined, now);
      return;
    }
    // Some of these are kept for longer, such as an exchange that waits for a key.
    const own = train.slice();
    for (let at = 0; at < own.length; at += segment)
      this.handleDatagram(from, own.subarray(at, at + segment), now, via);
  }

  /** Makes sure a tunnel to the peer exists, and looks for a better path. */
  connectPeer(node: NodeId, now: Instant): void {
    this.settled(this.tunnel.connect(node, now), now);
  }

  peers(): readonly PeerStatus[] {
    return this.tunnel.peers();
  }
  /** There is a tunnel to the peer, under a key that it has proven. */
  isConnected(node: NodeId): boolean {
    return this.tunnel.isEstablished(node);
  }
  peer(node: NodeId): PeerStatus | undefined {
    return this.tunnel.peer(node);
  }
  /** What is known about the ways to the peer; undefined when there is no tunnel to it. */
  pathFacts(node: NodeId, now: Instant): PathFacts | undefined {
    return this.tunnel.pathFacts(node, now);
  }
  /** What is known of our beacons, best first. */
  beacons(): readonly BeaconFacts[] {
    return this.tunnel.beacons();
  }
  /** How the translator in front of us behaves, as far as it is known. */
  nat(): NatBehaviour {
    return this.tunnel.nat();
  }
  /** Our endpoint as others should use it: of a port mapping, else as the beacon sees it. */
  observed(): Endpoint | undefined {
    return this.tunnel.mapped()[0] ?? this.tunnel.observed();
  }
  /** Beacons where we can be reached, the best first. */
  homes(): readonly Endpoint[] {
    return this.tunnel.homes();
  }
  /** Counted drops by reason. */
  drops(): Readonly<Record<string, number>> {
    return this.tunnel.drops();
  }
}
