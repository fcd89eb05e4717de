/** An empty ring of more places gives its memory back. */
const LARGE = 1024;

/** First-in first-out ring with constant-time access by position; the hot paths never shift an array. */
export class Deque<T> {
  #ring: (T | undefined)[] = new Array<T | undefined>(16).fill(undefined);
  #mask = 15;
  #head = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(item: T): void {
    if (this.#length > this.#mask) this.#grow();
    this.#ring[(this.#head + this.#length) & this.#mask] = item;
    this.#length++;
  }

  /** Removes and returns the oldest item. */
  shift(): T | undefined {
    if (this.#length === 0) return undefined;
    const item = this.#ring[this.#head];
    this.#ring[this.#head] = undefined;
    this.#head = (this.#head + 1) & this.#mask;
    this.#length--;
    if (this.#length === 0 && this.#mask >= LARGE) this.clear();
    return item;
  }

  front(): T | undefined {
    return this.#length === 0 ? undefined : this.#ring[this.#head];
  }

  back(): T | undefined {
    return this.#length === 0 ? undefined : this.#ring[(this.#head + this.#length - 1) & this.#mask];
  }

  /** The item at `index`, 0 being the oldest. */
  at(index: number): T | undefined {
    return index < 0 || index >= this.#length ? undefined : this.#ring[(this.#head + index) & this.#mask];
  }

  /** Replaces the oldest item. */
  setFront(item: T): void {
    if (this.#length > 0) this.#ring[this.#head] = item;
  }

  /** Replaces the newest item. */
  setBack(item: T): void {
    if (this.#length > 0) this.#ring[(this.#head + this.#length - 1) & this.#mask] = item;
  }

  clear(): void {
    this.#ring = new Array<T | undefined>(16).fill(undefined);
    this.#mask = 15;
    this.#head = 0;
    this.#length = 0;
  }

  #grow(): void {
    const size = this.#ring.length;
    const next = new Array<T | undefined>(size * 2).fill(undefined);
    for (let i = 0; i < this.#length; i++) next[i] = this.#ring[(this.#head + i) & this.#mask];
    this.#ring = next;
    this.#mask = size * 2 - 1;
    this.#head = 0;
  }
}
