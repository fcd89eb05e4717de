import type { Bytes, Instant, Millis } from '../../base/units.ts';
import { BackgroundLoss } from './background-loss.ts';
import {
  type AckSample,
  CEILING,
  type CongestionController,
  initialWindow,
  type LossSample,
  QUEUE_SAMPLES,
  queueBuilds,
} from './congestion.ts';

/** RFC 9438 §4.1, §4.6. */
const CUBIC_C = 0.4;
const CUBIC_BETA = 0.7;
const CUBIC_FRIENDLY = (3 * (1 - CUBIC_BETA)) / (1 + CUBIC_BETA);
/**
 * Loss without a queue is noise (radio, fragments, a burst at a socket), and halving for it is what makes old
 * senders crawl at 1 % loss. It is ignored up to two segments and 2 % of a flight per round trip, as long as the
 * round's fastest trip is within a quarter (5 ms at least) of the floor. With a queue, every loss counts.
 */
const NOISE_SHARE = 0.02;
const NOISE_SEGMENTS = 2;
/** While it doubles, a window is too small for its losses to say much. */
const NOISE_SEGMENTS_SLOW_START = 6;
const QUEUE_SHARE = 0.25;
const QUEUE_LEAST: Millis = 5;
/** A queue this short is none. */
const CALM_SHARE = 0.0625;
const CALM_LEAST: Millis = 1;
/** After so many rounds at the window's limit without a queue or a reduction, the window grows by an eighth per round. */
const CALM_ROUNDS = 4;
const CALM_GROWTH = 0.125;

/** RFC 9406 §4.3: once a queue builds up, growth is a quarter for so many rounds, and then careful. */
const CAUTIOUS_GROWTH = 0.25;
const CAUTIOUS_ROUNDS = 5;

/** CUBIC (RFC 9438) in bytes with HyStart++ (RFC 9406) and, if wanted, tolerance for loss that no queue explains. */
export class Cubic implements CongestionController {
  window: Bytes;
  threshold: Bytes = Number.POSITIVE_INFINITY;
  #segment: Bytes;
  readonly #tolerant: boolean;
  #maximum: Bytes = 0;
  #epoch: Instant | undefined;
  #k = 0;
  #friendly: Bytes = 0;
  #lostInRound: Bytes = 0;
  #roundFastest: Millis = Number.POSITIVE_INFINITY;
  #lastRoundFastest: Millis = Number.POSITIVE_INFINITY;
  #samplesInRound = 0;
  #calmRounds = 0;
  /** Slow start that saw a queue build up: the fastest round trip then, and the rounds since. */
  #cautious: { readonly baseline: Millis; rounds: number } | undefined;
  readonly #background: BackgroundLoss;
  #before: { window: Bytes; threshold: Bytes; maximum: Bytes } | undefined;

  constructor(segment: Bytes, tolerant = true) {
    this.#segment = segment;
    this.#tolerant = tolerant;
    this.#background = new BackgroundLoss(segment);
    this.window = initialWindow(segment);
  }

