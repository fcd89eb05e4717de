import type { Instant, Millis } from '../../base/units.ts';
import type { StreamConfig } from './config.ts';

/** An incoming stream that only SYN has reached is asked for a sign of life sooner, and not for long. */
const UNCONFIRMED_PROBE: Millis = 5000;
const UNCONFIRMED_LIMIT: Millis = 60_000;
/** A timer this late means that the process was stopped. */
const OWN_PAUSE: Millis = 2000;
/** Ten thousand streams that opened together are not probed together: up to so much of the silence earlier. */
const SPREAD = 0.25;
/** At most one answer to a probe. spec/03 §10 rule 11 */
const ANSWER_SPACING: Millis = 1000;

/** Tells a quiet stream from a dead peer. A healthy one answers a probe and is never ended, however long it is idle. */
export class Liveness {
  readonly #config: StreamConfig;
  readonly #after: Millis;
  heardAt: Instant;
  #probes = 0;
  #probedAt: Instant = 0;
  #answeredAt: Instant = Number.NEGATIVE_INFINITY;

  /**
   * `seed`: streams that differ in it are probed at different times. The two ends of one share it: what both send then
   * is one use of the path.
   */
  constructor(config: StreamConfig, seed: number, now: Instant) {
    this.#config = config;
    this.#after = config.keepAliveAfter * (1 - (SPREAD * (seed & 0xff)) / 0x100);
    this.heardAt = now;
  }

  /** The peer gave a sign of life; returns the silence before it. */
  heard(now: Instant): Millis {
    const silence = now - this.heardAt;
    this.heardAt = now;
    this.#probes = 0;
    return silence;
  }

  /** True, once per second, when a peer's own probe may be answered. */
  takeAnswer(now: Instant): boolean {
    if (now - this.#answeredAt < ANSWER_SPACING) return false;
    this.#answeredAt = now;
    return true;
  }

  /**
   * When silence calls for `judge`. `confirmed`: the peer has acknowledged the stream. `waitingSince`: since when data
   * or FIN goes unacknowledged; retransmissions are the probes then.
   */
  deadline(confirmed: boolean, waitingSince: Instant | undefined): Instant {
    const { deadAfter, keepAliveInterval } = this.#config;
    if (waitingSince !== undefined) return Math.max(this.heardAt, waitingSince) + deadAfter;
    if (!confirmed) return Math.max(this.heardAt, this.#probedAt) + UNCONFIRMED_PROBE;
    if (this.#probes === 0) return this.heardAt + this.#after;
    return Math.min(this.#probedAt + keepAliveInterval, this.heardAt + deadAfter);
  }

  /** To be called once the deadline has passed. */
  judge(deadline: Instant, confirmed: boolean, now: Instant): 'probe' | 'dead' {
    const limit = confirmed ? this.#config.deadAfter : UNCONFIRMED_LIMIT;
    if (now - deadline > OWN_PAUSE) {
      // We did not run, so the silence was ours: the peer gets the time of one more probe.
      this.heardAt = Math.max(this.heardAt, now - limit + this.#config.keepAliveInterval);
    }
    // The sum as in the deadline: the difference can round to just below the limit, and this would never end.
    if (this.heardAt + limit <= now) return 'dead';
    this.#probes++;
    this.#probedAt = now;
    return 'probe';
  }
}
