import type { Millis } from '../base/units.ts';
import type { Clock, Timer } from '../runtime/ports.ts';

/** Parts of the period in which everybody is looked at once. */
const SLOTS = 10;

interface Watched {
  /** Time has passed: ends itself when nothing came for too long. */
  look(): void;
}

/**
 * Looks at every session once in a period, with one timer for all of them: a million connections cost a million
 * entries here, and no timers.
 */
export class Sessions<Session extends Watched> implements Iterable<Session> {
  readonly #clock: Clock;
  readonly #step: Millis;
  readonly #slots: Set<Session>[] = Array.from({ length: SLOTS }, () => new Set<Session>());
  #at = 0;
  #size = 0;
  #timer: Timer | undefined;

  constructor(clock: Clock, period: Millis) {
    this.#clock = clock;
    this.#step = period / SLOTS;
  }

  get size(): number {
    return this.#size;
  }

  add(session: Session): number {
    // The slot that was looked at last has the whole period before it.
    const slot = (this.#at + SLOTS - 1) % SLOTS;
    this.#slots[slot]!.add(session);
    this.#size++;
    this.#arm();
    return slot;
  }

  /** `slot` is what `add` returned. */
  delete(session: Session, slot: number): boolean {
    if (!this.#slots[slot]!.delete(session)) return false;
    this.#size--;
    if (this.#size === 0) {
      this.#timer?.cancel();
      this.#timer = undefined;
    }
    return true;
  }

  *[Symbol.iterator](): Iterator<Session> {
    for (const slot of this.#slots) yield* slot;
  }

  #arm(): void {
    this.#timer ??= this.#clock.at(this.#clock.now() + this.#step, () => {
      this.#timer = undefined;
      const slot = this.#slots[this.#at]!;
      this.#at = (this.#at + 1) % SLOTS;
      for (const session of slot) session.look();
      if (this.#size > 0) this.#arm();
    });
  }
}
