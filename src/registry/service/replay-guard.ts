import type { Instant, Millis, NodeId, UnixMillis } from '../../base/units.ts';

/** Nonces remembered per node. Beyond that the oldest go, and requests signed before them are refused. */
const NONCES_PER_NODE = 512;

interface Seen {
  /** Nonce to signing time, in order of arrival. */
  readonly nonces: Map<string, UnixMillis>;
  /** Requests signed at or before this can no longer be told from replays. */
  floor: UnixMillis;
}

/**
 * Refuses a signed request that was seen before. Bounded per node, and fed only by requests whose signature
 * holds, so nobody can fill another node's share. Nothing signed before this process started is accepted:
 * what the previous process had seen is unknown.
 */
export class ReplayGuard {
  readonly #window: Millis;
  readonly #startedAt: Instant;
  readonly #nodes = new Map<NodeId, Seen>();
  #sweptAt: Instant;

  constructor(window: Millis, startedAt: Instant) {
    this.#window = window;
    this.#startedAt = startedAt;
    this.#sweptAt = startedAt;
  }

  /**
   * True when a signature of this time may be looked at. How long we have been up is told by the monotonic clock,
   * so that setting the wall clock back does not put our own start into the future.
   */
  timely(signedAt: UnixMillis, wall: UnixMillis, now: Instant): boolean {
    return Math.abs(wall - signedAt) <= this.#window && signedAt >= wall - (now - this.#startedAt);
  }

  /** False when this nonce was used before. Call only after the signature was verified. */
  admit(node: NodeId, nonce: string, signedAt: UnixMillis, wall: UnixMillis, now: Instant): boolean {
    this.#sweep(wall, now);
    let seen = this.#nodes.get(node);
    if (seen === undefined) {
      seen = { nonces: new Map(), floor: 0 };
      this.#nodes.set(node, seen);
    }
    if (signedAt <= seen.floor || seen.nonces.has(nonce)) return false;
    seen.nonces.set(nonce, signedAt);
    if (seen.nonces.size > NONCES_PER_NODE) {
      for (const [oldest, at] of seen.nonces) {
        seen.nonces.delete(oldest);
        seen.floor = Math.max(seen.floor, at);
        break;
      }
    }
    return true;
  }

  /** Forgets what the time check refuses anyway. */
  #sweep(wall: UnixMillis, now: Instant): void {
    if (now - this.#sweptAt < this.#window) return;
    this.#sweptAt = now;
    for (const [node, seen] of this.#nodes) {
      for (const [nonce, at] of seen.nonces) if (wall - at > this.#window) seen.nonces.delete(nonce);
      if (seen.nonces.size === 0) this.#nodes.delete(node);
    }
  }
}
