import type { Instant, Millis, NodeId } from '../base/units.ts';

const LIMIT = 1024;

/** Keeps a question about a peer from being asked again too soon. */
export class RecentlyAsked {
  readonly #pause: Millis;
  readonly #at = new Map<NodeId, Instant>();

  constructor(pause: Millis) {
    this.#pause = pause;
  }

  /** True when it may be asked now, and then counts as asked. */
  take(peer: NodeId, now: Instant): boolean {
    if (now - (this.#at.get(peer) ?? Number.NEGATIVE_INFINITY) < this.#pause) return false;
    this.#at.delete(peer);
    if (this.#at.size >= LIMIT) this.#at.delete(this.#at.keys().next().value!);
    this.#at.set(peer, now);
    return true;
  }

  /** It was answered. */
  forget(peer: NodeId): void {
    this.#at.delete(peer);
  }
}
