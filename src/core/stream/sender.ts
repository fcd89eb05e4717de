import { add, after, before, distance, type Seq } from '../../base/seq.ts';
import type { Bytes, Instant, Millis } from '../../base/units.ts';
import type { SackBlock } from '../../wire/sack.ts';
import type { ChunkPool } from './chunk-pool.ts';
import type { StreamConfig } from './config.ts';
import { type AckSample, type CongestionController, type LossSample, newAckSample } from './congestion.ts';
import { newController } from './controllers.ts';
import { Flight } from './flight.ts';
import type { StreamManner } from './manner.ts';
import type { StreamOptions } from './options.ts';
import { Pacer } from './pacer.ts';
import { PeerWindow } from './peer-window.ts';
import { RttEstimator } from './rtt-estimator.ts';
import { IN_FLIGHT, type Segment, safeLength } from './segment.ts';
import { SendBuffer } from './send-buffer.ts';

/** The longest an acknowledgment is delayed by an old peer (spec/03 §5), and by one that knows the options. */
const OLD_ACK_DELAY: Millis = 40;
const ACK_DELAY: Millis = 10;
/** Below this a probe for the tail would race the acknowledgment. */
const SHORTEST_PROBE: Millis = 10;
/** A peer cannot make us send smaller segments than this. */
const SMALLEST_SEGMENT: Bytes = 256;
/** After so many timeouts in a row even what was reported as received is in doubt. */
const RENEGED_AFTER = 3;
/** A timer this late means that the event loop was blocked. */
const OWN_PAUSE: Millis = 30;
/** Silence before this says nothing about the window. */
const SHORTEST_IDLE: Millis = 1000;
/** Round trips below this are those of a test. */
const SHORTEST_SAMPLE: Millis = 0.01;
const NEVER = Number.POSITIVE_INFINITY;

/** After so many timeouts in a row a path is suspected to lose segments for their size, and small ones are tried. */
const SIZE_SUSPECTED_AFTER = 2;
/** How long small segments are kept to, unless the path's limit is confirmed before. */
const SIZE_SUSPECTED_FOR: Millis = 30_000;
/** Share of the send buffer that may be filled when a writer that was pushed back is called again. */
const WRITABLE_BELOW = 0.75;

/** Where segments go. */
export interface SenderWire {
  segment(segment: Segment, now: Instant): void;
  /** Segments of this size were not answered. */
  suspectSize(bytes: Bytes, now: Instant): void;
}

/** The sending half of a stream: buffer, windows, pace, and the recovery of what is lost. */
export class Sender {
  readonly rtt = new RttEstimator();
  readonly congestion: CongestionController;
  readonly #config: StreamConfig;
  readonly #wire: SenderWire;
  readonly #buffer: SendBuffer;
  readonly #flight: Flight;
  readonly #pacer: Pacer;
  readonly #noDelay: boolean;
  #mss: Bytes;
  /** What path and peer allow; `#mss` is smaller while that is in doubt. */
  #segmentLimit: Bytes;
  #largestWanted: Bytes = Number.POSITIVE_INFINITY;
  #doubtedUntil: Instant = 0;
  #established = false;

  /** Oldest byte not acknowledged. */
  una: Seq;
  /** Next byte to be sent for the first time. */
  next: Seq;
  #buffered: Bytes = 0;
  readonly #window: PeerWindow;
  /** Sequence number after the last segment below the limit; Nagle waits for its acknowledgment. */
  #smallEnd: Seq;
  #nagleAt: Instant = NEVER;
  #paceAt: Instant = NEVER;
  /** While set, losses up to here belong to one episode. */
  #recovery: Seq | undefined;
  /** An episode's first repetition goes out whatever the window says. RFC 6675 §5 (4.3) */
  #repairsFirst = false;
  /** Transmissions numbered from here on were sent under the current window. */
  #reducedOrder = 0;
  #roundOrder = 0;
  #limited = false;
  #limitedLastRound = false;
  #progressAt: Instant = 0;
  #lastSentAt: Instant = 0;
  #backOff = 0;
  /** When everything outstanding was last presumed lost. */
  #presumedLostAt: Instant = 0;
  #tailProbed = false;
  /** Repetitions since the window was last reduced that may prove needless. */
  #undoable = 0;

