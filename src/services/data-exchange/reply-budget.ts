import type { Instant, NodeId } from '../../base/units.ts';
import type { Clock } from '../../runtime/ports.ts';

/** Answers to one peer that names no messages: this many at once, and one more each second. Chosen. */
const BURST = 60;
const PER_SECOND = 1;
const PEER_LIMIT = 4096;

/**
 * Bounds the answers sent as messages to peers whose questions carry no id: two services that answer everything
 * would else talk to each other without end.
 */
export class ReplyBudget {
  readonly #clock: Clock;
  readonly #peers = new Map<NodeId, { left: number; at: Instant }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** False when the peer has had enough. */
  take(node: NodeId): boolean {
    const now = this.#clock.now();
    const peer = this.#peers.get(node) ?? { left: BURST, at: now };
    this.#peers.delete(node);
    this.#peers.set(node, peer);
    for (const oldest of this.#peers.keys()) {
      if (this.#peers.size <= PEER_LIMIT) break;
      this.#peers.delete(oldest);
    }
    peer.left = Math.min(BURST, peer.left + ((now - peer.at) / 1000) * PER_SECOND);
    peer.at = now;
    if (peer.left < 1) return false;
    peer.left--;
    return true;
  }
}
