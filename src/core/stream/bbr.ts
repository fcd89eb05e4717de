import type { Bytes, Instant, Millis } from '../../base/units.ts';
import { BackgroundLoss } from './background-loss.ts';
import {
  type AckSample,
  CEILING,
  type CongestionController,
  initialWindow,
  type LossSample,
  queueBuilds,
} from './congestion.ts';

/** Doubles the rate per round trip. */
const STARTUP_GAIN = 2.77;
/** Near the rate, when a queue builds up. */
const SLOW_GAIN = 1.5;
const DRAIN_GAIN = 0.5;
/** A startup that gains less than this for so many rounds has found the path's rate. */
const FULL_GROWTH = 1.25;
const FULL_ROUNDS = 3;
const UP_GAIN = 1.25;
/** Every probe asks for so many segments at least: what makes small shares grow faster than large ones. */
const UP_SEGMENTS = 10;
const DOWN_GAIN = 0.9;
/** Time at the estimated rate between two probes for more. */
const CRUISE_ROUNDS = 8;
const CRUISE_MOST: Millis = 2500;
/** In cruise, so much of the largest safe amount in flight is left to others. */
const HEADROOM = 0.85;
const WINDOW_GAIN = 2;
const BETA = 0.7;
/**
 * The path's floor is looked for again after this, by sending half as much for a moment; by all streams of a process
 * at once, because none of them empties a queue alone.
 */
const FLOOR_LIFE: Millis = 10_000;
const FLOOR_PROBE: Millis = 200;
/** Share of a round lost that is too much: known noise twice, this at least; before noise is known, this. */
const LOSS_SHARE = 0.02;
const UNKNOWN_LOSS_SHARE = 0.15;
const LOSS_SEGMENTS = 3;
/** What acknowledgments may lag behind. */
const LAG: Millis = 5;

type Phase = 'startup' | 'drain' | 'down' | 'cruise' | 'refill' | 'up' | 'floor';

/** A model of the path: its rate (largest of late) and its floor (smallest round trip of late). After draft-ietf-ccwg-bbr. */
export class Bbr implements CongestionController {
  window: Bytes;
  #segment: Bytes;
  #phase: Phase = 'startup';
  #since: Instant = 0;
  #roundsInPhase = 0;
  /** Largest rate of the probe before, and since. */
  #rateBefore = 0;
  #rateNow = 0;
  #fullRate = 0;
  #fullRounds = 0;
  /** Most in flight that was not too much. */
  #ceiling: Bytes = Number.POSITIVE_INFINITY;
  /** The same until the next probe. */
  #low: Bytes = Number.POSITIVE_INFINITY;
  #floor: Millis = Number.POSITIVE_INFINITY;
  #floorAt: Instant = 0;
  #nextFloor: Millis = Number.POSITIVE_INFINITY;
  #lostInRound: Bytes = 0;
  #deliveredInRound: Bytes = 0;
  #tooMuch = false;
  #growth = 1;
  #startupGain = STARTUP_GAIN;
  #roundFastest: Millis = Number.POSITIVE_INFINITY;
  #samples = 0;
  #cruiseRounds = CRUISE_ROUNDS;
  #random: number;
  readonly #background: BackgroundLoss;

  /** `seed`: any number; streams that differ in it probe at different times. */
  constructor(segment: Bytes, seed = 0) {
    this.#random = seed >>> 0;
    this.#segment = segment;
    this.#background = new BackgroundLoss(segment);
    this.window = initialWindow(segment);
  }

