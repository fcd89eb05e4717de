import type { Bytes } from '../../base/units.ts';
import { ChunkPool } from './chunk-pool.ts';
import { Deque } from './deque.ts';

const SMALLEST_CHUNK = 1024;
const LARGEST_SHARED_CHUNK = 4 * 1024;
/** Where so much is written at once or waits, it is copied to chunks of the pool. */
const POOLED_FROM = 4 * 1024;

/** Less than this is copied: it would hold on to the whole buffer it came in. */
const KEPT_FROM = 8 * 1024;

/** Segments of this size are not put together from chunks. Chosen: half of them costs less than a copy. */
const UNCOPIED_FROM = 16 * 1024;
/** But a rest of a chunk below this is joined with what follows. */
const SHORTEST_REST = 512;

interface Chunk {
  readonly bytes: Uint8Array;
  /** Bytes written so far; a chunk made for small writes has room behind them. */
  filled: number;
  /** As far as it is filled. */
  readonly limit: number;
  readonly pooled: boolean;
}

/**
 * Bytes written but not yet cut into segments. Each byte is copied once at most, on the way in; segments are views of the
 * chunks and stay valid until they are acknowledged: only then, and once no packet
 * waits, is the memory of a chunk used again.
 */
export class SendBuffer {
  readonly #pool: ChunkPool;
  readonly #chunks = new Deque<Chunk>();
  /** Chunks of the pool that are cut and not acknowledged to their `end`, counted in bytes of the stream. */
  readonly #retired = new Deque<{ readonly bytes: Uint8Array; readonly end: Bytes }>();
  /** Bytes of the first chunk already taken. */
  #taken = 0;
  #length: Bytes = 0;
  /** Bytes of the stream cut into segments, and of those acknowledged. */
  #cut: Bytes = 0;
  #acknowledged: Bytes = 0;
  /** Chunks are filled with a whole number of segments of this size. */
  segment: Bytes;

  constructor(pool = new ChunkPool(), segment: Bytes = 1) {
    this.#pool = pool;
    this.segment = segment;
  }

  get length(): Bytes {
    return this.#length;
  }

  /** `keeps`: nobody writes to `data` again; what is large enough is then kept as it is. */
  append(data: Uint8Array, keeps = false): void {
    if (data.length === 0) return;
    if (keeps && data.length >= KEPT_FROM) {
      this.#chunks.push({ bytes: data, filled: data.length, limit: data.length, pooled: false });
      this.#length += data.length;
      return;
    }
    let at = 0;
    const tail = this.#chunks.back();
    if (tail !== undefined && tail.filled < tail.limit) at = fill(tail, data, 0);
    while (at < data.length) {
      const chunk = this.#newChunk(data.length - at, this.#length + at);
      at = fill(chunk, data, at);
      this.#chunks.push(chunk);
    }
    this.#length += data.length;
  }

  /** For `wanted` bytes behind `waiting` others. */
  #newChunk(wanted: Bytes, waiting: Bytes): Chunk {
    if (wanted < POOLED_FROM && waiting < POOLED_FROM) {
      const size = Math.max(wanted, Math.min(LARGEST_SHARED_CHUNK, Math.max(SMALLEST_CHUNK, waiting)));
      return { bytes: new Uint8Array(size), filled: 0, limit: size, pooled: false };
    }
    const bytes = this.#pool.take();
    const limit = bytes.length - (this.segment < bytes.length ? bytes.length % this.segment : 0);
    return { bytes, filled: 0, limit, pooled: true };
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
    if (length >= UNCOPIED_FROM) {
      if (here < length && (2 * here >= length || (first.pooled && here >= SHORTEST_REST))) length = here;
      else if (!first.pooled && here > length && 2 * here < 3 * length) length = Math.ceil(here / 2);
    }
    if (here >= length) return first.bytes.subarray(this.#taken, this.#taken + length);
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
      this.#cut += n;
      left -= n;
      if (this.#taken < first.filled) return;
      // The last chunk is kept while it has room, for the next write.
      if (this.#chunks.length === 1 && first.filled < first.limit) return;
      this.#chunks.shift();
      this.#taken = 0;
      if (first.pooled) this.#retired.push({ bytes: first.bytes, end: this.#cut });
    }
  }

  /** The peer has that many more of the bytes that were taken. */
  acknowledged(bytes: Bytes): void {
    this.#acknowledged += bytes;
    const retired = this.#retired;
    for (let chunk = retired.front(); chunk !== undefined; chunk = retired.front()) {
      if (chunk.end > this.#acknowledged) return;
      retired.shift();
      this.#pool.give(chunk.bytes);
    }
    // A stream that has nothing to say holds no memory.
    const last = this.#chunks.front();
    if (this.#length > 0 || this.#cut > this.#acknowledged || last?.pooled !== true) return;
    this.#chunks.shift();
    this.#taken = 0;
    this.#pool.give(last.bytes);
  }

  clear(): void {
    this.#chunks.clear();
    this.#retired.clear();
    this.#taken = 0;
    this.#length = 0;
  }
}

/** Copies what fits of `data` from `at` on; returns how far it came. */
function fill(chunk: Chunk, data: Uint8Array, at: number): number {
  const end = Math.min(data.length, at + chunk.limit - chunk.filled);
  chunk.bytes.set(at === 0 && end === data.length ? data : data.subarray(at, end), chunk.filled);
  chunk.filled += end - at;
  return end;
}
