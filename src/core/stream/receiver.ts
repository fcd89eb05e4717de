import { add, distance, type Seq } from '../../base/seq.ts';
import type { Bytes, Instant, Millis } from '../../base/units.ts';
import { MAX_SACK_BLOCKS, type SackBlock } from '../../wire/sack.ts';
import type { ChunkPool } from './chunk-pool.ts';
import { SLOT_BYTES, type StreamConfig } from './config.ts';
import { ReceiveBuffer } from './receive-buffer.ts';

const NEVER = Number.POSITIVE_INFINITY;
/** Acknowledged together when a fast sender keeps several segments coming and both ends know the options. */
const STRETCH_SEGMENTS = 8;
const STRETCH_SPACING = 0.25;
const STRETCH_WAIT = 1;
/** Overshoot of a sender that tests its window before a segment and not after it. spec/03 §4 */
const OVERSHOOT: Bytes = 16 * 1024;
/**
 * An old sender resets the stream when one segment was sent eight times, so a reader that stalls would lose it. Its
 * fifth copy is accepted into this reserve instead.
 */
const STALL_RESERVE: Bytes = 1024 * 1024;
const STALL_COPIES = 5;
/** Readers work in bursts. */
const SHORTEST_MEASURE: Millis = 50;
/** A lost window update must not leave the sender to its back-off. */
const UPDATE_REPEATS = [250, 1000];

/** What the window of a stream may grow by, out of what all streams share. */
export type GrowWindow = (bytes: Bytes) => boolean;

/** When an acknowledgment is due. */
export type AckNeed = 'none' | 'now';

/** The receiving half of a stream: order, window, and when to acknowledge. */
export class Receiver {
  readonly buffer: ReceiveBuffer;
  readonly #config: StreamConfig;
  /** The peer knows the stream options: acknowledgments may be stretched and duplicates are reported. */
  readonly #options: boolean;
  readonly #grow: GrowWindow;
  /** Most bytes held for the reader. */
  limit: Bytes;
  /** Bytes read since `#measuredFrom`. */
  #measured: Bytes = 0;
  #measuredFrom: Instant = 0;
  /** Sequence number after the last byte the peer was told it may send. */
  #advertised: Seq;
  #pending = 0;
  #ackAt: Instant = NEVER;
  #ackedAt: Instant = 0;
  #largestSegment: Bytes = 0;
  #duplicate: SackBlock | undefined;
  #stalledCopies = 0;
  #updateAt: Instant = NEVER;
  #updatesSent = 0;

  bytesReceived: Bytes = 0;
  segmentsReceived = 0;

  constructor(
    first: Seq,
    config: StreamConfig,
    options: boolean,
    grow: GrowWindow,
    limit: Bytes,
    pool: ChunkPool,
  ) {
    this.buffer = new ReceiveBuffer(first, pool);
    this.#config = config;
    this.#options = options;
    this.#grow = grow;
    this.limit = limit;
    this.#advertised = first;
  }

  /** Free slots, never 0: to an old sender that would mean "no limit". spec/03 §10 rule 4 */
  get slots(): number {
    return Math.max(1, Math.min(65_535, Math.floor((this.limit - this.buffer.unread) / SLOT_BYTES)));
  }

