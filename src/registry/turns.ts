import type { Instant, Millis, NodeId } from '../base/units.ts';
import type { Clock } from '../runtime/ports.ts';

/** Work taken at once between two looks at the sockets. Chosen: far below what anybody notices. */
const SLICE: Millis = 8;
/** While less than a slice was worked in this time, nobody waits for a turn. */
const WINDOW: Millis = 32;
/** What a holder may take in one round of all that wait. */
const QUANTUM: Millis = 1;

/** Whose share is spent: a settled node's own, or that of a place on the network. */
export type Holder = NodeId | string;

export interface Waiting {
  /** Works on one frame; what that cost. */
  turn(): Millis;
}

interface Line {
  readonly waiting: { readonly who: Waiting; readonly since: Instant }[];
  credit: Millis;
}

/**
 * Shares the processor among clients: deficit round robin over the holders, in slices. Where there is time enough,
 * nobody waits; where there is not, who asks for much waits behind itself. Costs are what reading a frame took and
 * what its type is known to take, since most of the work is done after the turn.
 */
export class Turns {
  readonly #clock: Clock;
  /** Those with somebody waiting, in the order of their turns. */
  readonly #lines = new Map<Holder, Line>();
  #waiting = 0;
  #window: Instant = 0;
  #spent: Millis = 0;
  #armed = false;
  readonly #onWaited: (wait: Millis) => void;

  /** `onWaited` is told the longest wait that ended in each slice. */
  constructor(clock: Clock, onWaited: (wait: Millis) => void = () => {}) {
    this.#clock = clock;
    this.#onWaited = onWaited;
  }

  /** Clients that wait for their turn. */
  get waiting(): number {
    return this.#waiting;
  }

  /** True when a frame may be worked on right away; what it costs goes to `spend`. */
  get free(): boolean {
    if (this.#waiting > 0) return false;
    if (this.#spent < SLICE) return true;
    const now = this.#clock.now();
    if (now - this.#window < WINDOW) return false;
    this.#window = now;
    this.#spent = 0;
    return true;
  }

  spend(cost: Millis): void {
    if (this.#spent === 0) this.#window = this.#clock.now();
    this.#spent += cost;
  }

  /** Calls `who.turn` once, when it is the turn of `holder`. */
  wait(holder: Holder, who: Waiting): void {
    const line: Line = this.#lines.get(holder) ?? { waiting: [], credit: 0 };
    line.waiting.push({ who, since: this.#clock.now() });
    this.#lines.set(holder, line);
    this.#waiting++;
    this.#arm();
  }

  #arm(): void {
    if (this.#armed) return;
    this.#armed = true;
    this.#clock.at(this.#clock.now(), () => {
      this.#armed = false;
      this.#slice();
    });
  }

  #slice(): void {
    const now = this.#clock.now();
    let left = SLICE;
    let longest = 0;
    while (left > 0 && this.#waiting > 0) {
      const [holder, line] = this.#lines.entries().next().value!;
      line.credit += QUANTUM;
      let served = 0;
      while (line.credit > 0 && left > 0 && served < line.waiting.length) {
        const { who, since } = line.waiting[served++]!;
        this.#waiting--;
        longest = Math.max(longest, now - since);
        const cost = who.turn();
        line.credit -= cost;
        left -= cost;
      }
      line.waiting.splice(0, served);
      this.#lines.delete(holder);
      // To the end of the round; what is owed beyond the quantum is remembered only while somebody waits.
      if (line.waiting.length > 0) this.#lines.set(holder, line);
    }
    this.#window = now;
    this.#spent = SLICE - left;
    this.#onWaited(longest);
    if (this.#waiting > 0) this.#arm();
  }
}
