import type { Instant } from './units.ts';

/** Something with one deadline that the heap may hold at an earlier instant than its true one. */
export interface Deadlined {
  /** Position in the heap, -1 when absent. Written by the heap only. */
  heapIndex: number;
  /** The instant the heap holds. Written by the heap only. */
  heapAt: Instant;
}

/**
 * Earliest-deadline heap that is cheap to postpone: a deadline moved later stays where it is, fires early once, and
 * is then re-armed. Timers that almost every packet pushes back (retransmission) cost nothing that way.
 */
export class DeadlineHeap<T extends Deadlined> {
  readonly #items: T[] = [];

  /** The earliest instant held; never later than the earliest true deadline. */
  next(): Instant | undefined {
    return this.#items[0]?.heapAt;
  }

  /** Makes sure `item` fires at or before `at`. */
  arm(item: T, at: Instant): void {
    if (item.heapIndex >= 0) {
      if (item.heapAt <= at) return;
      item.heapAt = at;
      this.#up(item.heapIndex);
      return;
    }
    item.heapAt = at;
    item.heapIndex = this.#items.length;
    this.#items.push(item);
    this.#up(item.heapIndex);
  }

  /** Removes and returns an item held at or before `now`. */
  takeDue(now: Instant): T | undefined {
    const first = this.#items[0];
    if (first === undefined || first.heapAt > now) return undefined;
    this.remove(first);
    return first;
  }

  remove(item: T): void {
    const index = item.heapIndex;
    if (index < 0) return;
    item.heapIndex = -1;
    const last = this.#items.pop()!;
    if (last === item) return;
    this.#items[index] = last;
    last.heapIndex = index;
    this.#up(index);
    this.#down(last.heapIndex);
  }

  #up(start: number): void {
    const items = this.#items;
    const item = items[start]!;
    let index = start;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = items[parent]!;
      if (above.heapAt <= item.heapAt) break;
      items[index] = above;
      above.heapIndex = index;
      index = parent;
    }
    items[index] = item;
    item.heapIndex = index;
  }

  #down(start: number): void {
    const items = this.#items;
    const item = items[start]!;
    let index = start;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && items[child + 1]!.heapAt < items[child]!.heapAt) child++;
      const below = items[child]!;
      if (below.heapAt >= item.heapAt) break;
      items[index] = below;
      below.heapIndex = index;
      index = child;
    }
    items[index] = item;
    item.heapIndex = index;
  }
}
