import { EMPTY } from '../../base/bytes.ts';
import { add, type Seq } from '../../base/seq.ts';
import type { Bytes, Instant, Millis } from '../../base/units.ts';
import { FLAG_ACK, FLAG_SYN, type Packet } from '../../wire/packet.ts';
import { SLOT_BYTES, type StreamConfig } from './config.ts';
import { decodeStreamOptions, encodeStreamOptions, type StreamOptions } from './options.ts';
import type { PacketWriter } from './packet-writer.ts';
import type { RttEstimator } from './rtt-estimator.ts';

/** SYN again after this, doubled up to the longest: a lost SYN costs a quarter of a second, not one. */
const SYN_FIRST_WAIT: Millis = 250;
const SYN_LONGEST_WAIT: Millis = 4000;
/** Redials from another port after a stale connection answered. */
const STALE_LIMIT = 4;
/** A repeated SYN this soon after the stream was confirmed may only be late; afterwards the dialer has restarted. */
const LATE_SYN: Millis = 2000;
/** The largest round trip taken from an exchange that was repeated: it may include the loss. */
const AMBIGUOUS_LIMIT: Millis = 1000;
/** More than an old listener can have sent before its dialer first answers; a random first number is seldom below. */
const OLD_SENT_LIMIT: Bytes = 16 * 1024 * 1024;
const NEVER = Number.POSITIVE_INFINITY;

/** SYN and SYN+ACK of one stream, from either side. spec/03 §2.3, §2.4, §3 */
export class Opening {
  readonly #config: StreamConfig;
  readonly #writer: PacketWriter;
  /** Our first sequence number, and the peer's. */
  iss: Seq;
  irs: Seq = 0;
  /** What the peer announced; undefined for an old one. */
  options: StreamOptions | undefined;
  /** When the peer first acknowledged the stream; undefined for an incoming one that only SYN has reached. */
  confirmedAt: Instant | undefined;
  #sent = 0;
  #firstSentAt: Instant = 0;
  #lastSentAt: Instant = 0;
  #staleAnswers = 0;
  #againAt: Instant = NEVER;
  #giveUpAt: Instant = NEVER;

  constructor(config: StreamConfig, writer: PacketWriter, iss: Seq) {
    this.#config = config;
    this.#writer = writer;
    this.iss = iss;
  }

  // ---- dialing

  dial(timeout: Millis, now: Instant): void {
    this.#giveUpAt = now + timeout;
    this.sendSyn(now);
  }

  nextDeadline(): Instant {
    return Math.min(this.#againAt, this.#giveUpAt);
  }

  expired(now: Instant): boolean {
    return this.#giveUpAt <= now;
  }

  sendSyn(now: Instant): void {
    this.#againAt = now + Math.min(SYN_LONGEST_WAIT, SYN_FIRST_WAIT * 2 ** Math.min(this.#sent, 10));
    this.#count(now);
    const payload = this.#config.options ? encodeStreamOptions({ largestSegment: 0 }) : EMPTY;
    this.#writer.send(FLAG_SYN, this.iss, 0, this.initialSlots, payload);
  }

  get initialSlots(): number {
    return Math.max(1, Math.floor(this.#config.initialReceiveBuffer / SLOT_BYTES));
  }

  /**
   * True when a SYN+ACK answers our SYN. Without the check of ack, a stale connection at the peer would swallow data
   * unseen. The check of seq is for another fault: an old listener begins at 0 and repeats its SYN+ACK with the number
   * of the last byte it has sent meanwhile, so whoever missed the first would miss those bytes as well.
   */
  answers(synAck: Packet): boolean {
    if (synAck.ack !== add(this.iss, 1)) return false;
    return (
      synAck.seq === 0 || synAck.seq > OLD_SENT_LIMIT || decodeStreamOptions(synAck.payload) !== undefined
    );
  }

  /** Starts over with a new first sequence number; false when that was tried often enough. */
  restart(iss: Seq): boolean {
    this.iss = iss;
    this.#sent = 0;
    return ++this.#staleAnswers <= STALE_LIMIT;
  }

  opened(synAck: Packet, now: Instant): void {
    this.#againAt = NEVER;
    this.#giveUpAt = NEVER;
    this.irs = synAck.seq;
    this.confirmedAt = now;
    this.options = this.#config.options ? decodeStreamOptions(synAck.payload) : undefined;
  }

  // ---- accepting

  accept(syn: Packet): void {
    this.irs = syn.seq;
    this.options = this.#config.options ? decodeStreamOptions(syn.payload) : undefined;
  }

  sendSynAck(slots: number, now: Instant): void {
    this.#count(now);
    const payload = this.options === undefined ? EMPTY : encodeStreamOptions({ largestSegment: 0 });
    this.#writer.send(FLAG_SYN | FLAG_ACK, this.iss, add(this.irs, 1), slots, payload);
  }

  /** What a SYN for the existing stream means: a repetition to answer, a late one to ignore, or a new stream. */
  judgeSyn(syn: Packet, now: Instant): 'answer' | 'ignore' | 'new' {
    if (syn.seq !== this.irs) return 'new';
    if (this.confirmedAt === undefined) return 'answer';
    // Old dialers always begin at 0; everybody else never begins at the same number twice.
    return this.options === undefined && now - this.confirmedAt > LATE_SYN ? 'new' : 'ignore';
  }

  /** Takes the exchange for a first round trip: of a repeated one the whole, or what is left when that is too long. */
  measure(rtt: RttEstimator, now: Instant): void {
    const whole = now - this.#firstSentAt;
    rtt.guess(this.#sent === 1 || whole <= AMBIGUOUS_LIMIT ? whole : now - this.#lastSentAt, now);
  }

  #count(now: Instant): void {
    if (this.#sent++ === 0) this.#firstSentAt = now;
    this.#lastSentAt = now;
  }
}

/** Receive memory of a new stream when what all share is used up. */
export const LEAST_WINDOW: Bytes = 64 * 1024;
