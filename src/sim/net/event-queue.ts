/** Something that happens at an instant of virtual time. */
export interface Event {
  readonly time: number;
  /** Order of scheduling: ties in time are broken by it. */
  readonly order: number;
  run: (() => void) | undefined;
}

/** A binary heap ordered by (time, order of scheduling). Cancelled events stay until they surface. */
export class EventQueue {
  readonly #heap: Event[] = [];
  #scheduled = 0;

  get size(): number {
    return this.#heap.length;
  }

  push(time: number, run: () => void): Event {
    const event: Event = { time, order: this.#scheduled++, run };
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
    return event;
  }

  /** The instant of the next event that is not cancelled. */
  nextTime(): number | undefined {
    while (this.#heap.length > 0 && this.#heap[0]!.run === undefined) this.#remove();
    return this.#heap[0]?.time;
  }

  pop(): Event | undefined {
    return this.nextTime() === undefined ? undefined : this.#remove();
  }

  #remove(): Event {
    const heap = this.#heap;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.time < b.time || (a.time === b.time && a.order < b.order);
}
