import type { Instant, Millis } from '../../base/units.ts';
import { Budget } from './budget.ts';

/** Registrations a second that are let in at first, at least, and at most. Chosen; see docs/decisions/0033. */
const FIRST_RATE = 400;
const LOWEST_RATE = 20;
const HIGHEST_RATE = 5000;
/** Clients should not wait longer than this for their turn at the processor; at three times that nobody is let in. */
const PATIENCE: Millis = 150;
/** How often the rate follows what was seen. */
const ADJUST_EVERY: Millis = 250;
/** After this long everybody asks again, since the rate may be another by then. */
const LONGEST_WAIT: Millis = 15_000;
/** Nobody is asked to wait for less. */
const SHORTEST_WAIT: Millis = 100;
/** While nobody is let in, nobody asks again before that. */
const FULL_WAIT: Millis = 500;
/** Places in the line of all that one network address may take; the rest it takes in a line of its own. */
const PER_SOURCE = { burst: 8000, perSecond: 100 };
/** Lines of single sources; whoever comes beyond that is not asked to wait. */
const MAX_LINES = 1024;

interface Line {
  taken: number;
  /** Up to here it is everybody's turn. */
  reached: number;
  at: Instant;
}

/** A place in a line; it stays when its holder asks again. */
export interface Place {
  readonly line: Line;
  readonly number: number;
}

/**
 * Lets daemons register at the rate at which that goes well, so that after an outage they do not all do it at once:
 * whoever waits keeps its connection, which costs next to nothing, and asks again when it should be its turn. Who comes
 * early all the same is answered when its turn at the processor comes.
 */
export class Admission {
  readonly #shares = new Budget(PER_SOURCE);
  readonly #all: Line = { taken: 0, reached: 0, at: 0 };
  readonly #own = new Map<string, Line>();
  #rate = FIRST_RATE;
  /** The longest anybody waited since the rate was looked at, and before that. */
  #longest: Millis = 0;
  #before: Millis = 0;
  #adjustedAt: Instant = 0;

  /** Registrations a second that are let in. */
  get rate(): number {
    return this.#rate;
  }

  /** A place for a daemon from this source; undefined lets it in at once. */
  take(source: string, now: Instant): Place | undefined {
    const line = this.#shares.spend(source, now) ? this.#all : this.#lineOf(source, now);
    if (line === undefined) return undefined;
    this.#advance(line, now);
    line.taken++;
    return { line, number: line.taken };
  }

  /** How long it should wait before it registers or asks again; 0 when it is its turn. */
  wait({ line, number }: Place, now: Instant): Millis {
    this.#advance(line, now);
    const ahead = number - line.reached - 1;
    if (ahead > 0 && this.#isFull)
      return Math.min(FULL_WAIT + Math.ceil((ahead * 1000) / this.#rate), LONGEST_WAIT);
    const wait = (ahead * 1000) / this.#rate;
    return wait < SHORTEST_WAIT ? 0 : Math.min(Math.ceil(wait), LONGEST_WAIT);
  }

  get #isFull(): boolean {
    return Math.max(this.#longest, this.#before) > 3 * PATIENCE;
  }

  /** A client has waited this long for its turn. */
  felt(wait: Millis): void {
    if (wait > this.#longest) this.#longest = wait;
  }

  #lineOf(source: string, now: Instant): Line | undefined {
    const known = this.#own.get(source);
    if (known !== undefined) return known;
    if (this.#own.size >= MAX_LINES) {
      for (const [other, line] of this.#own) {
        this.#advance(line, now);
        if (line.reached >= line.taken) this.#own.delete(other);
      }
      if (this.#own.size >= MAX_LINES) return undefined;
    }
    const line: Line = { taken: 0, reached: 0, at: now };
    this.#own.set(source, line);
    return line;
  }

  #advance(line: Line, now: Instant): void {
    this.#adjust(now);
    const more = this.#isFull ? 0 : ((now - line.at) * this.#rate) / 1000;
    line.reached = Math.min(line.taken, line.reached + more);
    line.at = now;
  }

  #adjust(now: Instant): void {
    if (now - this.#adjustedAt < ADJUST_EVERY) return;
    this.#adjustedAt = now;
    const isAsked = this.#all.reached < this.#all.taken || this.#own.size > 0;
    if (this.#longest > PATIENCE) this.#rate = Math.max(LOWEST_RATE, this.#rate * 0.7);
    else if (isAsked) this.#rate = Math.min(HIGHEST_RATE, this.#rate * 1.1);
    this.#before = this.#longest;
    this.#longest = 0;
  }
}
