import type { Instant, Millis } from '../../base/units.ts';

/** Before the first sample. RFC 6298 §2.1 */
const INITIAL_RTO = 1000;
/** Below this a peer's delayed ACK (40 ms) and an event loop's hiccups would look like loss. */
const MIN_RTO = 200;
/** Chosen: an outage costs at most this on top, for one packet per stream in that time. */
const MAX_RTO = 5_000;
/** The smallest round trip is forgotten after this, so that a longer route becomes the new floor. */
/** Round trips below this are those of a test. */
const LEAST: Millis = 0.01;
const FLOOR_LIFE = 30_000;

/** Smoothed round trip and retransmission timeout (RFC 6298), and the recent minimum. */
export class RttEstimator {
  smoothed: Millis = 0;
  variance: Millis = 0;
  /** Smallest sample of the last 30 to 60 s; Infinity before the first. */
  floor: Millis = Number.POSITIVE_INFINITY;
  #nextFloor: Millis = Number.POSITIVE_INFINITY;
  #floorSince: Instant = 0;
  #guessed = false;

  /** No answer can come sooner. 0 before the opening was answered. */
  get shortest(): Millis {
    return Number.isFinite(this.floor) ? this.floor : this.smoothed;
  }

  get measured(): boolean {
    return this.smoothed > 0;
  }

  /** The exchange that opened the stream: it may have waited for keys, so the first real sample replaces it. */
  guess(rtt: Millis, now: Instant): void {
    if (this.measured) return;
    this.smoothed = Math.max(rtt, LEAST);
    this.variance = this.smoothed / 2;
    this.#floorSince = now;
    this.#guessed = true;
  }

  sample(rtt: Millis, now: Instant): void {
    const r = Math.max(rtt, LEAST);
    if (this.smoothed === 0 || this.#guessed) {
      this.#guessed = false;
      this.smoothed = r;
      this.variance = r / 2;
      this.#floorSince = now;
    } else {
      this.variance += (Math.abs(this.smoothed - r) - this.variance) / 4;
      this.smoothed += (r - this.smoothed) / 8;
    }
    if (now - this.#floorSince > FLOOR_LIFE) {
      this.floor = this.#nextFloor;
      this.#nextFloor = Number.POSITIVE_INFINITY;
      this.#floorSince = now;
    }
    if (r < this.floor) this.floor = r;
    if (r < this.#nextFloor) this.#nextFloor = r;
  }

  /** The timeout after `backOff` expiries in a row. */
  timeout(backOff: number): Millis {
    const base = this.measured
      ? Math.max(MIN_RTO, this.smoothed + Math.max(10, 4 * this.variance))
      : INITIAL_RTO;
    return Math.min(MAX_RTO, base * 2 ** Math.min(backOff, 10));
  }
}
