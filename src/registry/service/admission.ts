import type { Random } from '../../base/random.ts';
import type { Instant, Millis } from '../../base/units.ts';
import { Budget } from './budget.ts';

/** Registrations a second that are planned at first, at least, and at most. Chosen; see docs/decisions/0033. */
const FIRST_RATE = 800;
const LOWEST_RATE = 50;
const HIGHEST_RATE = 5000;
/** Clients should not wait longer than this for their turn. */
const PATIENCE: Millis = 150;
/** How often the rate follows what was seen. */
const ADJUST_EVERY: Millis = 500;
/** Nobody is sent away for longer. */
const LONGEST_WAIT: Millis = 60_000;
/** Places that one network address may take from the plan of all; the rest it takes from a plan of its own. */
const PER_SOURCE = { burst: 8000, perSecond: 100 };
/** Sources with a plan of their own; whoever comes beyond that waits at random. */
const MAX_PLANS = 1024;

/**
 * Says to each daemon that comes when it is to register, so that after an outage they do not all do it at once: whoever
 * waits keeps its connection, which costs next to nothing. A plan only: who comes early is answered in its turn.
 */
export class Admission {
  readonly #random: Random;
  readonly #shares = new Budget(PER_SOURCE);
  /** When the next place is free, for all. */
  #next: Instant = 0;
  /** The same for sources that took more than their share. */
  readonly #own = new Map<string, Instant>();
  #rate = FIRST_RATE;
  #longest: Millis = 0;
  #adjustedAt: Instant = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Registrations a second that are planned. */
  get rate(): number {
    return this.#rate;
  }

  /** When a daemon of this source is to register. */
  place(source: string, now: Instant): Instant {
    this.#adjust(now);
    const step = 1000 / this.#rate;
    let at: Instant;
    if (this.#shares.spend(source, now)) {
      at = Math.max(now, this.#next);
      if (at - now < LONGEST_WAIT) this.#next = at + step;
    } else {
      at = Math.max(now, this.#own.get(source) ?? now);
      if (at - now < LONGEST_WAIT) this.#plan(source, at + step, now);
    }
    if (at - now < LONGEST_WAIT) return at;
    return now + LONGEST_WAIT * (0.5 + this.#random.fraction() / 2);
  }

  /** A client has waited this long for its turn. */
  felt(wait: Millis): void {
    if (wait > this.#longest) this.#longest = wait;
  }

  #plan(source: string, next: Instant, now: Instant): void {
    if (!this.#own.has(source) && this.#own.size >= MAX_PLANS) {
      for (const [other, at] of this.#own) if (at <= now) this.#own.delete(other);
      if (this.#own.size >= MAX_PLANS) return;
    }
    this.#own.set(source, next);
  }

  #adjust(now: Instant): void {
    if (now - this.#adjustedAt < ADJUST_EVERY) return;
    this.#adjustedAt = now;
    const isAsked = this.#next > now || this.#own.size > 0;
    if (this.#longest > PATIENCE) this.#rate = Math.max(LOWEST_RATE, this.#rate * 0.7);
    else if (isAsked) this.#rate = Math.min(HIGHEST_RATE, this.#rate * 1.15);
    this.#longest = 0;
  }
}
