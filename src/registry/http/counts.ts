import type { Tally } from '../../api/dashboard.ts';

/** Counts by name, for at most `limit` names: those that come later count as `other`. */
export class Counts {
  readonly #limit: number;
  readonly #counts = new Map<string, number>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(name: string): void {
    const known = this.#counts.get(name);
    if (known !== undefined) this.#counts.set(name, known + 1);
    else if (this.#counts.size < this.#limit) this.#counts.set(name, 1);
    else this.#counts.set('other', (this.#counts.get('other') ?? 0) + 1);
  }
  largest(count: number): Tally {
    return [...this.#counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, count);
  }
}
