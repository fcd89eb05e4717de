import type { Bytes } from '../../base/units.ts';

/** Segments per measurement, and measurements remembered. */
const BLOCK_SEGMENTS = 300;
const BLOCKS = 5;
/** A path that loses more than this at any rate is treated as congested after all. */
const LARGEST_BACKGROUND = 0.12;

/**
 * The loss that a path has at any rate: twice the smallest share seen over the last blocks of segments. A reduction
 * makes congestive loss go away, and with it this figure; the loss of a bad radio stays.
 */
export class BackgroundLoss {
  readonly #block: Bytes;
  readonly #shares: number[] = [];
  #delivered: Bytes = 0;
  #lost: Bytes = 0;
  share = 0;

  constructor(segment: Bytes) {
    this.#block = BLOCK_SEGMENTS * segment;
  }

  count(delivered: Bytes, lost: Bytes): void {
    this.#delivered += delivered;
    this.#lost += lost;
    const total = this.#delivered + this.#lost;
    if (total < this.#block) return;
    this.#shares.push(this.#lost / total);
    if (this.#shares.length > BLOCKS) this.#shares.shift();
    this.#delivered = 0;
    this.#lost = 0;
    if (this.#shares.length >= BLOCKS / 2) {
      this.share = Math.min(LARGEST_BACKGROUND, 2 * Math.min(...this.#shares));
    }
  }
}
