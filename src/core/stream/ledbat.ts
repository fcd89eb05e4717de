import type { Bytes, Instant, Millis } from '../../base/units.ts';
import {
  type AckSample,
  CEILING,
  type CongestionController,
  initialWindow,
  type LossSample,
} from './congestion.ts';

/** The queue it allows itself: below what others notice, above what an event loop's hiccups look like. */
const TARGET: Millis = 60;
/** Slow start ends at this share of it. */
const START_SHARE = 0.75;
/** Growth is divided by up to so much on short paths, so that it stays slower than anybody else's. */
const LARGEST_DIVISOR = 16;
/** At every so many times the time that the last one took, it makes room for a moment, to see the path's floor. */
const SLOWDOWN_EVERY = 9;
const SLOWDOWN_ROUNDS = 2;
const LEAST_SEGMENTS = 2;
/** After so many rounds at the window's limit with hardly a queue, the path is taken to be free: slow start begins again. */
const CALM_ROUNDS = 2;
const CALM_SHARE = 0.25;

/** For streams that take what others leave: LEDBAT++ (draft-irtf-iccrg-ledbat-plus-plus). */
export class Ledbat implements CongestionController {
  window: Bytes;
  threshold: Bytes = Number.POSITIVE_INFINITY;
  #segment: Bytes;
  #roundFastest: Millis = Number.POSITIVE_INFINITY;
  #calmRounds = 0;
  /** Rounds until it speeds up again; 0 outside a slowdown. */
  #slowRounds = 0;
  #slowSince: Instant = 0;
  #nextSlowdown: Instant = Number.POSITIVE_INFINITY;
  #before: { window: Bytes; threshold: Bytes } | undefined;

  constructor(segment: Bytes) {
    this.#segment = segment;
    this.window = initialWindow(segment);
  }

  setSegment(bytes: Bytes): void {
    this.#segment = bytes;
    this.window = Math.max(this.window, LEAST_SEGMENTS * bytes);
  }

  pace(smoothed: Millis): number {
    return (1.25 * this.window) / smoothed;
  }

  acked({ now, rtt, fresh, floor, smoothed, limited, roundEnded }: AckSample): void {
    if (rtt > 0 && rtt < this.#roundFastest) this.#roundFastest = rtt;
    const gain = 1 / Math.min(LARGEST_DIVISOR, Math.max(1, Math.ceil((2 * TARGET) / floor)));
    if (limited && this.#slowRounds === 0 && this.window < this.threshold)
      this.window = Math.min(CEILING, this.window + gain * fresh);
    if (!roundEnded) return;
    const queue = this.#roundFastest - floor;
    this.#roundFastest = Number.POSITIVE_INFINITY;
    if (Number.isFinite(queue)) this.#round(queue, gain, limited, smoothed, now);
  }

  lost({ firstOfFlight }: LossSample): boolean {
    if (!firstOfFlight) return false;
    this.#before = { window: this.window, threshold: this.threshold };
    this.window = Math.max(this.window / 2, LEAST_SEGMENTS * this.#segment);
    this.threshold = this.window;
    return true;
  }

  timedOut(firstOfEpisode: boolean): void {
    if (firstOfEpisode) {
      this.#before = { window: this.window, threshold: this.threshold };
      this.threshold = Math.max(this.window / 2, LEAST_SEGMENTS * this.#segment);
    }
    this.window = LEAST_SEGMENTS * this.#segment;
  }

  undo(): void {
    if (this.#before === undefined) return;
    this.window = Math.max(this.window, this.#before.window);
    this.threshold = Math.max(this.threshold, this.#before.threshold);
    this.#before = undefined;
  }

  idle(duration: Millis, timeout: Millis): void {
    if (duration >= timeout) this.window = Math.min(this.window, initialWindow(this.#segment));
  }

  #round(queue: Millis, gain: number, limited: boolean, smoothed: Millis, now: Instant): void {
    const segment = this.#segment;
    if (this.#slowRounds > 0) {
      this.#slowRounds--;
      return;
    }
    if (this.window < this.threshold) {
      if (queue > START_SHARE * TARGET) this.threshold = this.window;
      else return;
    }
    if (this.#nextSlowdown === Number.POSITIVE_INFINITY) {
      // It is back where it was: the slowdown is over, and says when the next one may be.
      const took = this.#slowSince === 0 ? 0 : SLOWDOWN_EVERY * (now - this.#slowSince);
      this.#nextSlowdown = now + Math.max(took, SLOWDOWN_ROUNDS * smoothed);
    }
    if (now >= this.#nextSlowdown) {
      this.threshold = this.window;
      this.window = LEAST_SEGMENTS * segment;
      this.#slowRounds = SLOWDOWN_ROUNDS;
      this.#slowSince = now;
      this.#nextSlowdown = Number.POSITIVE_INFINITY;
      return;
    }
    this.#calmRounds = limited && queue < CALM_SHARE * TARGET ? this.#calmRounds + 1 : 0;
    if (this.#calmRounds >= CALM_ROUNDS) {
      this.threshold = Number.POSITIVE_INFINITY;
      return;
    }
    if (queue <= TARGET) {
      if (limited) this.window = Math.min(CEILING, this.window + gain * segment);
    } else {
      const shrink = Math.max(0.5, 1 - (queue / TARGET - 1));
      this.window = Math.max(LEAST_SEGMENTS * segment, shrink * this.window + gain * segment);
    }
    this.threshold = this.window;
  }
}