  get threshold(): Bytes {
    return this.#ceiling;
  }
  get rate(): number {
    return Math.max(this.#rateBefore, this.#rateNow);
  }
  get phase(): Phase {
    return this.#phase;
  }

  pace(smoothed: Millis): number {
    const gain = this.#gain();
    if (this.rate === 0) return (gain * this.window) / smoothed;
    const wanted = gain * this.rate;
    return this.#phase === 'up'
      ? Math.max(wanted, this.rate + (UP_SEGMENTS * this.#segment) / this.#floor)
      : wanted;
  }

  setSegment(bytes: Bytes): void {
    if (this.rate === 0) this.window = initialWindow(bytes);
    this.#segment = bytes;
    this.window = Math.max(this.window, 2 * bytes);
  }

  acked(sample: AckSample): void {
    const { now, rtt, fresh, rate, rateLimited, roundEnded } = sample;
    this.#background.count(fresh, 0);
    this.#deliveredInRound += fresh;
    if (rate > 0 && (!rateLimited || rate > this.rate)) this.#rateNow = Math.max(this.#rateNow, rate);
    if (rtt > 0 && rtt < this.#nextFloor) this.#nextFloor = rtt;
    if (rtt > 0 && rtt <= this.#floor) {
      this.#floor = rtt;
      this.#floorAt = now;
    }
    if (rtt > 0) this.#watchStartup(rtt);
    this.#step(sample);
    if (roundEnded) {
      this.#roundFastest = Number.POSITIVE_INFINITY;
      this.#samples = 0;
      this.#roundsInPhase++;
      this.#lostInRound = 0;
      this.#deliveredInRound = 0;
      this.#tooMuch = false;
    }
    this.#setWindow(fresh);
  }

  lost({ now, bytes, outstanding }: LossSample): boolean {
    this.#lostInRound += bytes;
    this.#background.count(0, bytes);
    if (this.#tooMuch) return false;
    const known = this.#background.share > 0;
    const share = known ? Math.max(LOSS_SHARE, this.#background.share) : UNKNOWN_LOSS_SHARE;
    if (this.#lostInRound <= LOSS_SEGMENTS * this.#segment + share * outstanding) return false;
    this.#tooMuch = true;
    this.#onTooMuch(outstanding, now);
    return true;
  }

  timedOut(firstOfEpisode: boolean): void {
    if (firstOfEpisode) this.#low = Math.max(4 * this.#segment, BETA * Math.min(this.#low, this.window));
    this.window = 2 * this.#segment;
  }

  undo(): void {
    this.#low = Number.POSITIVE_INFINITY;
  }

  idle(_duration: Millis, _timeout: Millis): void {
    // The rate is paced, so that a model which is out of date is found out gently.
  }

  #gain(): number {
    switch (this.#phase) {
      case 'startup':
        return this.#startupGain;
      case 'drain':
        return DRAIN_GAIN;
      case 'up':
        return UP_GAIN;
      case 'down':
        return DOWN_GAIN;
      case 'cruise':
      case 'refill':
      case 'floor':
        return 1;
      default:
        return this.#phase satisfies never;
    }
  }

  /** What fills the path at `gain` times its rate, without a queue at 1. */
  #product(gain: number): Bytes {
    return gain * this.rate * this.#floor;
  }

  #step({ now, roundEnded, rateLimited, pipe, limited }: AckSample): void {
    switch (this.#phase) {
      case 'startup':
        if (roundEnded && !rateLimited) this.#judgeStartup(now);
        return;
      case 'drain':
        if (pipe <= this.#product(1)) this.#enter('down', now);
        return;
      case 'down':
        if (pipe <= Math.min(this.#product(1), HEADROOM * this.#ceiling)) this.#enter('cruise', now);
        else if (this.#roundsInPhase >= 3) this.#enter('cruise', now);
        return;
      case 'cruise':
        if (Math.floor(now / FLOOR_LIFE) > Math.floor(this.#floorAt / FLOOR_LIFE)) this.#enter('floor', now);
        else if (this.#roundsInPhase >= this.#cruiseRounds || now - this.#since > CRUISE_MOST) {
          this.#low = Number.POSITIVE_INFINITY;
          this.#enter('refill', now);
        }
        return;
      case 'refill':
        if (this.#roundsInPhase >= 1) {
          this.#rateBefore = this.#rateNow;
          this.#rateNow = 0;
          this.#growth = 1;
          this.#enter('up', now);
        }
        return;
      case 'up':
        if (roundEnded && limited && this.window >= this.#ceiling) {
          this.#ceiling += this.#growth * this.#segment;
          this.#growth *= 2;
        }
        if (now - this.#since > this.#floor && pipe >= this.#product(UP_GAIN)) this.#enter('down', now);
        else if (this.#roundsInPhase >= 4) this.#enter('down', now);
        return;
      case 'floor':
        if (now - this.#since > Math.max(FLOOR_PROBE, this.#floor)) this.#enter('cruise', now);
        return;
      default:
        this.#phase satisfies never;
    }
  }

  /** A queue that builds up says that the rate is nearly found: it is approached more slowly from here (RFC 9406). */
  #watchStartup(rtt: Millis): void {
    if (this.#phase !== 'startup') return;
    if (rtt < this.#roundFastest) this.#roundFastest = rtt;
    if (queueBuilds(++this.#samples, this.#roundFastest, this.#floor)) this.#startupGain = SLOW_GAIN;
  }

  #judgeStartup(now: Instant): void {
    if (this.rate >= FULL_GROWTH * this.#fullRate) {
      this.#fullRate = this.rate;
      this.#fullRounds = 0;
      return;
    }
    if (++this.#fullRounds >= FULL_ROUNDS) this.#enter('drain', now);
  }

  #onTooMuch(outstanding: Bytes, now: Instant): void {
    const target = BETA * Math.min(this.window, Math.max(outstanding, this.#product(1)));
    if (this.#phase === 'startup') {
      this.#ceiling = Math.max(this.#product(1), target);
      this.#enter('drain', now);
    } else if (this.#phase === 'up' || this.#phase === 'refill') {
      this.#ceiling = Math.max(target, 4 * this.#segment);
      this.#enter('down', now);
    } else {
      this.#low = Math.max(target, 4 * this.#segment);
    }
  }

  #enter(phase: Phase, now: Instant): void {
    if (phase === 'floor') this.#nextFloor = Number.POSITIVE_INFINITY;
    if (this.#phase === 'floor') {
      if (Number.isFinite(this.#nextFloor)) this.#floor = this.#nextFloor;
      this.#floorAt = now;
    }
    if (phase === 'cruise') {
      this.#random = (Math.imul(this.#random, 0x0019_660d) + 0x3c6e_f35f) >>> 0;
      this.#cruiseRounds = CRUISE_ROUNDS - 2 + (this.#random >>> 29);
    }
    this.#phase = phase;
    this.#since = now;
    this.#roundsInPhase = 0;
  }

  #setWindow(fresh: Bytes): void {
    const least = 4 * this.#segment;
    if (this.rate === 0 || !Number.isFinite(this.#floor)) {
      this.window = Math.min(CEILING, this.window + fresh);
      return;
    }
    const gain = this.#phase === 'startup' ? this.#startupGain : WINDOW_GAIN;
    let most = this.#product(gain) + this.rate * LAG + 3 * this.#segment;
    most = Math.min(most, this.#low, this.#phase === 'cruise' ? HEADROOM * this.#ceiling : this.#ceiling);
    if (this.#phase === 'floor') most = Math.min(most, this.#product(0.5));
    most = Math.max(least, Math.min(CEILING, most));
    this.window =
      this.#phase === 'startup'
        ? Math.max(this.window, Math.min(most, this.window + fresh))
        : Math.min(most, this.window + fresh);
  }
}
