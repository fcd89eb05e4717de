import type { Millis, NodeId, UnixMillis } from '../../base/units.ts';

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
  readonly #startedAt: UnixMillis;
  readonly #nodes = new Map<NodeId, Seen>();
  #sweptAt: UnixMillis;

  constructor(window: Millis, startedAt: UnixMillis) {
    this.#window = window;
    this.#startedAt = startedAt;
    this.#sweptAt = startedAt;
  }

  /** True when a signature of this time may be looked at. */
  timely(signedAt: UnixMillis, now: UnixMillis): boolean {
    return Math.abs(now - signedAt) <= this.#window && signedAt >= this.#startedAt;
  }

  /** False when this nonce was used before. Call only after the signature was verified. */
  admit(node: NodeId, nonce: string, signedAt: UnixMillis, now: UnixMillis): boolean {
    this.#sweep(now);
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
  #sweep(now: UnixMillis): void {
    if (now - this.#sweptAt < this.#window) return;
    this.#sweptAt = now;
    for (const [node, seen] of this.#nodes) {
      for (const [nonce, at] of seen.nonces) if (now - at > this.#window) seen.nonces.delete(nonce);
      if (seen.nonces.size === 0) this.#nodes.delete(node);
    }
  }
}
