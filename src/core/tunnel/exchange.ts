import type { Instant, Millis } from '../../base/units.ts';
import { FIRST_RETRY, LONGEST_LATE_RETRY, LONGEST_RETRY, PATIENCE } from './constants.ts';

/** `first`: no key yet. `rekey`: the key is to be replaced. `silence`: the peer stopped answering. */
export type ExchangeReason = 'first' | 'rekey' | 'silence';

/** The schedule of one key exchange we began: 200 ms, doubling to 2 s, later to 15 s. */
export class Exchange {
  readonly reason: ExchangeReason;
  readonly since: Instant;
  nextAt: Instant;
  sendings = 0;
  /** The peer was reported unreachable. */
  reported = false;
  #pause: Millis = FIRST_RETRY;

  constructor(reason: ExchangeReason, now: Instant) {
    this.reason = reason;
    this.since = now;
    this.nextAt = now;
  }

  /** An exchange that silence caused is over as soon as the peer is heard again, under any key. */
  get endsWhenHeard(): boolean {
    return this.reason === 'silence';
  }

  sent(now: Instant): void {
    this.sendings++;
    this.nextAt = now + this.#pause;
    this.#pause = Math.min(2 * this.#pause, now - this.since < PATIENCE ? LONGEST_RETRY : LONGEST_LATE_RETRY);
  }
}