  /** Segments hold so many bytes from now on. */
  setSegment(bytes: Bytes): void {
    const fresh = this.window === initialWindow(this.#segment);
    this.#segment = bytes;
    if (fresh) this.window = initialWindow(bytes);
    this.window = Math.max(this.window, 2 * bytes);
  }

  get inSlowStart(): boolean {
    return this.window < this.threshold;
  }

  /** Twice the window per round trip while it still doubles, a quarter more than it otherwise. */
  pace(smoothed: Millis): number {
    const doubles = this.inSlowStart && this.#cautious === undefined;
    return ((doubles ? 2 : 1.25) * this.window) / smoothed;
  }

  acked({ rtt, floor, roundEnded, limited, fresh, smoothed, now }: AckSample): void {
    if (rtt > 0) this.sample(rtt, floor);
    if (roundEnded) this.roundEnded(limited, floor);
    this.delivered(fresh, limited, smoothed, now);
  }

  /** A segment sent after the round began was delivered. */
  roundEnded(limited: boolean, floor: Millis): void {
    const calm = limited && this.#roundFastest <= floor + Math.max(CALM_LEAST, CALM_SHARE * floor);
    this.#calmRounds = calm ? this.#calmRounds + 1 : 0;
    this.#lastRoundFastest = this.#roundFastest;
    this.#roundFastest = Number.POSITIVE_INFINITY;
    this.#samplesInRound = 0;
    this.#lostInRound = 0;
    if (this.#cautious !== undefined && ++this.#cautious.rounds >= CAUTIOUS_ROUNDS) this.#endSlowStart();
  }

  sample(rtt: Millis, floor: Millis): void {
    if (rtt < this.#roundFastest) this.#roundFastest = rtt;
    this.#samplesInRound++;
    if (!this.inSlowStart || this.window < 16 * this.#segment) return;
    const queue = queueBuilds(this.#samplesInRound, this.#roundFastest, floor);
    if (this.#cautious === undefined) {
      if (queue) this.#cautious = { baseline: this.#roundFastest, rounds: 0 };
    } else if (this.#samplesInRound >= QUEUE_SAMPLES && this.#roundFastest < this.#cautious.baseline) {
      // What looked like a queue was jitter.
      this.#cautious = undefined;
    }
  }

  #endSlowStart(): void {
    this.threshold = this.window;
    this.#epoch = undefined;
    this.#cautious = undefined;
  }

  /** `limited`: the window, not the application, bounded what was in flight. */
  delivered(bytes: Bytes, limited: boolean, smoothedRtt: Millis, now: Instant): void {
    this.#background.count(bytes, 0);
    if (!limited) {
      this.#epoch = undefined;
      return;
    }
    if (this.window >= CEILING) return;
    if (this.inSlowStart) {
      const growth = this.#cautious === undefined ? bytes : CAUTIOUS_GROWTH * bytes;
      this.window = Math.min(CEILING, this.window + growth);
      return;
    }
    this.#avoid(bytes, smoothedRtt, now);
    if (this.#tolerant && this.#calmRounds >= CALM_ROUNDS) {
      this.window = Math.min(CEILING, this.window + CALM_GROWTH * bytes);
      this.#epoch = undefined;
    }
  }

  lost({ bytes, outstanding, firstOfFlight, floor }: LossSample): boolean {
    this.#lostInRound += bytes;
    this.#background.count(0, bytes);
    if (!firstOfFlight || (this.#tolerant && this.#isNoise(outstanding, floor))) return false;
    this.#remember();
    this.#reduce();
    this.window = this.threshold;
    return true;
  }

  /** Everything in flight is presumed lost. `firstOfEpisode`: not a repeated timeout. */
  timedOut(firstOfEpisode: boolean): void {
    if (firstOfEpisode) {
      this.#remember();
      this.#reduce();
    }
    this.window = 2 * this.#segment;
    this.#epoch = undefined;
  }

  /** The last reduction was for segments that turned out to have arrived. */
  undo(): void {
    if (this.#before === undefined) return;
    this.window = Math.max(this.window, this.#before.window);
    this.threshold = Math.max(this.threshold, this.#before.threshold);
    this.#maximum = this.#before.maximum;
    this.#epoch = undefined;
    this.#before = undefined;
  }

  /** After silence the old window says little about the path: it is halved per timeout passed. RFC 2861 §3 */
  idle(duration: Millis, timeout: Millis): void {
    this.#epoch = undefined;
    const initial = initialWindow(this.#segment);
    if (duration < timeout || this.window <= initial) return;
    this.threshold = Math.max(this.threshold, 0.75 * this.window);
    const halvings = Math.min(30, Math.floor(duration / timeout));
    this.window = Math.max(initial, this.window / 2 ** halvings);
  }

  #isNoise(outstanding: Bytes, floor: Millis): boolean {
    const fastest = Math.min(this.#roundFastest, this.#lastRoundFastest);
    const queue = Number.isFinite(fastest) && Number.isFinite(floor) ? fastest - floor : 0;
    if (queue > Math.max(QUEUE_LEAST, QUEUE_SHARE * floor)) return false;
    const few = this.inSlowStart ? NOISE_SEGMENTS_SLOW_START : NOISE_SEGMENTS;
    const share = Math.max(NOISE_SHARE, this.#background.share);
    return this.#lostInRound <= few * this.#segment + share * Math.max(outstanding, this.window);
  }

  #remember(): void {
    this.#before = { window: this.window, threshold: this.threshold, maximum: this.#maximum };
  }

  #reduce(): void {
    // Fast convergence, RFC 9438 §4.7.
    this.#maximum = this.window < this.#maximum ? (this.window * (1 + CUBIC_BETA)) / 2 : this.window;
    this.threshold = Math.max(CUBIC_BETA * this.window, 2 * this.#segment);
    this.#epoch = undefined;
    this.#calmRounds = 0;
    this.#cautious = undefined;
  }

  #avoid(bytes: Bytes, smoothedRtt: Millis, now: Instant): void {
    const segment = this.#segment;
    if (this.#epoch === undefined) {
      this.#epoch = now;
      this.#friendly = this.window;
      if (this.window < this.#maximum) {
        this.#k = Math.cbrt((this.#maximum - this.window) / segment / CUBIC_C);
      } else {
        this.#k = 0;
        this.#maximum = this.window;
      }
    }
    const t = (now - this.#epoch + smoothedRtt) / 1000 - this.#k;
    const target = Math.min(1.5 * this.window, this.#maximum + CUBIC_C * t * t * t * segment);
    const gain = this.#friendly < this.#maximum ? CUBIC_FRIENDLY : 1;
    this.#friendly += (gain * segment * bytes) / this.window;
    let next = this.window;
    if (target > this.window) next += ((target - this.window) * bytes) / this.window;
    this.window = Math.min(CEILING, Math.max(next, this.#friendly));
  }
}
