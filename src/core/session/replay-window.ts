const WORDS = 8;

/** Counters remembered behind the highest one. spec/02 §8 */
export const REPLAY_WINDOW = WORDS * 32;

/**
 * Which counters of one (key, prefix) were received. Unlike spec/02 §8 the two steps are apart: `admits` looks,
 * `mark` is called only once the frame is authenticated, so a forged counter changes nothing.
 */
export class ReplayWindow {
  #highest = -1;
  readonly #seen = new Uint32Array(WORDS);

  /** True when `counter` (a safe integer) is neither received nor too old. */
  admits(counter: number): boolean {
    if (counter > this.#highest) return true;
    if (this.#highest - counter >= REPLAY_WINDOW) return false;
    const bit = counter % REPLAY_WINDOW;
    return (this.#seen[bit >>> 5]! & (1 << (bit & 31))) === 0;
  }

  /** Records an authenticated counter that `admits` let pass. */
  mark(counter: number): void {
    if (counter > this.#highest) {
      if (counter - this.#highest >= REPLAY_WINDOW) this.#seen.fill(0);
      else for (let passed = this.#highest + 1; passed < counter; passed++) this.#clear(passed);
      this.#highest = counter;
    }
    const bit = counter % REPLAY_WINDOW;
    this.#seen[bit >>> 5]! |= 1 << (bit & 31);
  }

  #clear(counter: number): void {
    const bit = counter % REPLAY_WINDOW;
    this.#seen[bit >>> 5]! &= ~(1 << (bit & 31));
  }
}
