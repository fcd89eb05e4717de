import type { Millis } from '../../base/units.ts';
import { LOSS_WINDOW, MIN_LOSS_SAMPLES } from './constants.ts';

/** Samples after which a new round trip weighs no less than one in so many. */
const SMOOTHING = 4;

/** How good a path has been lately: round trip and loss, from the probes that watch it. */
export class Quality {
  #rtt: Millis | undefined;
  #samples = 0;
  /** One bit for each of the last probes, the newest lowest: 1 when it was lost. */
  #lost = 0;
  #asked = 0;
  /** Answers in a row. */
  streak = 0;

  /** Smoothed round trip; undefined before the first answer. */
  get rtt(): Millis | undefined {
    return this.#rtt;
  }

  /** Share of the last probes without an answer, 0 to 1; undefined before there were enough. */
  get loss(): number | undefined {
    if (this.#asked < MIN_LOSS_SAMPLES) return undefined;
    let lost = 0;
    for (let bits = this.#lost; bits !== 0; bits &= bits - 1) lost++;
    return lost / this.#asked;
  }

  answered(rtt: Millis): void {
    this.#samples = Math.min(this.#samples + 1, SMOOTHING);
    this.#rtt = this.#rtt === undefined ? rtt : this.#rtt + (rtt - this.#rtt) / this.#samples;
    this.streak++;
    this.#shift(0);
  }

  missed(): void {
    this.streak = 0;
    this.#shift(1);
  }

  /** The end of a path says nothing of what it loses while it works. */
  givenUp(): void {
    this.#lost = 0;
    this.#asked = 0;
  }

  #shift(bit: number): void {
    this.#lost = ((this.#lost << 1) | bit) & ((1 << LOSS_WINDOW) - 1);
    this.#asked = Math.min(this.#asked + 1, LOSS_WINDOW);
  }
}
