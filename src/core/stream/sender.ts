import { add, after, before, distance, type Seq } from '../../base/seq.ts';
import type { Bytes, Instant, Millis } from '../../base/units.ts';
import { looksLikeSack, type SackBlock } from '../../wire/sack.ts';
import { OLD_OUT_OF_ORDER_LIMIT, SLOT_BYTES, type StreamConfig } from './config.ts';
import { Congestion } from './congestion.ts';
import { Deque } from './deque.ts';
import { LossDetector } from './loss-detector.ts';
import type { StreamOptions } from './options.ts';
import { Pacer } from './pacer.ts';
import { RttEstimator } from './rtt-estimator.ts';
import { ACKED, IN_FLIGHT, LOST, SACKED, type Segment } from './segment.ts';
import { SendBuffer } from './send-buffer.ts';

/** A peer's delayed acknowledgment, which a lone segment has to sit out. spec/03 §5 */
const PEER_ACK_DELAY: Millis = 40;
/** First piece of a segment that a receiver would otherwise take for SACK. spec/03 §10 rule 5 */
const SACK_SAFE_LENGTH = 4;
/** How long a window of zero, which means a full queue at an old peer, is respected before one segment probes it. */
const FULL_PEER_PAUSE: Millis = 200;
/** A peer cannot make us send smaller segments than this. */
const SMALLEST_SEGMENT: Bytes = 256;
const NEVER = Number.POSITIVE_INFINITY;

/** Puts a segment on the wire. */
export type Transmit = (segment: Segment, now: Instant) => void;

/** The sending half of a stream: buffer, segments in flight, loss recovery, windows. */
export class Sender {
  readonly rtt = new RttEstimator();
  readonly congestion: Congestion;
  readonly #config: StreamConfig;
  readonly #transmit: Transmit;
  readonly #buffer = new SendBuffer();
  /** Sent and not cumulatively acknowledged, in order. */
  readonly #segments = new Deque<Segment>();
  readonly #lost = new Deque<Segment>();
  readonly #detector: LossDetector;
  readonly #pacer: Pacer;
  #mss: Bytes;
  readonly #noDelay: boolean;
  /** The peer announced the stream options: its window counts bytes and it keeps all that fits out of order. */
  #byteWindow = false;
  #established = false;

  una: Seq;
  next: Seq;
  /** Bytes believed to be on the way. */
  #pipe: Bytes = 0;
  #sackedSegments = 0;
  #buffered: Bytes = 0;
  /** With byte windows: the first sequence number that must not be sent. */
  #edge: Seq;
  /** In segments. */
  peerWindow = 1;
  #heldUntil: Instant = 0;
  /** Sequence number after the last segment that was smaller than the limit; Nagle waits for its acknowledgment. */
  #smallEnd: Seq;
  #nagleAt: Instant = NEVER;
  #recovery: Seq | undefined;
  /** Transmissions numbered from here on were sent under the current window. */
  #reducedOrder = 0;
  #roundOrder = 0;
  #limited = false;
  #limitedLastRound = false;
  #progressAt: Instant = 0;
  #backOff = 0;
  #tailProbe = false;
  #lastSentAt: Instant = 0;
  #paceAt: Instant = NEVER;
  #undoable = 0;
  #lastMarked: Bytes = 0;
  /** Covered by the last block of the same left edge, so that a repeated block costs nothing. */
  readonly #seenBlocks = new Map<Seq, Seq>();

  bytesSent: Bytes = 0;
  segmentsSent = 0;
  retransmits = 0;
  fastRetransmits = 0;
  blocksReceived = 0;
  duplicateAcks = 0;