  /** When the next delayed acknowledgment or window update is due. */
  nextDeadline(): Instant {
    return Math.min(this.#ackAt, this.#updateAt);
  }

  /** A segment with user data. */
  onData(seq: Seq, payload: Uint8Array, now: Instant): AckNeed {
    this.segmentsReceived++;
    this.#updateAt = NEVER;
    const buffer = this.buffer;
    const accepted = buffer.accept(seq, payload, this.#room(seq));
    switch (accepted) {
      case 'duplicate':
        // What is far behind is of a former stream with the same ports.
        if (this.#options && distance(this.buffer.next, seq) <= this.bytesReceived + payload.length)
          this.#duplicate = { left: seq, right: add(seq, payload.length) };
        return 'now';
      case 'full':
        return 'now';
      case 'new_hole':
      case 'filled':
        this.bytesReceived += payload.length;
        return 'now';
      case 'extended':
        this.bytesReceived += payload.length;
        this.#growForHole(seq);
        return this.#options ? this.#delay(payload.length, now, STRETCH_WAIT) : 'now';
      case 'in_order':
        this.bytesReceived += payload.length;
        this.#stalledCopies = 0;
        return this.#delay(
          payload.length,
          now,
          this.#options ? this.#config.shortAckDelay : this.#config.ackDelay,
        );
      default:
        return accepted satisfies never;
    }
  }

  /** Called for every packet sent that carries our position: later acknowledgments of the same data are spared. */
  acknowledged(slots: number, now: Instant): void {
    this.#pending = 0;
    this.#ackAt = NEVER;
    this.#ackedAt = now;
    this.#advertised = add(this.buffer.next, slots * SLOT_BYTES);
  }

  /** True when the next acknowledgment has more to tell than a position. */
  get hasBlocks(): boolean {
    return this.#duplicate !== undefined || this.buffer.hasHoles;
  }

  /** Blocks for the next acknowledgment; a duplicate received is reported once, first (RFC 2883). */
  takeBlocks(): readonly SackBlock[] {
    const duplicate = this.#duplicate;
    if (duplicate === undefined)
      return this.buffer.hasHoles ? this.buffer.blocks(MAX_SACK_BLOCKS) : NO_BLOCKS;
    this.#duplicate = undefined;
    return [duplicate, ...this.buffer.blocks(MAX_SACK_BLOCKS - 1)];
  }

  /** What is lost holds the window up, not the reader: a sender that has used half of it goes on meanwhile. */
  #growForHole(seq: Seq): void {
    const ahead = distance(seq, this.buffer.next);
    if (2 * ahead < this.limit || 4 * this.buffer.unread > this.limit) return;
    const more = Math.min(this.limit, this.#config.receiveBuffer - this.limit);
    if (more > 0 && this.#grow(more)) this.limit += more;
  }

  /**
   * The reader took bytes. A window of which it takes more than half within a round trip bounds the sender, or soon
   * will: it is doubled. So a window is as large as the path needs it, and what an unread stream can hold stays small.
   */
  taken(length: Bytes, roundTrip: Millis, now: Instant): void {
    if (now - this.#measuredFrom > Math.max(roundTrip, SHORTEST_MEASURE)) {
      this.#measuredFrom = now;
      this.#measured = 0;
    }
    this.#measured += length;
    if (this.#measured < this.limit / 2 || this.limit >= this.#config.receiveBuffer) return;
    const more = Math.min(this.limit, this.#config.receiveBuffer - this.limit);
    if (this.#grow(more)) this.limit += more;
    this.#measured = 0;
  }

  /** True when a window change is owed to a sender that asks. */
  get owesUpdate(): boolean {
    return this.slots * SLOT_BYTES > distance(this.#advertised, this.buffer.next);
  }

  /** Returns true when an acknowledgment is due now. */
  onTimer(now: Instant): boolean {
    let due = this.#ackAt <= now;
    if (this.#updateAt <= now) {
      due = true;
      this.#updatesSent++;
      this.#scheduleUpdate(now);
    }
    return due;
  }

  #scheduleUpdate(now: Instant): void {
    const wait = UPDATE_REPEATS[this.#updatesSent];
    this.#updateAt = wait === undefined ? NEVER : now + wait;
  }

  /** After a read: true when the sender should hear of the room at once. */
  takeUpdate(now: Instant): boolean {
    const told = distance(this.#advertised, this.buffer.next);
    const room = this.slots * SLOT_BYTES;
    if (told >= this.limit / 4 || room - told < this.limit / 4) return false;
    if (told <= OVERSHOOT) {
      this.#updatesSent = 0;
      this.#scheduleUpdate(now);
    }
    return true;
  }

  /** Unread and out-of-order bytes may together reach this with the segment at `seq`. */
  #room(seq: Seq): Bytes {
    const normal = this.limit + OVERSHOOT;
    if (this.#options || seq !== this.buffer.next || this.buffer.unread < this.limit) return normal;
    if (this.buffer.unread + SLOT_BYTES <= normal) return normal;
    if (++this.#stalledCopies < STALL_COPIES) return normal;
    return this.limit + STALL_RESERVE;
  }

  #delay(length: Bytes, now: Instant, longest: Millis): AckNeed {
    const config = this.#config;
    this.#pending++;
    if (length > this.#largestSegment) this.#largestSegment = length;
    if (this.#pending >= 2) {
      if (!this.#options || this.#pending >= STRETCH_SEGMENTS || now - this.#ackedAt >= STRETCH_SPACING)
        return 'now';
      this.#ackAt = Math.min(this.#ackAt, this.#ackedAt + STRETCH_WAIT);
      return 'none';
    }
    // A segment shorter than usual ends a burst: its sender may be waiting for this acknowledgment.
    const wait = length < this.#largestSegment ? Math.min(longest, config.shortAckDelay) : longest;
    this.#ackAt = Math.min(this.#ackAt, now + wait);
    return 'none';
  }
}

const NO_BLOCKS: readonly SackBlock[] = [];
