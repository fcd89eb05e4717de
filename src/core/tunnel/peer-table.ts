import { DeadlineHeap } from '../../base/deadline-heap.ts';
import type { Instant, Millis, NodeId } from '../../base/units.ts';
import { Peer } from './peer.ts';
import type { PeerHost } from './peer-host.ts';

const NEVER = Number.POSITIVE_INFINITY;

/** The peers of one tunnel, within bounds: those that a user here wants, and strangers that proved nothing yet. */
export class PeerTable {
  readonly #host: PeerHost;
  readonly #peers = new Map<NodeId, Peer>();
  /** Peers that contacted us and proved nothing yet, oldest first. */
  readonly #strangers = new Set<NodeId>();
  /** One timer a peer: with a thousand of them, each tick concerns only those that are due. */
  readonly #deadlines = new DeadlineHeap<Peer>();

  constructor(host: PeerHost) {
    this.#host = host;
  }

  get(node: NodeId): Peer | undefined {
    return this.#peers.get(node);
  }

  all(): IterableIterator<Peer> {
    return this.#peers.values();
  }

  /** The peer a local user wants to reach, with room made for it. */
  chosen(node: NodeId, now: Instant): Peer {
    this.#strangers.delete(node);
    const known = this.#peers.get(node);
    if (known !== undefined) return known;
    if (this.#peers.size >= this.#host.config.maxPeers) this.#evict(0, now);
    return this.renew(node, now);
  }

  /** A peer that contacted us; undefined when every place is in use. */
  stranger(node: NodeId, now: Instant): Peer | undefined {
    const known = this.#peers.get(node);
    if (known !== undefined) return known;
    const { maxPeers, maxStrangers, idleAfter } = this.#host.config;
    if (this.#strangers.size >= maxStrangers) {
      for (const oldest of this.#strangers) {
        this.delete(oldest);
        this.#host.drop('peer_evicted');
        break;
      }
    }
    if (this.#peers.size >= maxPeers && !this.#evict(idleAfter, now)) return undefined;
    this.#strangers.add(node);
    return this.renew(node, now);
  }

  /** Makes new keys with a peer that is in use, and keeps what waits for it. */
  beginAnew(before: Peer, isAdmitted: () => boolean, now: Instant): void {
    const isUsed = before.established && now - before.activeAt < this.#host.config.idleAfter;
    if (!before.wanted(now) && !(isUsed && isAdmitted())) return;
    const peer = this.renew(before.node, now);
    peer.connect(now);
    for (const packet of before.waiting()) peer.send(packet, now);
  }

  /** A new peer in the place of the one before. */
  renew(node: NodeId, now: Instant): Peer {
    this.#end(node);
    const peer = new Peer(node, this.#host, now);
    this.#peers.set(node, peer);
    this.rearm(node, peer.nextTimeout());
    return peer;
  }

  /** A stranger that proved a key is none. */
  proven(peer: Peer): void {
    if (this.#strangers.size > 0 && peer.established) this.#strangers.delete(peer.node);
  }

  delete(node: NodeId): void {
    this.#end(node);
    this.#peers.delete(node);
    this.#strangers.delete(node);
  }

  clear(): void {
    for (const node of this.#peers.keys()) this.#end(node);
    this.#peers.clear();
    this.#strangers.clear();
  }

  /** The peer may have an earlier timer than before. */
  rearm(node: NodeId, when: Instant): void {
    const peer = this.#peers.get(node);
    if (peer !== undefined && when !== NEVER) this.#deadlines.arm(peer, when);
  }

  handleTimeout(now: Instant): void {
    for (let peer = this.#deadlines.takeDue(now); peer !== undefined; peer = this.#deadlines.takeDue(now)) {
      if (peer.nextTimeout() <= now) peer.handleTimeout(now);
      const due = Math.max(peer.nextTimeout(), now + 1);
      // It may have been replaced or forgotten by what it did.
      if (this.#peers.get(peer.node) === peer && due !== NEVER) this.#deadlines.arm(peer, due);
    }
  }

  nextTimeout(): Instant {
    return this.#deadlines.next() ?? NEVER;
  }

  #end(node: NodeId): void {
    const peer = this.#peers.get(node);
    if (peer === undefined) return;
    peer.close();
    this.#deadlines.remove(peer);
  }

  /** Forgets the longest unused peer, if it was not used for at least `unused`. */
  #evict(unused: Millis, now: Instant): boolean {
    let oldest: Peer | undefined;
    for (const peer of this.#peers.values()) {
      if (oldest === undefined || peer.activeAt < oldest.activeAt) oldest = peer;
    }
    this.#host.drop('peer_evicted');
    if (oldest === undefined || now - oldest.activeAt < unused) return false;
    this.delete(oldest.node);
    return true;
  }
}
