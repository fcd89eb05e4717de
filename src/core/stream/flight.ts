import { add, after, before, type Seq } from '../../base/seq.ts';
import type { Bytes, Instant } from '../../base/units.ts';
import type { SackBlock } from '../../wire/sack.ts';
import { DeliveryRate } from './delivery-rate.ts';
import { Deque } from './deque.ts';
import { LossDetector } from './loss-detector.ts';
import type { RttEstimator } from './rtt-estimator.ts';
import { ACKED, IN_FLIGHT, LOST, SACKED, type Segment, safeLength } from './segment.ts';

/** Blocks remembered so that a repeated one costs nothing. */
const SEEN_LIMIT = 64;

/** What an acknowledgment told. */
export interface Progress {
  /** Bytes reported as received for the first time. */
  readonly fresh: Bytes;
  /** Bytes that left the send buffer. */
  readonly released: Bytes;
  /** The segment sent last among those newly reported. */
  readonly newest: Segment | undefined;
}

/** Everything sent and not cumulatively acknowledged, and what is known about it. */
export class Flight {
  readonly #segments = new Deque<Segment>();
  readonly #lost = new Deque<Segment>();
  readonly #detector: LossDetector;
  readonly #rtt: RttEstimator;
  readonly rate = new DeliveryRate();
  readonly #onLoss: (segment: Segment, now: Instant) => void;
  /** Left edge of a block to the right edge it had when it was last worked through. */
  readonly #seen = new Map<Seq, Seq>();
  /** Bytes believed to be on the way. */
  pipe: Bytes = 0;
  /** Segments the peer holds out of order. */
  sacked = 0;
  #fresh: Bytes = 0;
  #newest: Segment | undefined;

  /** `onLoss` is called for each segment found lost by what was delivered, not for those that timed out. */
  constructor(first: Seq, rtt: RttEstimator, onLoss: (segment: Segment, now: Instant) => void) {
    this.#detector = new LossDetector(first);
    this.#rtt = rtt;
    this.#onLoss = onLoss;
  }

  get length(): number {
    return this.#segments.length;
  }
  get oldest(): Segment | undefined {
    return this.#segments.front();
  }
  /** Number the next transmission gets. */
  get nextOrder(): number {
    return this.#detector.nextOrder;
  }
  /** Number of the newest transmission known to have arrived. */
  get deliveredOrder(): number {
    return this.#detector.deliveredOrder;
  }
  /** When the oldest suspect becomes a loss. */
  get lossDueAt(): Instant {
    return this.#detector.dueAt;
  }

  add(segment: Segment, now: Instant): void {
    this.#segments.push(segment);
    this.transmitted(segment, now);
  }

  /** The segment goes out, for the first time or again. */
  transmitted(segment: Segment, now: Instant): void {
    if (segment.transmissions > 0 && segment.state === IN_FLIGHT) this.pipe -= segment.length;
    segment.state = IN_FLIGHT;
    this.rate.sent(segment, this.pipe === 0, now);
    this.pipe += segment.length;
    this.#detector.sent(segment, now);
  }

