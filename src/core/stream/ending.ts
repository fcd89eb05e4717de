import { EMPTY } from '../../base/bytes.ts';
import { add, after, before, distance, type Seq } from '../../base/seq.ts';
import type { Bytes, Instant, Millis } from '../../base/units.ts';
import { FLAG_ACK, FLAG_FIN, type Packet } from '../../wire/packet.ts';
import type { StreamConfig } from './config.ts';
import type { Opening } from './opening.ts';
import type { PacketWriter } from './packet-writer.ts';
import type { Sender } from './sender.ts';

/**
 * Our direction. `closing`: everything written is still to be sent. `cut`: an old peer finished both directions before
 * it acknowledged everything.
 */
export type LocalEnd = 'open' | 'closing' | 'fin_sent' | 'finished' | 'cut';
/** The peer's direction. `fin_early`: its FIN came before the data in front of it. */
export type RemoteEnd = 'open' | 'fin_early' | 'finished';

/** An old peer that forgot the stream doesn't answer FIN; everything was acknowledged, so it is not waited for long. */
const OLD_FIN_LIMIT: Millis = 30_000;
/** FIN is acknowledged at once; its first repetition need not wait for a timeout. */
const FIN_MARGIN: Millis = 25;
/** A FIN this far beyond what was received is another connection's. */
const FIN_REACH: Bytes = 64 * 1024 * 1024;
const NEVER = Number.POSITIVE_INFINITY;

/** FIN in both directions. spec/03 §6 and §10 rules 6 to 8 */
export class Ending {
  readonly #config: StreamConfig;
  readonly #writer: PacketWriter;
  local: LocalEnd = 'open';
  remote: RemoteEnd = 'open';
  /** When our direction was finished. */
  finishedAt: Instant = NEVER;
  #finSent = false;
  #finSeq: Seq = 0;
  #finSentAt: Instant = 0;
  #tries = 0;
  #againAt: Instant = NEVER;
  #peerFin: Seq = 0;
  #graceAt: Instant = NEVER;

  constructor(config: StreamConfig, writer: PacketWriter) {
    this.#config = config;
    this.#writer = writer;
  }

  get complete(): boolean {
    return this.local === 'finished' && this.remote === 'finished';
  }

  /** Both directions are delivered, and the peer may have forgotten the stream after its TIME_WAIT. */
  lacksOnlyAck(sender: Sender): boolean {
    return this.local === 'fin_sent' && sender.buffered === 0 && this.remote === 'finished';
  }

  /** Since when FIN goes unacknowledged. */
  get waitingSince(): Instant | undefined {
    return this.local === 'fin_sent' ? this.#finSentAt : undefined;
  }

  /** The sequence number after everything sent, which is also the highest ack that can be right. */
  nextSeq(sender: Sender): Seq {
    return this.#finSent ? add(this.#finSeq, 1) : sender.next;
  }