  constructor(first: Seq, config: StreamConfig, noDelay: boolean, transmit: Transmit) {
    this.una = first;
    this.next = first;
    this.#edge = first;
    this.#smallEnd = first;
    this.#config = config;
    this.#transmit = transmit;
    this.#mss = config.mss;
    this.#noDelay = noDelay;
    this.congestion = new Congestion(this.#mss);
    this.#detector = new LossDetector(first);
    this.#pacer = new Pacer(config.pacing, this.#mss);
  }

  /** Bytes written and not acknowledged. */
  get buffered(): Bytes {
    return this.#buffered;
  }
  get unsent(): Bytes {
    return this.#buffer.length;
  }
  get inFlight(): Bytes {
    return distance(this.next, this.una);
  }
  get unacknowledged(): number {
    return this.#segments.length;
  }
  get inRecovery(): boolean {
    return this.#recovery !== undefined;
  }
  get backOff(): number {
    return this.#backOff;
  }
  /** When the oldest byte not acknowledged was first sent; undefined when nothing is outstanding. */
  get oldestSentAt(): Instant | undefined {
    return this.#segments.front()?.firstSentAt;
  }
  /** Bytes `write` may hold. */
  get limit(): Bytes {
    return Math.min(
      this.#config.maxSendBuffer,
      Math.max(this.#config.sendBuffer, Math.floor(4 * this.congestion.window)),
    );
  }

  /** The peer answered; what was written before may go. `slots`: its window. */
  establish(ack: Seq, slots: number, options: StreamOptions | undefined, now: Instant): void {
    this.#established = true;
    this.#byteWindow = options !== undefined;
    if (options !== undefined && options.largestSegment > 0) {
      this.#mss = Math.max(SMALLEST_SEGMENT, Math.min(this.#mss, options.largestSegment));
    }
    this.setWindow(ack, slots, now);
  }

  /** Takes over what was written to a sender that never sent anything. */
  inherit(other: Sender): void {
    for (let chunk = other.#buffer.peek(65_536); chunk.length > 0; chunk = other.#buffer.peek(65_536)) {
      this.#buffer.append(chunk);
      other.#buffer.drop(chunk.length);
    }
    this.#buffered = other.#buffered;
  }

  write(data: Uint8Array): number {
    const accepted = Math.max(0, Math.min(data.length, this.limit - this.#buffered));
    if (accepted === 0) return 0;
    this.#buffer.append(accepted === data.length ? data : data.subarray(0, accepted));
    this.#buffered += accepted;
    return accepted;
  }

  /** The window of an acceptable packet that is not older than the last one used. Returns true when it opened. */
  setWindow(ack: Seq, slots: number, now: Instant): boolean {
    if (this.#byteWindow) {
      const edge = add(ack, Math.max(slots, 1) * SLOT_BYTES);
      this.peerWindow = slots;
      if (!after(edge, this.#edge)) return false;
      const wasClosed = distance(this.#edge, this.next) < this.#mss;
      this.#edge = edge;
      return wasClosed && distance(edge, this.next) >= this.#mss;
    }
    if (slots === 0) this.#heldUntil = now + FULL_PEER_PAUSE;
    const opened = slots > this.peerWindow && this.#segments.length >= this.peerWindow;
    this.peerWindow = Math.max(slots, 1);
    return opened;
  }

  /**
   * Handles an acknowledgment within (una … next]. `duplicate`: the first block reports bytes received twice.
   * Returns true when it acknowledged anything new.
   */
  acknowledge(ack: Seq, blocks: readonly SackBlock[] | undefined, now: Instant): boolean {
    let fresh: Bytes = 0;
    let newest: Segment | undefined;
    const segments = this.#segments;
    for (let segment = segments.front(); segment !== undefined; segment = segments.front()) {
      if (after(segment.end, ack)) break;
      segments.shift();
      this.#buffered -= segment.length;
      if (segment.state === SACKED) this.#sackedSegments--;
      else {
        fresh += segment.length;
        newest = this.#delivered(segment, newest, now);
      }
      segment.state = ACKED;
    }
    const advanced = after(ack, this.una);
    if (advanced) this.una = ack;
    if (blocks !== undefined) {
      this.blocksReceived++;
      if (this.#reportsDuplicate(blocks, ack)) this.#spurious();
      for (const block of blocks) {
        newest = this.#markBlock(block, newest, now);
        fresh += this.#lastMarked;
      }
    } else if (!advanced && segments.length > 0) {
      this.duplicateAcks++;
    }
    if (newest !== undefined) this.#measure(newest, now);
    if (fresh > 0) {
      this.#progressAt = now;
      this.#backOff = 0;
      this.#tailProbe = false;
      if (this.#detector.deliveredOrder >= this.#roundOrder) this.#endRound();
      this.congestion.delivered(fresh, this.#limited || this.#limitedLastRound, this.rtt.smoothed, now);
      this.#setPace();
    }
    if (this.#recovery !== undefined && !before(this.una, this.#recovery)) {
      this.#recovery = undefined;
      this.#detector.recoveryEnded();
    }
    if (advanced && this.#seenBlocks.size > 0) this.#forgetBlocks();
    this.#detectLoss(now);
    return fresh > 0 || advanced;
  }

  /** Sends what windows, pace and Nagle allow. `push`: a small rest need not wait. */
  flush(now: Instant, push: boolean): void {
    if (!this.#established) return;
    this.#paceAt = NEVER;
    this.#nagleAt = this.#buffer.length === 0 ? NEVER : this.#nagleAt;
    for (;;) {
      const lost = this.#nextLost();
      if (lost === undefined && (this.#buffer.length === 0 || !this.#peerAllows(now))) return;
      const length = lost === undefined ? Math.min(this.#mss, this.#buffer.length) : lost.length;
      if (this.#pipe > 0 && this.#pipe + length > this.congestion.window) {
        this.#limited = true;
        return;
      }
      if (lost === undefined && this.#waitsForCompany(length, push, now)) return;
      if (!this.#pacer.ready(now)) {
        this.#limited = true;
        this.#paceAt = this.#pacer.readyAt();
        return;
      }
      if (lost === undefined) this.#sendNew(now);
      else this.#resend(lost, now);
    }
  }

  /** Earliest instant at which `onTimer` has work. */
  nextDeadline(): Instant {
    if (!this.#established) return NEVER;
    let at = this.#detector.dueAt;
    if (this.#paceAt < at) at = this.#paceAt;
    if (this.#nagleAt < at) at = this.#nagleAt;
    if (this.#segments.length > 0) {
      const loss = this.#timeoutAt();
      if (loss < at) at = loss;
    } else if (this.#buffer.length > 0 && this.#heldUntil < at) {
      at = this.#heldUntil;
    }
    return at;
  }

  onTimer(now: Instant): void {
    if (this.#detector.dueAt <= now) this.#detectLoss(now);
    if (this.#segments.length > 0 && this.#timeoutAt() <= now) {
      if (this.#progressAt + this.rtt.timeout(this.#backOff) <= now) this.#timeout(now);
      else this.#probeTail(now);
    }
    const push = this.#nagleAt <= now;
    if (push) this.#nagleAt = NEVER;
    this.flush(now, push);
  }

  /** The path works again: what a long back-off holds back is sent at once. */
  retryNow(now: Instant): void {
    if (this.#segments.length === 0 || this.#backOff === 0) return;
    this.#markAllLost();
    const first = this.#nextLost();
    if (first !== undefined) this.#resend(first, now);
    this.#progressAt = now;
  }

  clear(): void {
    this.#buffer.clear();
    this.#segments.clear();
    this.#lost.clear();
    this.#buffered = 0;
    this.#pipe = 0;
    this.#nagleAt = NEVER;
    this.#paceAt = NEVER;
    this.#detector.dueAt = NEVER;
  }

  #peerAllows(now: Instant): boolean {
    if (this.#byteWindow) {
      return distance(this.#edge, this.next) >= Math.min(this.#mss, this.#buffer.length);
    }
    const count = this.#segments.length;
    if (count >= this.peerWindow || this.#heldUntil > now) return false;
    // Beyond a hole an old receiver keeps 128 segments; more would be thrown away there.
    return this.#sackedSegments === 0 || count < OLD_OUT_OF_ORDER_LIMIT;
  }

  #waitsForCompany(length: Bytes, push: boolean, now: Instant): boolean {
    if (length >= this.#mss || push || this.#noDelay) return false;
    // Minshall's form: only one small segment is ever outstanding, but the tail of a large write is not held back.
    if (!after(this.#smallEnd, this.una)) return false;
    if (this.#nagleAt === NEVER) this.#nagleAt = now + this.#config.nagleDelay;
    return true;
  }

  #sendNew(now: Instant): void {
    let payload = this.#buffer.peek(this.#mss);
    if (looksLikeSack(payload, 0, payload.length)) payload = payload.subarray(0, SACK_SAFE_LENGTH);
    this.#buffer.drop(payload.length);
    if (this.#segments.length === 0) {
      this.#progressAt = now;
      if (this.#lastSentAt > 0)
        this.congestion.idle(now - this.#lastSentAt, Math.max(1000, this.rtt.timeout(0)));
    }
    const seq = this.next;
    this.next = add(seq, payload.length);
    const segment: Segment = {
      seq,
      end: this.next,
      length: payload.length,
      payload,
      state: IN_FLIGHT,
      sentAt: now,
      firstSentAt: now,
      order: 0,
      transmissions: 0,
    };
    this.#segments.push(segment);
    if (payload.length < this.#mss) {
      this.#smallEnd = this.next;
      this.#nagleAt = NEVER;
    }
    this.bytesSent += payload.length;
    this.#send(segment, now);
  }

  #resend(segment: Segment, now: Instant): void {
    segment.state = IN_FLIGHT;
    this.retransmits++;
    this.#undoable++;
    this.#send(segment, now);
  }

  #send(segment: Segment, now: Instant): void {
    this.#detector.sent(segment, now);
    this.#pipe += segment.length;
    this.#pacer.sent(segment.length);
    this.#lastSentAt = now;
    this.segmentsSent++;
    this.#transmit(segment, now);
  }

  #nextLost(): Segment | undefined {
    for (let segment = this.#lost.front(); segment !== undefined; segment = this.#lost.front()) {
      if (segment.state === LOST) {
        return segment;
      }
      this.#lost.shift();
    }
    return undefined;
  }

  #delivered(segment: Segment, newest: Segment | undefined, now: Instant): Segment {
    if (segment.state === IN_FLIGHT) this.#pipe -= segment.length;
    this.#detector.delivered(segment, now, this.rtt);
    return newest === undefined || segment.order > newest.order ? segment : newest;
  }

  #measure(newest: Segment, now: Instant): void {
    // Karn: an acknowledgment of something sent twice may belong to either.
    if (newest.transmissions !== 1) return;
    const rtt = now - newest.sentAt;
    this.rtt.sample(rtt, now);
    this.congestion.sample(rtt, this.rtt.floor);
  }

  #endRound(): void {
    this.#roundOrder = this.#detector.nextOrder;
    this.congestion.roundEnded(this.#limited, this.rtt.floor);
    this.#limitedLastRound = this.#limited;
    this.#limited = false;
  }

  #setPace(): void {
    this.#pacer.setRate(this.congestion.window, this.rtt.smoothed, this.congestion.inSlowStart);
  }

  /** Marks what a block covers; `#lastMarked` tells how many bytes that were new. */
  #markBlock(block: SackBlock, newest: Segment | undefined, now: Instant): Segment | undefined {
    this.#lastMarked = 0;
    if (!after(block.right, this.una)) return newest;
    let from = block.left;
    const seen = this.#seenBlocks.get(block.left);
    if (seen !== undefined && !after(block.right, seen)) return newest;
    if (seen !== undefined) from = seen;
    let latest = newest;
    for (let i = this.#indexOf(from); i < this.#segments.length; i++) {
      const segment = this.#segments.at(i)!;
      if (after(segment.end, block.right)) break;
      if (segment.state === SACKED) continue;
      latest = this.#delivered(segment, latest, now);
      segment.state = SACKED;
      this.#sackedSegments++;
      this.#lastMarked += segment.length;
    }
    if (this.#seenBlocks.size > 64) this.#seenBlocks.clear();
    this.#seenBlocks.set(block.left, block.right);
    return latest;
  }

  #forgetBlocks(): void {
    for (const [left, right] of this.#seenBlocks) if (!after(right, this.una)) this.#seenBlocks.delete(left);
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

  #detectLoss(now: Instant): void {
    const hasty = this.#detector.hasty(this.#recovery !== undefined, this.#sackedSegments);
    this.#detector.detect(now, this.rtt, hasty, this.#onLost);
  }

  readonly #onLost = (segment: Segment): void => {
    segment.state = LOST;
    this.#pipe -= segment.length;
    this.#lost.push(segment);
    this.fastRetransmits++;
    if (this.#recovery === undefined) {
      this.#recovery = this.next;
      this.#undoable = 0;
    }
    const firstOfFlight = segment.order >= this.#reducedOrder;
    if (this.congestion.lost(segment.length, this.inFlight, firstOfFlight, this.rtt.floor)) {
      this.#reducedOrder = this.#detector.nextOrder;
      this.#setPace();
    }
  };

  #reportsDuplicate(blocks: readonly SackBlock[], ack: Seq): boolean {
    if (!this.#byteWindow) return false;
    const first = blocks[0]!;
    if (!after(first.right, ack)) return true;
    const second = blocks[1];
    return second !== undefined && !before(first.left, second.left) && !after(first.right, second.right);
  }

  #spurious(): void {
    this.#detector.spurious();
    if (this.#undoable > 0 && --this.#undoable === 0) this.congestion.undo();
  }

  /** A tail-loss probe comes before the first timeout of an episode. RFC 8985 §7 */
  #probesTail(): boolean {
    return this.#backOff === 0 && !this.#tailProbe && this.rtt.measured && this.#nextLost() === undefined;
  }

  #timeoutAt(): Instant {
    const timeout = this.#progressAt + this.rtt.timeout(this.#backOff);
    if (!this.#probesTail()) return timeout;
    const alone = this.#segments.length === 1 ? PEER_ACK_DELAY : 0;
    const probe = Math.max(this.#progressAt, this.#lastSentAt) + Math.max(10, 2 * this.rtt.smoothed) + alone;
    return Math.min(timeout, probe);
  }

  #probeTail(now: Instant): void {
    this.#tailProbe = true;
    this.#progressAt = now;
    if (this.#buffer.length > 0 && this.#peerAllows(now)) {
      this.#sendNew(now);
      return;
    }
    for (let i = this.#segments.length - 1; i >= 0; i--) {
      const segment = this.#segments.at(i)!;
      if (segment.state === SACKED) continue;
      if (segment.state === IN_FLIGHT) this.#pipe -= segment.length;
      this.#resend(segment, now);
      return;
    }
  }

  #timeout(now: Instant): void {
    // A peer that says it has no room is not a path that loses.
    if (!this.#peerFull()) {
      this.congestion.timedOut(this.#backOff === 0);
      this.#reducedOrder = this.#detector.nextOrder;
    }
    this.#backOff++;
    this.#markAllLost();
    this.#recovery = this.next;
    this.#progressAt = now;
    this.#setPace();
    const first = this.#nextLost();
    if (first !== undefined) this.#resend(first, now);
  }

  #peerFull(): boolean {
    return this.peerWindow <= 1;
  }

  #markAllLost(): void {
    // After repeated timeouts even what was reported as received is in doubt (RFC 6675 §5.1, reneging).
    const all = this.#backOff >= 3;
    this.#lost.clear();
    this.#pipe = 0;
    for (let i = 0; i < this.#segments.length; i++) {
      const segment = this.#segments.at(i)!;
      if (segment.state === SACKED && !all) continue;
      if (segment.state === SACKED) this.#sackedSegments--;
      segment.state = LOST;
      this.#lost.push(segment);
    }
    if (all) this.#seenBlocks.clear();
  }
}