  acknowledge(ack: Seq, blocks: readonly SackBlock[] | undefined, now: Instant): Progress {
    this.#fresh = 0;
    this.#newest = undefined;
    let released = 0;
    const segments = this.#segments;
    for (let segment = segments.front(); segment !== undefined; segment = segments.front()) {
      if (after(segment.end, ack)) break;
      segments.shift();
      released += segment.length;
      if (segment.state === SACKED) this.sacked--;
      else this.#delivered(segment, now);
      segment.state = ACKED;
    }
    if (blocks !== undefined) for (const block of blocks) this.#mark(block, ack, now);
    else if (released > 0 && this.#seen.size > 0) this.#forgetSeen(ack);
    return { fresh: this.#fresh, released, newest: this.#newest };
  }

  /** Finds what is lost by now. */
  detectLoss(inRecovery: boolean, now: Instant): void {
    this.#detector.detect(now, this.#rtt, this.#detector.hasty(inRecovery, this.sacked), this.#take);
  }

  /** The lost segment to repeat next. */
  nextLost(): Segment | undefined {
    for (let segment = this.#lost.front(); segment !== undefined; segment = this.#lost.front()) {
      if (segment.state === LOST) return segment;
      this.#lost.shift();
    }
    return undefined;
  }

  /** The newest segment the peer may not have. */
  lastMissing(): Segment | undefined {
    for (let i = this.#segments.length - 1; i >= 0; i--) {
      const segment = this.#segments.at(i)!;
      if (segment.state !== SACKED) return segment;
    }
    return undefined;
  }

  /** Presumes everything lost; with `reneged`, even what the peer reported as received (RFC 6675 §5.1). */
  presumeLost(reneged: boolean): void {
    this.#lost.clear();
    this.pipe = 0;
    for (let i = 0; i < this.#segments.length; i++) {
      const segment = this.#segments.at(i)!;
      if (segment.state === SACKED) {
        if (!reneged) continue;
        this.sacked--;
      }
      segment.state = LOST;
      this.#lost.push(segment);
    }
    if (reneged) this.#seen.clear();
  }

  /**
   * The path carries no more than `limit` bytes per segment: what is larger and not received counts as lost and is
   * cut again, each piece as a receiver of any cut takes it. Segments that fit stay as they are.
   */
  recut(limit: Bytes): void {
    const whole: Segment[] = [];
    for (let segment = this.#segments.shift(); segment !== undefined; segment = this.#segments.shift()) {
      whole.push(segment);
    }
    this.#lost.clear();
    for (const segment of whole) {
      if (segment.length <= limit || segment.state === SACKED) {
        this.#segments.push(segment);
        if (segment.state === LOST) this.#lost.push(segment);
        continue;
      }
      if (segment.state === IN_FLIGHT) this.pipe -= segment.length;
      segment.state = ACKED;
      for (const piece of cut(segment, limit)) {
        this.#segments.push(piece);
        this.#lost.push(piece);
      }
    }
  }

  /** A repetition turned out to be needless. */
  spurious(): void {
    this.#detector.spurious();
  }
  recoveryEnded(): void {
    this.#detector.recoveryEnded();
  }

  clear(): void {
    this.#segments.clear();
    this.#lost.clear();
    this.#seen.clear();
    this.pipe = 0;
    this.sacked = 0;
    this.#detector.dueAt = Number.POSITIVE_INFINITY;
  }

  readonly #take = (segment: Segment, now: Instant): void => {
    segment.state = LOST;
    this.pipe -= segment.length;
    this.#lost.push(segment);
    this.#onLoss(segment, now);
  };

  #delivered(segment: Segment, now: Instant): void {
    if (segment.state === IN_FLIGHT) this.pipe -= segment.length;
    this.#fresh += segment.length;
    this.rate.delivered(segment, now);
    this.#detector.delivered(segment, now, this.#rtt);
    if (this.#newest === undefined || segment.order > this.#newest.order) this.#newest = segment;
  }

  #mark(block: SackBlock, ack: Seq, now: Instant): void {
    if (!after(block.right, ack)) return;
    const seen = this.#seen.get(block.left);
    if (seen !== undefined && !after(block.right, seen)) return;
    for (let i = this.#indexOf(seen ?? block.left); i < this.#segments.length; i++) {
      const segment = this.#segments.at(i)!;
      if (after(segment.end, block.right)) break;
      if (segment.state === SACKED) continue;
      this.#delivered(segment, now);
      segment.state = SACKED;
      this.sacked++;
    }
    if (this.#seen.size >= SEEN_LIMIT) this.#forgetSeen(ack);
    if (this.#seen.size >= SEEN_LIMIT) this.#seen.clear();
    this.#seen.set(block.left, block.right);
  }

  #forgetSeen(ack: Seq): void {
    for (const [left, right] of this.#seen) if (!after(right, ack)) this.#seen.delete(left);
  }

  /** Position of the first segment at or after `seq`. */
  #indexOf(seq: Seq): number {
    let low = 0;
    let high = this.#segments.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (before(this.#segments.at(middle)!.seq, seq)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function cut(segment: Segment, limit: Bytes): Segment[] {
  const pieces: Segment[] = [];
  for (let at = 0; at < segment.length; ) {
    const length = safeLength(segment.payload, at, Math.min(limit, segment.length - at));
    const seq = add(segment.seq, at);
    const payload = segment.payload.subarray(at, at + length);
    pieces.push({ ...segment, seq, end: add(seq, length), length, payload, state: LOST });
    at += length;
  }
  return pieces;
}
