import { after, before, distance, type Seq } from '../../base/seq.ts';
import type { Bytes } from '../../base/units.ts';
import type { SackBlock } from '../../wire/sack.ts';
import { Deque } from './deque.ts';

/** Segments smaller than this are copied together: an object per byte would cost a hundred times its payload. */
const COALESCE_BELOW = 512;
const COALESCE_CHUNK = 4096;
const LARGE_CHUNK = 64 * 1024;
/** Most separate ranges and pieces kept out of order. Chosen: a whole 16 MiB window of 1152-byte segments fits. */
const RANGE_LIMIT = 1024;
const PIECE_LIMIT = 16_384;

/** Contiguous bytes beyond a hole. */
interface Range {
  left: Seq;
  right: Seq;
  pieces: Uint8Array[];
}

/** Segments of one train are views of its bytes. A reader this far behind gets copies, so that they can go. */
const COPY_ABOVE: Bytes = 128 * 1024;
/** And so does everybody where a segment is a smaller part of its train than in an honest full one. */
const MOST_HELD = 64;

/** What became of a segment. `filled`: in order, and a hole is gone or smaller. `extended`: beyond a known hole. */
export type Acceptance = 'in_order' | 'filled' | 'new_hole' | 'extended' | 'duplicate' | 'full';

/** Puts segments in order: whatever way they are cut, every byte is delivered once. */
export class ReceiveBuffer {
  /** Next byte expected. */
  next: Seq;
  /** In-order bytes that the reader has not taken. */
  unread: Bytes = 0;
  /** The part of the last segment that was not new, for the report of a duplicate. */
  readonly #ranges: Range[] = [];
  readonly #queue = new Deque<Uint8Array>();
  #pieces = 0;
  #outOfOrderBytes: Bytes = 0;
  /** Room behind the last queued chunk, when that chunk is ours to fill. */
  #shared: Uint8Array | undefined;
  #sharedFilled = 0;
  /** The ranges that the newest out-of-order segments fell into, and where the next report continues. */
  #newest: Range | undefined;
  #secondNewest: Range | undefined;
  #rotation = 0;

  constructor(next: Seq) {
    this.next = next;
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

  /** One chunk of at most `limit` bytes, made of as many queued segments as fit. */
  read(limit: Bytes): Uint8Array | undefined {
    const first = this.#queue.front();
    if (first === undefined) return undefined;
    if (first.length > limit) {
      this.#queue.setFront(first.subarray(limit));
      this.unread -= limit;
      return first.subarray(0, limit);
    }
    this.#queue.shift();
    if (this.#queue.length === 0) this.#shared = undefined;
    const second = this.#queue.front();
    if (second === undefined || first.length + second.length > limit) {
      this.unread -= first.length;
      return first;
    }
    const out = new Uint8Array(Math.min(limit, this.unread));
    out.set(first);
    let length = first.length;
    for (let chunk = this.#queue.front(); chunk !== undefined; chunk = this.#queue.front()) {
      if (length + chunk.length > out.length) break;
      out.set(chunk, length);
      length += chunk.length;
      this.#queue.shift();
    }
    if (this.#queue.length === 0) this.#shared = undefined;
    this.unread -= length;
    return length === out.length ? out : out.subarray(0, length);
  }

  /** Copies at most `limit` bytes to `out` from `at` on; returns how many there were. */
  readInto(out: Uint8Array, at: number, limit: Bytes): number {
    const most = Math.min(limit, out.length - at, this.unread);
    let length = 0;
    while (length < most) {
      const chunk = this.#queue.front()!;
      if (chunk.length > most - length) {
        out.set(chunk.subarray(0, most - length), at + length);
        this.#queue.setFront(chunk.subarray(most - length));
        length = most;
      } else {
        out.set(chunk, at + length);
        length += chunk.length;
        this.#queue.shift();
      }
    }
    if (this.#queue.length === 0) this.#shared = undefined;
    this.unread -= length;
    return length;
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
    this.#shared = undefined;
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
    const behind = this.unread > COPY_ABOVE;
    if (data.length >= COALESCE_BELOW && !behind && data.buffer.byteLength <= MOST_HELD * data.length) {
      this.#shared = undefined;
      this.#queue.push(data);
      return;
    }
    const shared = this.#shared;
    if (shared !== undefined && this.#sharedFilled + data.length <= shared.length) {
      shared.set(data, this.#sharedFilled);
      const tail = this.#queue.back()!;
      this.#sharedFilled += data.length;
      this.#queue.setBack(shared.subarray(tail.byteOffset - shared.byteOffset, this.#sharedFilled));
      return;
    }
    if (this.#queue.length === 0) {
      // A lone small segment is handed over as it is: request and response need no second chunk.
      this.#queue.push(own(data));
      return;
    }
    const chunk = new Uint8Array(Math.max(data.length, behind ? LARGE_CHUNK : COALESCE_CHUNK));
    chunk.set(data);
    this.#shared = chunk;
    this.#sharedFilled = data.length;
    this.#queue.push(chunk.subarray(0, data.length));
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
    bytes = own(bytes);
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

/** Bytes that hold no more memory than they are. */
function own(data: Uint8Array): Uint8Array {
  return data.buffer.byteLength > 2 * data.length ? data.slice() : data;
}
