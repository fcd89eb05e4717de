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
  #due: Instant = NEVER;

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
    this.#peers.get(node)?.close();
    const peer = new Peer(node, this.#host, now);
    this.#peers.set(node, peer);
    return peer;
  }

  /** A stranger that proved a key is none. */
  proven(peer: Peer): void {
    if (this.#strangers.size > 0 && peer.established) this.#strangers.delete(peer.node);
  }

  delete(node: NodeId): void {
    this.#peers.get(node)?.close();
    this.#peers.delete(node);
    this.#strangers.delete(node);
  }

  clear(): void {
    for (const peer of this.#peers.values()) peer.close();
    this.#peers.clear();
    this.#strangers.clear();
  }

  /** A peer may have an earlier timer than before. */
  rearm(when: Instant): void {
    if (when < this.#due) this.#due = when;
  }

  handleTimeout(now: Instant): void {
    if (this.#due > now) return;
    let next = NEVER;
    for (const peer of this.#peers.values()) {
      let due = peer.nextTimeout();
      if (due <= now) {
        peer.handleTimeout(now);
        due = Math.max(peer.nextTimeout(), now + 1);
      }
      if (due < next) next = due;
    }
    this.#due = next;
  }

  nextTimeout(): Instant {
    return this.#due;
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