  /** The next sequence number expected, given the next byte expected. */
  position(next: Seq): Seq {
    return this.remote === 'finished' ? add(this.#peerFin, 1) : next;
  }

  // ---- our FIN

  /**
   * Sends FIN once it is due. An old receiver ends the stream at FIN whatever is missing in front of it, so there
   * everything has to be acknowledged first (rule 6), and an old dialer would take it for the SYN+ACK it waits for.
   */
  sendFinWhenDue(sender: Sender, { options, confirmedAt }: Opening, now: Instant): void {
    if (this.local !== 'closing' || sender.unsent > 0) return;
    if (options === undefined && (sender.buffered > 0 || confirmedAt === undefined)) return;
    this.local = 'fin_sent';
    this.#finSent = true;
    this.#finSeq = sender.next;
    this.#finSentAt = now;
    this.#sendFin(sender, now);
  }

  /** Data in front of our FIN was acknowledged: once none is left, the timer for FIN starts from now. */
  dataAcknowledged(sender: Sender, now: Instant): void {
    if (this.local !== 'fin_sent') return;
    this.#tries = 1;
    this.#armFin(sender, now);
  }

  /** Returns true when `ack` is the first to cover our FIN. */
  acknowledged(ack: Seq, now: Instant): boolean {
    if (this.local !== 'fin_sent' || ack !== add(this.#finSeq, 1)) return false;
    this.#finish(now);
    return true;
  }

  resendFin(sender: Sender, now: Instant): void {
    if (this.local === 'fin_sent') this.#sendFin(sender, now);
  }

  // ---- the peer's FIN

  /** FIN of a peer that knows the options: it counts at its place in the stream and ends one direction only. */
  onOrderlyFin(fin: Packet, next: Seq): void {
    if (this.remote !== 'open' || before(fin.seq, next) || distance(fin.seq, next) > FIN_REACH) return;
    this.#peerFin = fin.seq;
    this.remote = fin.seq === next ? 'finished' : 'fin_early';
  }

  /**
   * FIN or FIN+ACK of an old peer ends both directions: it neither takes data nor repeats any from here on. What its
   * FIN overtook may still be on the way (rule 7), and so may the acknowledgment of what we sent. Only FIN without ACK
   * is answered (rule 8).
   */
  onOldFin(fin: Packet, next: Seq, sender: Sender, now: Instant): void {
    if (this.remote === 'open') {
      this.#peerFin = fin.seq;
      this.remote = after(fin.seq, next) ? 'fin_early' : 'finished';
    }
    if (this.local === 'fin_sent') this.#finish(now);
    else if (this.local !== 'finished') {
      if (sender.buffered === 0) this.#finish(now);
      else this.local = 'cut';
    }
    const late = this.remote === 'fin_early' || this.local === 'cut';
    if (late && this.#graceAt === NEVER) this.#graceAt = now + this.#config.finGrace;
    if ((fin.flags & FLAG_ACK) === 0) {
      this.#writer.send(FLAG_FIN | FLAG_ACK, this.nextSeq(sender), add(fin.seq, 1), 0, EMPTY);
    }
  }

  /** More data is in order. Returns true when that reached the peer's FIN. */
  dataReceived(next: Seq): boolean {
    if (this.remote !== 'fin_early' || before(next, this.#peerFin)) return false;
    this.remote = 'finished';
    return true;
  }

  /** The last acknowledgment an old peer owed us came after its FIN. */
  settleCut(sender: Sender, now: Instant): void {
    if (this.local === 'cut' && sender.buffered === 0) this.#finish(now);
  }

  // ---- timers

  nextDeadline(): Instant {
    return Math.min(this.#againAt, this.#graceAt);
  }

  /** Returns `cut` when bytes of either direction are known to be lost for good. */
  onTimer(sender: Sender, next: Seq, orderly: boolean, now: Instant): 'cut' | undefined {
    if (this.#graceAt <= now) {
      this.#graceAt = NEVER;
      if (this.remote === 'fin_early' || this.local === 'cut') return 'cut';
    }
    if (this.#againAt <= now) {
      if (!orderly && now - this.#finSentAt >= OLD_FIN_LIMIT) this.#presumeFinished(next, now);
      else this.#sendFin(sender, now);
    }
    return undefined;
  }

  #presumeFinished(next: Seq, now: Instant): void {
    this.#finish(now);
    if (this.remote === 'finished') return;
    this.remote = 'finished';
    this.#peerFin = next;
  }

  #finish(now: Instant): void {
    this.local = 'finished';
    this.finishedAt = now;
    this.#againAt = NEVER;
  }

  #sendFin(sender: Sender, now: Instant): void {
    this.#tries++;
    this.#armFin(sender, now);
    this.#writer.send(FLAG_FIN, this.#finSeq, 0, 0, EMPTY);
  }

  #armFin(sender: Sender, now: Instant): void {
    // Data in front of it is repeated first; the peer could not accept FIN before that anyway.
    if (sender.buffered > 0) this.#againAt = NEVER;
    else if (this.#tries <= 1 && sender.rtt.measured)
      this.#againAt = now + 2 * sender.rtt.smoothed + FIN_MARGIN;
    else this.#againAt = now + sender.rtt.timeout(Math.max(0, this.#tries - 2));
  }
}
