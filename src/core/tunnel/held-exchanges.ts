import type { Instant, Millis, NodeId } from '../../base/units.ts';
import type { Arrival } from './types.ts';

/** Chosen: longer than news takes by way of the registry; a sender of ours has repeated itself by then. */
const KEPT: Millis = 3_000;
const LIMIT = 64;

export interface HeldExchange extends Arrival {
  readonly data: Uint8Array;
  readonly at: Instant;
}

/**
 * Key exchanges of nodes that we did not admit when they came. A peer that has just agreed to trust us may be heard of
 * here before the agreement itself, and does not repeat what it believes to be answered.
 */
export class HeldExchanges {
  readonly #held = new Map<NodeId, HeldExchange>();

  get isEmpty(): boolean {
    return this.#held.size === 0;
  }

  hold(node: NodeId, exchange: HeldExchange): void {
    for (const [other, { at }] of this.#held) {
      if (exchange.at - at < KEPT) break;
      this.#held.delete(other);
    }
    this.#held.delete(node);
    if (this.#held.size < LIMIT) this.#held.set(node, exchange);
  }

  /** Once: the newest of this node, unless it is too old. */
  take(node: NodeId, now: Instant): HeldExchange | undefined {
    const held = this.#held.get(node);
    this.#held.delete(node);
    return held !== undefined && now - held.at < KEPT ? held : undefined;
  }
}
