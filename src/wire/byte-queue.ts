import { EMPTY, readU32 } from '../base/bytes.ts';

/**
 * Bytes of a stream waiting to be cut into frames. Memory follows the bytes that arrived, never a length a peer
 * only declared. Arrays returned by `take` are never written again.
 */
export class ByteQueue {
  #store: Uint8Array = EMPTY;
  #start = 0;
  #end = 0;

  get length(): number {
    return this.#end - this.#start;
  }

  /** Takes ownership of `bytes`. */
  push(bytes: Uint8Array): void {
    if (this.length === 0) {
      this.#store = bytes;
      this.#start = 0;
      this.#end = bytes.length;
      return;
    }
    const length = this.length + bytes.length;
    if (this.#store.length - this.#end < bytes.length) {
      // A fresh array even when the old one has room at its front: views of that room are out.
      const grown = new Uint8Array(Math.max(length, 2 * this.length));
      grown.set(this.#store.subarray(this.#start, this.#end));
      this.#end = this.length;
      this.#start = 0;
      this.#store = grown;
    }
    this.#store.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  byteAt(at: number): number | undefined {
    return at < this.length ? this.#store[this.#start + at] : undefined;
  }

  u32At(at: number): number | undefined {
    return at + 4 <= this.length ? readU32(this.#store, this.#start + at) : undefined;
  }

  /** The next `length` bytes, or undefined when fewer are here. */
  take(length: number): Uint8Array | undefined {
    if (length > this.length) return undefined;
    const out = this.#store.subarray(this.#start, this.#start + length);
    this.#start += length;
    if (this.length === 0) this.clear();
    return out;
  }

  clear(): void {
    this.#store = EMPTY;
    this.#start = 0;
    this.#end = 0;
  }
}
