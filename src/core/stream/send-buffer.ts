import type { Bytes } from '../../base/units.ts';
import { Deque } from './deque.ts';

const SMALLEST_CHUNK = 1024;
const LARGEST_SHARED_CHUNK = 16 * 1024;

/** Less than this is copied: it would hold on to the whole buffer it came in. */
const KEPT_FROM = 8 * 1024;

/** Segments of this size are not put together from chunks. Chosen: half of them costs less than a copy. */
const UNCOPIED_FROM = 16 * 1024;

interface Chunk {
  readonly bytes: Uint8Array;
  /** Bytes written so far; a chunk made for small writes has room behind them. */
  filled: number;
}

/**
 * Bytes written but not yet cut into segments. Each byte is copied once at most, on the way in; segments are views of the
 * chunks and stay valid for as long as anyone holds them, because filled bytes are never written again.
 */
export class SendBuffer {
  readonly #chunks = new Deque<Chunk>();
  /** Bytes of the first chunk already taken. */
  #taken = 0;
  #length: Bytes = 0;

  get length(): Bytes {
    return this.#length;
  }

  /** `keeps`: nobody writes to `data` again; what is large enough is then kept as it is. */
  append(data: Uint8Array, keeps = false): void {
    if (data.length === 0) return;
    if (keeps && data.length >= KEPT_FROM) {
      this.#chunks.push({ bytes: data, filled: data.length });
      this.#length += data.length;
      return;
    }
    let at = 0;
    const tail = this.#chunks.back();
    if (tail !== undefined) {
      const room = Math.min(tail.bytes.length - tail.filled, data.length);
      if (room > 0) {
        tail.bytes.set(room === data.length ? data : data.subarray(0, room), tail.filled);
        tail.filled += room;
        at = room;
      }
    }
    if (at < data.length) {
      const rest = at === 0 ? data : data.subarray(at);
      const size = Math.max(
        rest.length,
        Math.min(LARGEST_SHARED_CHUNK, Math.max(SMALLEST_CHUNK, this.#length)),
      );
      const bytes = new Uint8Array(size);
      bytes.set(rest);
      this.#chunks.push({ bytes, filled: rest.length });
    }
    this.#length += data.length;
  }

  /**
   * The next bytes, at most `limit`, without taking them. Contiguous. Fewer than there are where that saves a copy: large
   * segments end where chunks do, and a chunk a little longer than one makes two halves.
   */
  peek(limit: Bytes): Uint8Array {
    let length = Math.min(limit, this.#length);
    const first = this.#chunks.front();
    if (first === undefined) return new Uint8Array(0);
    const here = first.filled - this.#taken;
    if (length >= UNCOPIED_FROM && 2 * here >= length) {
      if (here < length) length = here;
      else if (here > length && 2 * here < 3 * length) length = Math.ceil(here / 2);
    }
    if (first.filled - this.#taken >= length) return first.bytes.subarray(this.#taken, this.#taken + length);
    const out = new Uint8Array(length);
    let at = 0;
    for (let i = 0; at < length; i++) {
      const chunk = this.#chunks.at(i)!;
      const from = i === 0 ? this.#taken : 0;
      const n = Math.min(chunk.filled - from, length - at);
      out.set(chunk.bytes.subarray(from, from + n), at);
      at += n;
    }
    return out;
  }

  /** Takes `length` bytes, which must be there. */
  drop(length: Bytes): void {
    this.#length -= length;
    let left = length;
    while (left > 0) {
      const first = this.#chunks.front()!;
      const n = Math.min(first.filled - this.#taken, left);
      this.#taken += n;
      left -= n;
      if (this.#taken < first.filled) return;
      // The last chunk is kept while it has room, for the next small write.
      if (this.#chunks.length === 1 && first.filled < first.bytes.length) return;
      this.#chunks.shift();
      this.#taken = 0;
    }
  }

  clear(): void {
    this.#chunks.clear();
    this.#taken = 0;
    this.#length = 0;
  }
}
