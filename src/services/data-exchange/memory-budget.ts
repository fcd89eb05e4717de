import type { Bytes } from '../../base/units.ts';

/**
 * A bound on memory that many connections fill. Whoever is over it waits; the one that holds most of its frame may
 * always go on, so that somebody finishes.
 */
export class MemoryBudget {
  readonly #limit: Bytes;
  readonly #held = new Map<object, Bytes>();
  #total: Bytes = 0;
  #waiting: { readonly holder: object; readonly resume: () => void }[] = [];

  constructor(limit: Bytes) {
    this.#limit = limit;
  }

  /** Says what `holder` holds now. Resolves when it may take more. */
  hold(holder: object, bytes: Bytes): Promise<void> | undefined {
    this.#total += bytes - (this.#held.get(holder) ?? 0);
    if (bytes === 0) this.#held.delete(holder);
    else this.#held.set(holder, bytes);
    this.#wake();
    if (this.#mayGrow(holder)) return undefined;
    return new Promise((resume) => this.#waiting.push({ holder, resume }));
  }

  release(holder: object): void {
    this.hold(holder, 0);
  }

  #mayGrow(holder: object): boolean {
    if (this.#total < this.#limit) return true;
    const mine = this.#held.get(holder) ?? 0;
    for (const other of this.#held.values()) if (other > mine) return false;
    return true;
  }

  #wake(): void {
    this.#waiting = this.#waiting.filter(({ holder, resume }) => {
      if (!this.#mayGrow(holder)) return true;
      resume();
      return false;
    });
  }
}
