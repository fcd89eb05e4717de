import type { Bytes, Instant, Millis } from '../../base/units.ts';

/** Below this round trip timers are too coarse to help. */
const SHORTEST_ROUND_TRIP: Millis = 4;
/** What may leave at once, whatever the rate. */
const LEAST_BURST_SEGMENTS = 10;
/** Credit saved up while a timer was late. */
const LATENESS: Millis = 8;
/** Timers fire no finer than this. */
const TICK: Millis = 1;

/** Spreads a window over its round trip. Rates are bytes per millisecond. */
export class Pacer {
  #segment: Bytes;
  readonly #enabled: boolean;
  #credit: Bytes;
  #countedAt: Instant = 0;
  #rate = Number.POSITIVE_INFINITY;

  constructor(enabled: boolean, segment: Bytes) {
    this.#enabled = enabled;
    this.#segment = segment;
    this.#credit = LEAST_BURST_SEGMENTS * segment;
  }

  setSegment(bytes: Bytes): void {
    this.#segment = bytes;
  }

  /** `rate` in bytes per ms. */
  setRate(rate: number, roundTrip: Millis): void {
    this.#rate = this.#enabled && roundTrip >= SHORTEST_ROUND_TRIP ? rate : Number.POSITIVE_INFINITY;
  }

  /** True when a segment may leave now. */
  ready(now: Instant): boolean {
    if (this.#rate === Number.POSITIVE_INFINITY) return true;
    if (now > this.#countedAt) {
      const most = Math.max(LEAST_BURST_SEGMENTS * this.#segment, this.#rate * LATENESS);
      this.#credit = Math.min(most, this.#credit + (now - this.#countedAt) * this.#rate);
      this.#countedAt = now;
    }
    return this.#credit > 0;
  }

  sent(bytes: Bytes): void {
    if (this.#rate !== Number.POSITIVE_INFINITY) this.#credit -= bytes;
  }

  /** When `ready` is true again. */
  readyAt(): Instant {
    return this.#countedAt + Math.max(TICK, -this.#credit / this.#rate);
  }
}
