import type { NodeId, UnixMillis } from '../../../base/units.ts';
import type { LastSeen } from '../sql/last-seen.ts';

/** Nodes of one page: their times fill one page of the database and no more. */
export const PAGE_NODES = 500;
const TIME_BYTES = 8;
export const PAGE_BYTES = PAGE_NODES * TIME_BYTES;

/**
 * Last-seen times off the JavaScript heap, eight bytes a node, written behind page by page: a million heartbeats change
 * at most 2,000 rows. What a page remembers is as of its last write after a crash.
 */
export class SeenPages implements LastSeen {
  /** A negative time is that of a node that said goodbye. */
  readonly #pages = new Map<number, Float64Array>();
  /** In the order in which they were first changed. */
  readonly #dirty = new Set<number>();

  at(id: NodeId): UnixMillis {
    return Math.abs(this.#pages.get(pageOf(id))?.[id % PAGE_NODES] ?? 0);
  }
  note(id: NodeId, at: UnixMillis): void {
    if (at > this.at(id)) this.set(id, at);
  }
  set(id: NodeId, at: UnixMillis): void {
    const number = pageOf(id);
    const page = this.#pages.get(number) ?? this.#newPage(number);
    page[id % PAGE_NODES] = at;
    this.#dirty.add(number);
  }
  leave(id: NodeId): void {
    const at = this.at(id);
    if (at > 0) this.set(id, -at);
  }
  /** Nodes heard of after `since` that have not said goodbye. Looks at every time: a millisecond for a million. */
  countSince(since: UnixMillis): number {
    const after = Math.max(since, 0);
    let count = 0;
    for (const page of this.#pages.values())
      for (let i = 0; i < PAGE_NODES; i++) if (page[i]! > after) count++;
    return count;
  }

  /** Pages that differ from what was written last. */
  get unwritten(): number {
    return this.#dirty.size;
  }
  /** Up to `limit` of those; from here on they count as written. */
  take(limit: number): number[] {
    const taken: number[] = [];
    for (const number of this.#dirty) {
      if (taken.length >= limit) break;
      taken.push(number);
    }
    for (const number of taken) this.#dirty.delete(number);
    return taken;
  }
  /** What was taken has not reached the disk. */
  giveBack(pages: readonly number[]): void {
    for (const number of pages) this.#dirty.add(number);
  }

  /** Times as little-endian float64, unix ms each. */
  encode(number: number): Uint8Array {
    const bytes = new Uint8Array(PAGE_BYTES);
    const view = new DataView(bytes.buffer);
    const page = this.#pages.get(number);
    if (page !== undefined)
      for (let i = 0; i < PAGE_NODES; i++) view.setFloat64(i * TIME_BYTES, page[i]!, true);
    return bytes;
  }
  /** Takes in a page as it was written. False when the bytes are no page. */
  load(number: number, bytes: Uint8Array): boolean {
    if (bytes.length !== PAGE_BYTES) return false;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const page = this.#pages.get(number) ?? this.#newPage(number);
    for (let i = 0; i < PAGE_NODES; i++) {
      const at = view.getFloat64(i * TIME_BYTES, true);
      if (!(Math.abs(at) <= Number.MAX_SAFE_INTEGER)) return false;
      page[i] = at;
    }
    return true;
  }

  #newPage(number: number): Float64Array {
    const page = new Float64Array(PAGE_NODES);
    this.#pages.set(number, page);
    return page;
  }
}

function pageOf(id: NodeId): number {
  return Math.floor(id / PAGE_NODES);
}
