import { after, before, distance, type Seq } from '../../base/seq.ts';
import type { Bytes } from '../../base/units.ts';
import type { SackBlock } from '../../wire/sack.ts';
import { ChunkPool } from './chunk-pool.ts';
import { Deque } from './deque.ts';

/** Small segments are copied together: an object per byte would cost a hundred times its payload. */
const COALESCE_CHUNK = 4096;
/** What is as long as this, or waits behind so much, is copied to chunks of the pool. */
const POOLED_FROM: Bytes = 4096;
/** Most separate ranges and pieces kept out of order. Chosen: a whole 16 MiB window of 1152-byte segments fits. */
const RANGE_LIMIT = 1024;
const PIECE_LIMIT = 16_384;

/** Contiguous bytes beyond a hole. */
interface Range {
  left: Seq;
  right: Seq;
  pieces: Uint8Array[];
}

/** Bytes in order, from `from` to `to` of an array. */
interface Piece {
  readonly bytes: Uint8Array;
  from: number;
  to: number;
  /** The array goes back to the pool when it was read. */
  pooled: boolean;
}

/** What became of a segment. `filled`: in order, and a hole is gone or smaller. `extended`: beyond a known hole. */
export type Acceptance = 'in_order' | 'filled' | 'new_hole' | 'extended' | 'duplicate' | 'full';

/**
 * Puts segments in order: whatever way they are cut, every byte is delivered once. What is taken is copied, so that the
 * memory of a train is free again once it was handed over.
 */
export class ReceiveBuffer {
  /** Next byte expected. */
  next: Seq;
  /** In-order bytes that the reader has not taken. */
  unread: Bytes = 0;
  /** The part of the last segment that was not new, for the report of a duplicate. */
  readonly #ranges: Range[] = [];
  readonly #queue = new Deque<Piece>();
  readonly #pool: ChunkPool;
  #pieces = 0;
  #outOfOrderBytes: Bytes = 0;
  /** The last queued piece, when there is room behind it. */
  #filling: Piece | undefined;
  /** The ranges that the newest out-of-order segments fell into, and where the next report continues. */
  #newest: Range | undefined;
  #secondNewest: Range | undefined;
  #rotation = 0;

  constructor(next: Seq, pool = new ChunkPool()) {
    this.next = next;
    this.#pool = pool;
  }

  get hasHoles(): boolean {
    return this.#ranges.length > 0;
  }

  get outOfOrderBytes(): Bytes {
    return this.#outOfOrderBytes;
  }

  get outOfOrderPieces(): number {
    return this.#pieces;
  }

  /** `limit`: unread and out-of-order bytes together never exceed it. */
  accept(seq: Seq, payload: Uint8Array, limit: Bytes): Acceptance {
    let at = seq;
    let data = payload;
    const late = distance(this.next, at);
    if (late > 0) {
      if (late >= data.length) return 'duplicate';
      data = data.subarray(late);
      at = this.next;
    }
    const end = (at + data.length) >>> 0;
    // Compared with the position, so that what is already kept out of order is not counted twice.
    const reach = distance(end, this.next);
    if (reach <= 0 || reach + this.unread > limit) return 'full';
    if (at === this.next) return this.#acceptInOrder(data, end);
    return this.#keep(at, end, data);
  }

  /** One chunk of at most `limit` bytes, the caller's to keep. */
  read(limit: Bytes): Uint8Array | undefined {
    const first = this.#queue.front();
    if (first === undefined) return undefined;
    const length = first.to - first.from;
    const second = this.#queue.at(1);
    if (second !== undefined && length + second.to - second.from <= limit) {
      const out = new Uint8Array(Math.min(limit, this.unread));
      this.readInto(out, 0, out.length);
      return out;
    }
    const view = first.bytes.subarray(first.from, first.from + Math.min(limit, length));
    // Few bytes are not to hold a whole chunk.
    if (2 * view.length < first.bytes.length) {
      const out = view.slice();
      this.#took(first, view.length);
      return out;
    }
    first.pooled = false;
    this.#took(first, view.length);
    return view;
  }

  /** Copies at most `limit` bytes to `out` from `at` on; returns how many there were. */
  readInto(out: Uint8Array, at: number, limit: Bytes): number {
    const most = Math.min(limit, out.length - at, this.unread);
    let length = 0;
    while (length < most) {
      const { bytes, from, to } = this.#queue.front()!;
      const end = Math.min(to, from + most - length);
      out.set(bytes.subarray(from, end), at + length);
      length += end - from;
      this.#took(this.#queue.front()!, end - from);
    }
    return length;
  }

  /** The first piece was read so far. */
  #took(first: Piece, length: Bytes): void {
    this.unread -= length;
    first.from += length;
    if (first.from < first.to) return;
    this.#queue.shift();
    if (first === this.#filling) this.#filling = undefined;
    if (first.pooled) this.#pool.give(first.bytes);
  }