  readonly #ackSample: AckSample = newAckSample();
  readonly #lossSample: LossSample = { now: 0, bytes: 0, outstanding: 0, firstOfFlight: false, floor: 0 };

  bytesSent: Bytes = 0;
  segmentsSent = 0;
  retransmits = 0;
  fastRetransmits = 0;
  blocksReceived = 0;
  duplicateAcks = 0;

  constructor(first: Seq, config: StreamConfig, manner: StreamManner, wire: SenderWire, pool: ChunkPool) {
    this.una = first;
    this.next = first;
    this.#window = new PeerWindow(first);
    this.#smallEnd = first;
    this.#config = config;
    this.#wire = wire;
    this.#buffer = new SendBuffer(pool, config.mss);
    this.#mss = config.mss;
    this.#segmentLimit = config.mss;
    this.#noDelay = manner.noDelay;
    this.congestion = newController(config.congestion, manner.priority, config.mss, first);
    this.#flight = new Flight(first, this.rtt, this.#onLoss);
    this.#pacer = new Pacer(config.pacing, config.mss);
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
    return this.#flight.length;
  }
  /** Slots the peer advertised, at least 1. */
  get peerWindow(): number {
    return this.#window.slots;
  }
  get inRecovery(): boolean {
    return this.#recovery !== undefined;
  }
  /** Timeouts in a row. */
  get backOff(): number {
    return this.#backOff;
  }
  /** When the oldest byte not acknowledged was first sent; undefined when nothing is outstanding. */
  get oldestSentAt(): Instant | undefined {
    return this.#flight.oldest?.firstSentAt;
  }
  /** Bytes `write` may hold: twice what a window in recovery keeps busy. */
  get limit(): Bytes {
    const wanted = Math.max(this.#config.sendBuffer, Math.floor(4 * this.congestion.window));
    return Math.min(this.#config.maxSendBuffer, wanted);
  }

  /** True when a writer that was pushed back may go on. */
  get hasRoom(): boolean {
    return this.#buffered <= this.limit * WRITABLE_BELOW;
  }

  /** The peer answered; what was written before may go. `slots`: its window; `segmentLimit`: what the path carries. */
  establish(slots: number, options: StreamOptions | undefined, segmentLimit: Bytes, now: Instant): void {
    this.#established = true;
    this.#window.countsBytes = options !== undefined;
    if (options !== undefined) {
      if (options.largestSegment > 0) this.#largestWanted = options.largestSegment;
      this.setSegmentLimit(segmentLimit, now);
    }
    this.setWindow(this.una, slots, now);
  }

  /** Segments hold at most `bytes` from now on. An old peer's keep their boundaries, and their limit. */
  setSegmentLimit(bytes: Bytes, now: Instant): void {
    if (!this.#window.countsBytes) return;
    this.#doubtedUntil = 0;
    this.#segmentLimit = Math.max(SMALLEST_SEGMENT, Math.min(bytes, this.#largestWanted));
    this.#cutTo(this.#segmentLimit);
    this.flush(now, false);
  }

  #cutTo(mss: Bytes): void {
    const smaller = mss < this.#mss;
    this.#buffer.segment = this.#mss = mss;
    this.congestion.setSegment(mss);
    this.#pacer.setSegment(mss);
    if (smaller) this.#flight.recut(mss);
  }

  /** Takes over what was written to a sender that never sent anything. */
  inherit(other: Sender): void {
    for (let chunk = other.#buffer.peek(65_536); chunk.length > 0; chunk = other.#buffer.peek(65_536)) {
      this.#buffer.append(chunk);
      other.#buffer.drop(chunk.length);
    }
    this.#buffered = other.#buffered;
  }

  /** Returns how many bytes were taken. */
  write(data: Uint8Array, keeps = false): number {
    const accepted = Math.max(0, Math.min(data.length, this.limit - this.#buffered));
    if (accepted === 0) return 0;
    this.#buffer.append(accepted === data.length ? data : data.subarray(0, accepted), keeps);
    this.#buffered += accepted;
    return accepted;
  }

  /** The window of a packet with an acceptable ack. Returns true when it opened after holding us up. */
  setWindow(ack: Seq, slots: number, now: Instant): boolean {
    return this.#window.set(ack, slots, now);
  }

  /** Handles an ack within [una … next] and the blocks that came with it. */
  acknowledge(ack: Seq, blocks: readonly SackBlock[] | undefined, now: Instant): void {
    const advanced = after(ack, this.una);
    const { fresh, released, newest } = this.#flight.acknowledge(ack, blocks, now);
    this.#buffered -= released;
    if (released > 0) this.#buffer.acknowledged(released);
    if (advanced) this.una = ack;
    if (blocks !== undefined) {
      this.blocksReceived++;
      if (this.#window.countsBytes && reportsDuplicate(blocks, ack)) this.#onDuplicate();
    } else if (!advanced && this.#flight.length > 0) {
      this.duplicateAcks++;
    }
    const rtt = newest === undefined ? 0 : this.#measure(newest, now);
    if (fresh > 0) this.#onProgress(fresh, rtt, now);
    if (this.#recovery !== undefined && !before(this.una, this.#recovery)) {
      this.#recovery = undefined;
      this.#flight.recoveryEnded();
    }
    this.#flight.detectLoss(this.inRecovery, now);
  }

  /** Sends what windows, pace and Nagle allow. `push`: a small rest need not wait. */
  flush(now: Instant, push: boolean): void {
    if (!this.#established) return;
    this.#paceAt = NEVER;
    if (this.#buffer.length === 0) this.#nagleAt = NEVER;
    const flight = this.#flight;
    for (;;) {
      const lost = flight.nextLost();
      const length = lost === undefined ? this.#newLength(now) : lost.length;
      if (length === 0) {
        flight.rate.nothingToSend(flight.pipe);
        return;
      }
      const first = lost !== undefined && this.#repairsFirst;
      if (flight.pipe > 0 && flight.pipe + length > this.congestion.window && !first) {
        this.#limited = true;
        return;
      }
      if (lost === undefined && this.#waitsForCompany(length, push, now)) return;
      if (!this.#pacer.ready(now)) {
        this.#limited = true;
        this.#paceAt = this.#pacer.readyAt();
        return;
      }
      if (lost === undefined) this.#sendNew(length, now);
      else this.#resend(lost, now);
    }
  }

  /** Earliest instant at which `onTimer` has work. */
  nextDeadline(): Instant {
    if (!this.#established) return NEVER;
    let at = this.#flight.lossDueAt;
    if (this.#paceAt < at) at = this.#paceAt;
    if (this.#nagleAt < at) at = this.#nagleAt;
    if (this.#flight.length > 0) {
      const loss = this.#timeoutAt();
      if (loss < at) at = loss;
    } else if (this.#buffer.length > 0 && this.#window.heldUntil > 0 && this.#window.heldUntil < at) {
      at = this.#window.heldUntil;
    }
    return at;
  }

  onTimer(now: Instant): void {
    if (this.#flight.lossDueAt <= now) this.#flight.detectLoss(this.inRecovery, now);
    if (this.#flight.length > 0 && this.#timeoutAt() <= now) {
      // After a pause of our own the answers may be waiting: a probe gives them time to be read.
      const paused = now - this.#timeoutAt() > OWN_PAUSE;
      const expired = this.#progressAt + this.rtt.timeout(this.#backOff) <= now;
      if (expired && !(paused && this.#probesTail())) this.#timeout(now);
      else this.#probeTail(now);
    }
    if (this.#window.heldUntil <= now) this.#window.heldUntil = 0;
    const push = this.#nagleAt <= now;
    if (push) this.#nagleAt = NEVER;
    this.flush(now, push);
  }

  /** Repeats what is outstanding without waiting for a timer: the path or the peer's window was closed and no longer is. */
  retryNow(now: Instant): void {
    if (this.#flight.length === 0) return;
    this.#flight.presumeLost(false);
    this.#presumedLostAt = now;
    this.#progressAt = now;
    const first = this.#flight.nextLost();
    if (first !== undefined) this.#resend(first, now);
    this.flush(now, true);
  }

  clear(): void {
    this.#buffer.clear();
    this.#flight.clear();
    this.#buffered = 0;
    this.#nagleAt = NEVER;
    this.#paceAt = NEVER;
  }

  /** Bytes of the next new segment; 0 when the peer has no room for one. */
  #newLength(now: Instant): Bytes {
    const wanted = Math.min(this.#mss, this.#buffer.length);
    return this.#window.room(this.next, wanted, this.#config.mss, this.#flight, now);
  }

  #waitsForCompany(length: Bytes, push: boolean, now: Instant): boolean {
    if (length >= this.#mss || push || this.#noDelay) return false;
    // Minshall's form: only one small segment is ever outstanding, but the tail of a large write is not held back.
    if (!after(this.#smallEnd, this.una)) return false;
    if (this.#nagleAt === NEVER) this.#nagleAt = now + this.#config.nagleDelay;
    return true;
  }

  #sendNew(most: Bytes, now: Instant): void {
    let payload = this.#buffer.peek(most);
    const length = safeLength(payload, 0, payload.length);
    if (length < payload.length) payload = payload.subarray(0, length);
    this.#buffer.drop(payload.length);
    if (this.#flight.length === 0) {
      this.#progressAt = now;
      const idle = this.#lastSentAt === 0 ? 0 : now - this.#lastSentAt;
      this.congestion.idle(idle, Math.max(SHORTEST_IDLE, this.rtt.timeout(0)));
    }
    const seq = this.next;
    this.next = add(seq, payload.length);
    if (payload.length < this.#mss && this.#buffer.length === 0) {
      this.#smallEnd = this.next;
      this.#nagleAt = NEVER;
    }
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
      delivered: 0,
      deliveredAt: 0,
      firstOfSample: 0,
      limited: false,
    };
    this.bytesSent += payload.length;
    this.#flight.add(segment, now);
    this.#sent(segment, now);
  }

  #resend(segment: Segment, now: Instant): void {
    this.#repairsFirst = false;
    this.retransmits++;
    this.#undoable++;
    this.#flight.transmitted(segment, now);
    this.#sent(segment, now);
  }

  #sent(segment: Segment, now: Instant): void {
    this.#pacer.sent(segment.length);
    this.#lastSentAt = now;
    this.segmentsSent++;
    this.#wire.segment(segment, now);
  }

  /** Returns the round trip, or 0 when it is not known. */
  #measure(newest: Segment, now: Instant): Millis {
    // Karn: an acknowledgment of something sent twice may belong to either. And one of something sent before a timeout
    // may be the first to get through, not the first to be sent.
    if (newest.transmissions !== 1 || newest.sentAt < this.#presumedLostAt) return 0;
    this.rtt.sample(now - newest.sentAt, now);
    return Math.max(now - newest.sentAt, SHORTEST_SAMPLE);
  }

  #onProgress(fresh: Bytes, rtt: Millis, now: Instant): void {
    this.#progressAt = now;
    this.#backOff = 0;
    this.#tailProbed = false;
    if (this.#doubtedUntil > 0 && now >= this.#doubtedUntil) this.setSegmentLimit(this.#segmentLimit, now);
    const sample = this.#ackSample;
    const { rate } = this.#flight;
    rate.take(this.rtt.shortest / 2);
    sample.now = now;
    sample.fresh = fresh;
    sample.rtt = rtt;
    sample.floor = this.rtt.floor;
    sample.smoothed = this.rtt.smoothed;
    sample.rate = rate.rate;
    sample.rateLimited = rate.limited;
    sample.pipe = this.#flight.pipe;
    sample.roundEnded = this.#flight.deliveredOrder >= this.#roundOrder;
    sample.limited = this.#limited || this.#limitedLastRound;
    if (sample.roundEnded) {
      this.#roundOrder = this.#flight.nextOrder;
      this.#limitedLastRound = this.#limited;
      this.#limited = false;
    }
    this.congestion.acked(sample);
    this.#setPace();
  }

  #setPace(): void {
    const { smoothed } = this.rtt;
    this.#pacer.setRate(this.congestion.pace(smoothed), smoothed);
  }

  readonly #onLoss = (segment: Segment, now: Instant): void => {
    this.fastRetransmits++;
    if (this.#recovery === undefined) {
      this.#recovery = this.next;
      this.#repairsFirst = true;
      this.#undoable = 0;
    }
    const sample = this.#lossSample;
    sample.now = now;
    sample.bytes = segment.length;
    sample.outstanding = this.inFlight;
    sample.firstOfFlight = segment.order >= this.#reducedOrder;
    sample.floor = this.rtt.floor;
    if (this.congestion.lost(sample)) {
      this.#reducedOrder = this.#flight.nextOrder;
      this.#setPace();
    }
  };

  #onDuplicate(): void {
    if (this.#undoable === 0) return;
    this.#flight.spurious();
    if (--this.#undoable === 0) this.congestion.undo();
  }

  /** A tail-loss probe comes before the first timeout of an episode (RFC 8985 §7), unless the peer is merely full. */
  #probesTail(): boolean {
    return (
      this.#window.slots > 1 &&
      this.#backOff === 0 &&
      !this.#tailProbed &&
      this.rtt.measured &&
      this.#flight.nextLost() === undefined
    );
  }

  #timeoutAt(): Instant {
    const timeout = this.#progressAt + this.rtt.timeout(this.#backOff);
    if (!this.#probesTail()) return timeout;
    const delay = this.#window.countsBytes ? ACK_DELAY : OLD_ACK_DELAY;
    const wait = Math.max(SHORTEST_PROBE, 2 * this.rtt.smoothed) + delay;
    return Math.min(timeout, Math.max(this.#progressAt, this.#lastSentAt) + wait);
  }

  #probeTail(now: Instant): void {
    this.#tailProbed = true;
    this.#progressAt = now;
    const length = this.#newLength(now);
    if (length > 0) {
      this.#sendNew(length, now);
      return;
    }
    const last = this.#flight.lastMissing();
    if (last !== undefined) this.#resend(last, now);
  }

  #timeout(now: Instant): void {
    // A peer that says it has no room is not a path that loses.
    if (this.#window.slots > 1) {
      this.congestion.timedOut(this.#backOff === 0);
      this.#reducedOrder = this.#flight.nextOrder;
      this.#setPace();
    }
    this.#backOff++;
    if (this.#backOff >= SIZE_SUSPECTED_AFTER && this.#mss > this.#config.mss) {
      this.#doubtedUntil = now + SIZE_SUSPECTED_FOR;
      this.#wire.suspectSize(this.#mss, now);
      this.#cutTo(this.#config.mss);
    }
    this.#flight.presumeLost(this.#backOff > RENEGED_AFTER);
    this.#presumedLostAt = now;
    this.#recovery = this.next;
    this.#progressAt = now;
    const first = this.#flight.nextLost();
    if (first !== undefined) this.#resend(first, now);
  }
}

/** RFC 2883: a first block that is acknowledged already, or inside the second, names bytes that came twice. */
function reportsDuplicate(blocks: readonly SackBlock[], ack: Seq): boolean {
  const first = blocks[0];
  if (first === undefined) return false;
  if (!after(first.right, ack)) return true;
  const second = blocks[1];
  return second !== undefined && !before(first.left, second.left) && !after(first.right, second.right);
}
