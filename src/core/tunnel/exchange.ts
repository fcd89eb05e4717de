import type { Instant, Millis } from '../../base/units.ts';
import {
  FIRST_RETRY,
  LONGEST_LATE_RETRY,
  LONGEST_RETRY,
  PATIENCE,
  REKEY_RETRIES,
  UNREACHABLE_AFTER,
} from './constants.ts';

/** `first`: no key yet. `rekey`: the key is to be replaced. `silence`: the peer stopped answering. */
export type ExchangeReason = 'first' | 'rekey' | 'silence';

/** The schedule of one key exchange we began: repeated after 200 ms, doubling to 2 s, much later to 15 s. */
export class Exchange {
  readonly reason: ExchangeReason;
  readonly since: Instant;
  nextAt: Instant;
  #sendings = 0;
  #sentAt: Instant = Number.NEGATIVE_INFINITY;
  #pause: Millis = FIRST_RETRY;
  #reported = false;

  /** `delay`: before the first frame, where one of the peer may make it needless. */
  constructor(reason: ExchangeReason, now: Instant, delay: Millis) {
    this.reason = reason;
    this.since = now;
    this.nextAt = now + delay;
  }

  /** A rekey ends after some attempts, the key in use still works; else the peer must be wanted. */
  over(wanted: boolean): boolean {
    return this.reason === 'rekey' ? this.#sendings >= REKEY_RETRIES : !wanted;
  }

  /** True once, when the peer has not answered for long. */
  reportable(now: Instant): boolean {
    if (this.#reported || this.reason === 'rekey' || now - this.since < UNREACHABLE_AFTER) return false;
    this.#reported = true;
    return true;
  }

  /** The first frames of a rekey need no more than the path that works. */
  get cautious(): boolean {
    return this.reason === 'rekey' && this.#sendings <= 3;
  }

  /** No answer to several frames: an old peer may have answered once, in vain, and installed our key. */
  get doubtful(): boolean {
    return this.#sendings > 2;
  }

  /** True when our frame left so recently that the peer's answer to it may be on its way. */
  awaitsAnswer(now: Instant): boolean {
    return now - this.#sentAt < FIRST_RETRY;
  }

  /** `left`: there was a path to send on. */
  sent(now: Instant, left: boolean): void {
    this.#sendings++;
    if (left) this.#sentAt = now;
    this.nextAt = now + this.#pause;
    this.#pause = Math.min(2 * this.#pause, now - this.since < PATIENCE ? LONGEST_RETRY : LONGEST_LATE_RETRY);
  }
}