  /**
   * At most `limit` ranges kept beyond the holes, in ascending order: the two that changed last, the lowest, and
   * the others in turn, so that a sender learns of all of them even if acknowledgments are lost or stretched.
   */
  blocks(limit: number): SackBlock[] {
    const ranges = this.#ranges;
    if (ranges.length <= limit) return ranges.map(({ left, right }) => ({ left, right }));
    const chosen = new Set<Range>();
    if (this.#newest !== undefined) chosen.add(this.#newest);
    if (this.#secondNewest !== undefined) chosen.add(this.#secondNewest);
    if (chosen.size < limit) chosen.add(ranges[0]!);
    while (chosen.size < limit) {
      this.#rotation = (this.#rotation + 1) % ranges.length;
      chosen.add(ranges[this.#rotation]!);
    }
    return [...chosen].sort((a, b) => distance(a.left, b.left)).map(({ left, right }) => ({ left, right }));
  }

  /** Forgets everything that is not in order. */
  dropOutOfOrder(): void {
    this.#ranges.length = 0;
    this.#newest = undefined;
    this.#secondNewest = undefined;
    this.#pieces = 0;
    this.#outOfOrderBytes = 0;
  }

  clear(): void {
    this.dropOutOfOrder();
    this.#queue.clear();
    this.#filling = undefined;
    this.unread = 0;
  }

  #acceptInOrder(data: Uint8Array, end: Seq): Acceptance {
    const ranges = this.#ranges;
    if (ranges.length === 0) {
      this.#deliver(data);
      this.next = end;
      return 'in_order';
    }
    const first = ranges[0]!;
    const overlap = distance(end, first.left);
    if (overlap < 0) {
      this.#deliver(data);
      this.next = end;
      return 'filled';
    }
    this.#deliver(overlap === 0 ? data : data.subarray(0, data.length - overlap));
    this.next = first.left;
    // The segment may reach beyond what is kept: the rest of it goes through the same gate again.
    while (ranges.length > 0 && !after(ranges[0]!.left, this.next)) this.#deliverRange();
    const rest = distance(end, this.next);
    if (rest > 0) this.#acceptInOrder(data.subarray(data.length - rest), end);
    return 'filled';
  }

  #deliverRange(): void {
    const range = this.#ranges.shift()!;
    this.#forget(range);
    for (const piece of range.pieces) this.#deliver(piece);
    this.#pieces -= range.pieces.length;
    this.#outOfOrderBytes -= distance(range.right, range.left);
    this.next = range.right;
  }

  #deliver(data: Uint8Array): void {
    if (data.length === 0) return;
    this.unread += data.length;
    let at = this.#filling === undefined ? 0 : this.#fill(this.#filling, data, 0);
    while (at < data.length) {
      const rest = data.length - at;
      const pooled = this.unread >= POOLED_FROM;
      // A lone small segment has an array of its size.
      const size = this.#queue.length === 0 ? rest : Math.max(rest, COALESCE_CHUNK);
      const bytes = pooled ? this.#pool.take() : new Uint8Array(size);
      const piece: Piece = { bytes, from: 0, to: 0, pooled };
      at = this.#fill(piece, data, at);
      this.#queue.push(piece);
    }
  }

  /** Copies what fits of `data` from `at` on; returns how far it came. */
  #fill(piece: Piece, data: Uint8Array, at: number): number {
    const end = Math.min(data.length, at + piece.bytes.length - piece.to);
    piece.bytes.set(at === 0 && end === data.length ? data : data.subarray(at, end), piece.to);
    piece.to += end - at;
    this.#filling = piece.to < piece.bytes.length ? piece : undefined;
    return end;
  }

  /** Adds bytes beyond a hole. */
  #keep(left: Seq, right: Seq, data: Uint8Array): Acceptance {
    const ranges = this.#ranges;
    let index = ranges.length;
    // New data nearly always extends the last range.
    while (index > 0 && before(left, ranges[index - 1]!.left)) index--;
    const previous = index > 0 ? ranges[index - 1] : undefined;
    let from = left;
    let bytes = data;
    if (previous !== undefined && before(from, previous.right)) {
      const covered = distance(previous.right, from);
      if (covered >= bytes.length) return 'duplicate';
      bytes = bytes.subarray(covered);
      from = previous.right;
    }
    const following = ranges[index];
    const beyond = following === undefined ? 0 : distance(right, following.left);
    if (beyond > 0) {
      // What reaches into the next range is either known already or comes after it: that part is left to a later copy.
      if (beyond >= bytes.length) return 'duplicate';
      bytes = bytes.subarray(0, bytes.length - beyond);
    }
    if (this.#pieces >= PIECE_LIMIT) return 'full';
    bytes = bytes.slice();
    const end = (from + bytes.length) >>> 0;
    if (previous !== undefined && previous.right === from) {
      previous.pieces.push(bytes);
      previous.right = end;
      this.#touch(previous);
      if (following !== undefined && following.left === end) {
        for (const piece of following.pieces) previous.pieces.push(piece);
        previous.right = following.right;
        ranges.splice(index, 1);
        this.#forget(following);
      }
    } else if (following !== undefined && following.left === end) {
      following.pieces.unshift(bytes);
      following.left = from;
      this.#touch(following);
    } else {
      if (ranges.length >= RANGE_LIMIT) return 'full';
      const range: Range = { left: from, right: end, pieces: [bytes] };
      ranges.splice(index, 0, range);
      this.#touch(range);
      this.#count(bytes);
      return 'new_hole';
    }
    this.#count(bytes);
    return 'extended';
  }

  #touch(range: Range): void {
    if (range === this.#newest) return;
    this.#secondNewest = this.#newest;
    this.#newest = range;
  }

  #forget(range: Range): void {
    if (range === this.#secondNewest) this.#secondNewest = undefined;
    if (range !== this.#newest) return;
    this.#newest = this.#secondNewest;
    this.#secondNewest = undefined;
  }

  #count(piece: Uint8Array): void {
    this.#outOfOrderBytes += piece.length;
    this.#pieces++;
  }
}
