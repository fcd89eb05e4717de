import { EMPTY } from '../../base/bytes.ts';
import { add, after, before, distance, type Seq } from '../../base/seq.ts';
import type { Address, Bytes, Instant, Port } from '../../base/units.ts';
import { FLAG_ACK, FLAG_FIN, FLAG_RST, FLAG_SYN, type Packet, PROTOCOL_STREAM } from '../../wire/packet.ts';
import { decodeSack, encodeSack, type SackBlock } from '../../wire/sack.ts';
import type { StreamConfig } from './config.ts';
import type { Deadlined } from './deadline-heap.ts';
import { decodeStreamOptions, encodeStreamOptions, type StreamOptions } from './options.ts';
import { Receiver } from './receiver.ts';
import type { Segment } from './segment.ts';
import { Sender } from './sender.ts';
import type { CloseReason, ConnId, ConnStatus, StreamOutput, StreamState } from './types.ts';

const NEVER = Number.POSITIVE_INFINITY;
/** SYN again after this, doubled up to the longest: a lost SYN costs a quarter of a second, not one. */
const SYN_FIRST_WAIT = 250;
const SYN_LONGEST_WAIT = 4000;
/** Redials from another port after a stale connection answered. */
const STALE_LIMIT = 4;
/** A repeated SYN this soon after the stream was confirmed may only be late; afterwards the dialer has restarted. */
const LATE_SYN = 2000;
/** An incoming stream that never answers. */
const UNCONFIRMED_PROBE = 5000;
const UNCONFIRMED_LIMIT = 60_000;
/** At most one answer to a probe. spec/03 §10 rule 11 */
const PROBE_ANSWER_SPACING = 1000;
/** An old peer that forgot the stream doesn't answer FIN; everything was acknowledged, so it is not waited for long. */
const OLD_FIN_LIMIT = 30_000;
/** How far behind what was sent a selective acknowledgment may reach before it can only be user data. */
const SACK_REACH: Bytes = 16 * 1024 * 1024;
/** Window of a stream that starts when the shared memory is used up. */
const LEAST_WINDOW: Bytes = 64 * 1024;
/** Share of the send buffer that may be filled when a writer that was pushed back is called again. */
const WRITABLE_BELOW = 0.75;
const PROBE_BYTE = new Uint8Array(1);

/** What a connection needs from the table it lives in. */
export interface ConnectionHost {
  readonly config: StreamConfig;
  output(output: StreamOutput): void;
  /** Another local port for a dial whose port is taken at the peer. */
  redial(conn: Connection): void;
  /** A random first sequence number. */
  initialSeq(): Seq;
  /** Reserves receive memory. */
  grow(bytes: Bytes): boolean;
  /** A connection no longer counts against the limits (it may still answer late packets). */
  ended(conn: Connection): void;
  /** Nothing of it is needed any more. */
  remove(conn: Connection): void;
}

type Phase = 'dialing' | 'open' | 'time_wait' | 'dead';
/** Our direction. `cut`: an old peer finished both directions before it acknowledged everything. */
type LocalEnd = 'open' | 'closing' | 'fin_sent' | 'finished' | 'cut';
/** The peer's direction. `fin_early`: its FIN came before the data in front of it. */
type RemoteEnd = 'open' | 'fin_early' | 'finished';

/** One stream: its two halves, how it opens and how it ends. spec/03 §1 to §7 */
export class Connection implements Deadlined {
  heapIndex = -1;
  heapAt: Instant = 0;
  readonly id: ConnId;
  readonly incoming: boolean;
  readonly local: Address;
  localPort: Port;
  readonly remote: Address;
  readonly remotePort: Port;
  readonly #host: ConnectionHost;
  readonly #config: StreamConfig;
  phase: Phase;
  /** Counts against the limits. */
  live = true;
  /** Receive memory taken out of what all streams share. */
  reserved: Bytes = 0;
  sender: Sender;
  receiver: Receiver | undefined;
  readonly #noDelay: boolean;
  #options: StreamOptions | undefined;
  #localEnd: LocalEnd = 'open';
  #remoteEnd: RemoteEnd = 'open';
  #iss: Seq;
  #irs: Seq = 0;
  #synSentAt: Instant;
  #syns = 0;
  #staleAnswers = 0;
  #synAt: Instant = NEVER;
  #dialDeadline: Instant = NEVER;
  /** When the peer first acknowledged the stream; undefined for an incoming one that only SYN has reached. */
  #confirmedAt: Instant | undefined;
  #heardAt: Instant;
  /** When data last arrived. */
  #dataAt: Instant = 0;
  #probedAt: Instant = 0;
  #probes = 0;
  #answeredAt: Instant = Number.NEGATIVE_INFINITY;
  #finSent = false;
  #finSeq: Seq = 0;
  #finSentAt: Instant = 0;
  #finTries = 0;
  #finAt: Instant = NEVER;
  #peerFin: Seq = 0;
  #graceAt: Instant = NEVER;
  #timeWaitUntil: Instant = NEVER;
  #halfClosedSince: Instant = NEVER;
  #closeCalled = false;
  #unreadSince: Instant = 0;
  #endSeen = false;
  #readableSignalled = false;
  #wantsWritable = false;
  #verdict: CloseReason = 'finished';
  #closedSent = false;

  constructor(
    host: ConnectionHost,
    id: ConnId,
    key: { local: Address; localPort: Port; remote: Address; remotePort: Port },
    options: { incoming: boolean; noDelay: boolean },
    now: Instant,
  ) {
    this.#host = host;
    this.#config = host.config;
    this.id = id;
    this.local = key.local;
    this.localPort = key.localPort;
    this.remote = key.remote;
    this.remotePort = key.remotePort;
    this.incoming = options.incoming;
    this.#noDelay = options.noDelay;
    this.phase = options.incoming ? 'open' : 'dialing';
    this.#iss = host.initialSeq();
    this.sender = new Sender(add(this.#iss, 1), this.#config, options.noDelay, this.#transmit);
    this.#heardAt = now;
    this.#synSentAt = now;
  }

  // ---- opening

  startDial(timeout: number, now: Instant): void {
    this.#dialDeadline = now + timeout;
    this.#sendSyn(now);
  }

  /** Answers the SYN that made this connection. */
  accept(syn: Packet, now: Instant): void {
    this.#irs = syn.seq;
    this.#options = this.#config.options ? decodeStreamOptions(syn.payload) : undefined;
    this.#openHalves(syn.window, now);
    this.#sendSynAck(now);
  }

  /** A SYN for a stream that exists. Returns true when it belongs to a new one: this one is then to be dropped. */
  repeatedSyn(syn: Packet, now: Instant): boolean {
    if (!this.incoming) return false;
    if (syn.seq !== this.#irs) return true;
    if (this.phase !== 'open') return true;
    if (this.#confirmedAt === undefined) {
      this.#sendSynAck(now);
      return false;
    }
    return now - this.#confirmedAt > LATE_SYN;
  }

  #sendSyn(now: Instant): void {
    const wait = Math.min(SYN_LONGEST_WAIT, SYN_FIRST_WAIT * 2 ** Math.min(this.#syns, 10));
    this.#syns++;
    this.#synSentAt = now;
    this.#synAt = now + wait;
    const payload = this.#config.options ? encodeStreamOptions({ largestSegment: 0 }) : EMPTY;
    this.#send(FLAG_SYN, this.#iss, 0, this.#initialSlots(), payload);
  }

  #sendSynAck(now: Instant): void {
    const receiver = this.receiver!;
    const payload = this.#options === undefined ? EMPTY : encodeStreamOptions({ largestSegment: 0 });
    this.#syns++;
    this.#synSentAt = now;
    receiver.acknowledged(now, receiver.slots);
    this.#send(FLAG_SYN | FLAG_ACK, this.#iss, add(this.#irs, 1), receiver.slots, payload);
  }

  #initialSlots(): number {
    return Math.max(1, Math.floor(this.#config.initialReceiveBuffer / 4096));
  }

  #openHalves(peerSlots: number, now: Instant): void {
    const limit = this.#grow(this.#config.initialReceiveBuffer)
      ? this.#config.initialReceiveBuffer
      : LEAST_WINDOW;
    this.receiver = new Receiver(
      add(this.#irs, 1),
      this.#config,
      this.#options !== undefined,
      this.#grow,
      limit,
    );
    this.sender.establish(this.sender.una, peerSlots, this.#options, now);
  }

  readonly #grow = (bytes: Bytes): boolean => {
    if (!this.#host.grow(bytes)) return false;
    this.reserved += bytes;
    return true;
  };

  #onSynAck(packet: Packet, now: Instant): void {
    if (this.phase !== 'dialing') {
      // Our ACK of it was lost, and an incoming stream at the peer waits for a sign of life.
      if (this.phase === 'open' && packet.seq === this.#irs) this.#sendAck(now);
      return;
    }
    if (packet.ack !== add(this.#iss, 1)) {
      // Another, stale connection answered under our name: without this check it would swallow data unseen.
      this.#sendPlainReset(packet);
      if (++this.#staleAnswers > STALE_LIMIT) {
        this.fail('refused', now);
        return;
      }
      this.#iss = this.#host.initialSeq();
      const unsent = this.sender;
      this.sender = new Sender(add(this.#iss, 1), this.#config, this.#noDelay, this.#transmit);
      this.sender.inherit(unsent);
      this.#host.redial(this);
      this.#sendSyn(now);
      return;
    }
    this.phase = 'open';
    this.#synAt = NEVER;
    this.#dialDeadline = NEVER;
    this.#irs = packet.seq;
    this.#confirmedAt = now;
    this.#options = this.#config.options ? decodeStreamOptions(packet.payload) : undefined;
    this.#openHalves(packet.window, now);
    if (this.#syns === 1) this.sender.rtt.sample(now - this.#synSentAt, now);
    this.#host.output({ type: 'connected', conn: this.id });
    const before = this.sender.segmentsSent;
    this.sender.flush(now, this.#localEnd !== 'open');
    if (this.sender.segmentsSent === before) this.#sendAck(now);
    this.#finishIfDone(now);
  }

  // ---- packets in

  onPacket(packet: Packet, now: Instant): void {
    if (this.phase === 'dead') return;
    const flags = packet.flags;
    if ((flags & FLAG_SYN) !== 0) {
      this.#heard(now);
      this.#onSynAck(packet, now);
    } else if ((flags & FLAG_FIN) !== 0) {
      this.#onFin(packet, now);
    } else if ((flags & FLAG_RST) !== 0) {
      this.#onReset(packet, now);
    } else if ((flags & FLAG_ACK) !== 0) {
      this.#onAck(packet, now);
    }
  }

  #heard(now: Instant): void {
    const silence = now - this.#heardAt;
    this.#heardAt = now;
    this.#probes = 0;
    if (silence > 1000 && this.sender.backOff > 1 && this.sender.peerWindow > 1) this.sender.retryNow(now);
  }

  #onAck(packet: Packet, now: Instant): void {
    if (this.phase === 'dialing') return;
    const sender = this.sender;
    const upper = this.#finSent ? add(this.#finSeq, 1) : sender.next;
    // An acknowledgment of what was never sent is another connection's: nothing of the packet can be trusted.
    if (after(packet.ack, upper)) return;
    this.#heard(now);
    if (this.#confirmedAt === undefined) {
      this.#confirmedAt = now;
      if (this.#syns === 1 && packet.payload.length === 0) sender.rtt.sample(now - this.#synSentAt, now);
    }
    if (this.phase === 'time_wait') {
      if (packet.payload.length > 0 && this.#options !== undefined) this.#sendAck(now);
      return;
    }
    const blocks = this.#selective(packet.payload);
    const current = !before(packet.ack, sender.una);
    if (current) {
      const ack = after(packet.ack, sender.next) ? sender.next : packet.ack;
      const keepAlive = packet.window === 0 && packet.payload.length === 0 && ack === sender.una;
      const opened = !keepAlive && sender.setWindow(ack, packet.window, now);
      sender.acknowledge(ack, blocks, now);
      if (opened && sender.backOff > 0) sender.retryNow(now);
      if (this.#finSent && packet.ack === upper) this.#finAcknowledged(now);
    }
    if (blocks === undefined) {
      if (packet.payload.length > 0) this.#onData(packet, now);
      else this.#onEmpty(packet, now);
    }
    sender.flush(now, this.#localEnd !== 'open');
    this.#afterProgress(now);
  }

  /** The SACK blocks of a payload; undefined when it is user data, even if it looks like SACK to an old peer. */
  #selective(payload: Uint8Array): SackBlock[] | undefined {
    if (payload.length < 5 || payload[0] !== 0x53) return undefined;
    const blocks = decodeSack(payload);
    if (blocks === undefined) return undefined;
    const { next } = this.sender;
    for (const { left, right } of blocks) {
      const back = distance(next, left);
      if (back < 0 || back > SACK_REACH || !after(right, left) || after(right, next)) return undefined;
    }
    return blocks;
  }

  #onData(packet: Packet, now: Instant): void {
    const receiver = this.receiver!;
    if (this.#remoteEnd === 'finished') {
      this.#sendAck(now);
      return;
    }
    this.#dataAt = now;
    const buffer = receiver.buffer;
    const need = receiver.onData(packet.seq, packet.payload, now);
    if (this.#remoteEnd === 'fin_early' && buffer.next === this.#peerFin) this.#consumeFin(now);
    if (buffer.unread > 0 && !this.#readableSignalled) this.#signalReadable(now);
    if (need === 'now') this.#sendAck(now);
  }

  /** Empty ACKs need no answer, except the probes of old peers, which die of silence. spec/03 §10 rule 11 */
  #onEmpty(packet: Packet, now: Instant): void {
    const keepAlive = packet.window === 0 && packet.ack === this.sender.next;
    if (!keepAlive && !this.receiver!.owesUpdate) return;
    if (now - this.#answeredAt < PROBE_ANSWER_SPACING) return;
    this.#answeredAt = now;
    this.#sendAck(now);
  }

  #afterProgress(now: Instant): void {
    if (
      this.#wantsWritable &&
      this.sender.buffered <= this.sender.limit * WRITABLE_BELOW &&
      this.#localEnd === 'open'
    ) {
      this.#wantsWritable = false;
      this.#host.output({ type: 'writable', conn: this.id });
    }
    if (this.#localEnd === 'cut' && this.sender.buffered === 0) this.#localEnd = 'finished';
    this.#finishIfDone(now);
  }

  // ---- ending

  /** No more writes. FIN follows once everything written is on its way (to old peers: acknowledged). */
  close(now: Instant): void {
    if (this.#closeCalled) return;
    this.#closeCalled = true;
    this.#unreadSince = now;
    if (this.#localEnd === 'open') this.#localEnd = 'closing';
    this.sender.flush(now, true);
    this.#finishIfDone(now);
  }

  #finishIfDone(now: Instant): void {
    if (this.phase === 'open' && this.#localEnd === 'closing') this.#sendFinWhenDue(now);
    const localDone = this.#localEnd === 'finished';
    if (this.phase === 'open' && localDone && this.#remoteEnd === 'finished') this.#enterTimeWait(now);
    this.#emitClosedWhenDue(now);
  }

  #sendFinWhenDue(now: Instant): void {
    if (this.sender.unsent > 0) return;
    // An old receiver ends the stream at FIN, whatever is missing in front of it. spec/03 §10 rule 6
    if (this.#options === undefined && this.sender.buffered > 0) return;
    this.#localEnd = 'fin_sent';
    this.#finSent = true;
    this.#finSeq = this.sender.next;
    this.#finSentAt = now;
    this.#sendFin(now);
  }

  #sendFin(now: Instant): void {
    this.#finAt = now + this.sender.rtt.timeout(this.#finTries);
    this.#finTries++;
    this.#send(FLAG_FIN, this.#finSeq, 0, 0, EMPTY);
  }

  #finAcknowledged(now: Instant): void {
    if (this.#localEnd !== 'fin_sent') return;
    this.#localEnd = 'finished';
    this.#finAt = NEVER;
    this.#halfClosedSince = now;
    if (this.#remoteEnd !== 'finished') this.#host.output({ type: 'finished', conn: this.id });
  }

  #onFin(packet: Packet, now: Instant): void {
    if (this.phase === 'dialing') return;
    this.#heard(now);
    if (this.#confirmedAt === undefined) this.#confirmedAt = now;
    if (this.#options !== undefined && (packet.flags & FLAG_ACK) === 0) this.#onOrderlyFin(packet, now);
    else this.#onOldFin(packet, now);
    if (this.phase === 'open') this.#finishIfDone(now);
  }

  /** FIN of a peer that knows the options: counts at its place in the stream, and ends one direction only. */
  #onOrderlyFin(packet: Packet, now: Instant): void {
    const buffer = this.receiver!.buffer;
    if (this.#remoteEnd === 'open' && !before(packet.seq, buffer.next)) {
      if (distance(packet.seq, buffer.next) > this.receiver!.limit + SACK_REACH) return;
      this.#peerFin = packet.seq;
      if (packet.seq === buffer.next) this.#consumeFin(now);
      else this.#remoteEnd = 'fin_early';
    }
    this.#sendAck(now);
  }

  /** FIN of an old peer ends both directions at once, and nothing it still had to send will come again. spec/03 §6 */
  #onOldFin(packet: Packet, now: Instant): void {
    const isAnswer = (packet.flags & FLAG_ACK) !== 0;
    if (isAnswer && this.#localEnd === 'fin_sent' && packet.ack === add(this.#finSeq, 1))
      this.#finAcknowledged(now);
    const buffer = this.receiver!.buffer;
    if (this.#remoteEnd === 'open') {
      this.#peerFin = packet.seq;
      if (after(packet.seq, buffer.next)) {
        this.#remoteEnd = 'fin_early';
        this.#graceAt = now + this.#config.finGrace;
      } else this.#consumeFin(now);
    }
    if (this.#localEnd === 'fin_sent') this.#finAcknowledged(now);
    if (this.#localEnd === 'open' || this.#localEnd === 'closing') {
      this.#localEnd = this.sender.buffered === 0 ? 'finished' : 'cut';
      if (this.#localEnd === 'cut' && this.#graceAt === NEVER) this.#graceAt = now + this.#config.finGrace;
    }
    if (!isAnswer) {
      this.#send(FLAG_FIN | FLAG_ACK, this.#nextSeq(), add(packet.seq, 1), 0, EMPTY);
    }
  }

  #consumeFin(now: Instant): void {
    this.#remoteEnd = 'finished';
    this.receiver!.buffer.dropOutOfOrder();
    this.#signalReadable(now);
  }

  /** The wait for what an old peer's FIN overtook is over. */
  #graceOver(now: Instant): void {
    this.#graceAt = NEVER;
    if (this.#remoteEnd === 'fin_early' || this.#localEnd === 'cut') {
      this.#verdict = 'reset';
      if (this.#remoteEnd === 'finished') this.#enterTimeWait(now);
      else this.fail('reset', now);
    }
    if (this.phase !== 'dead') this.#finishIfDone(now);
  }

  #enterTimeWait(now: Instant): void {
    this.phase = 'time_wait';
    this.#timeWaitUntil = now + this.#config.timeWait;
    this.sender.clear();
    this.#release();
  }

  #release(): void {
    if (!this.live) return;
    this.live = false;
    this.#host.ended(this);
  }

  /** Tells the owner, once nothing is left for it to read or it has asked for nothing more. */
  #emitClosedWhenDue(now: Instant): void {
    if (this.#closedSent || this.phase !== 'time_wait') return;
    if (this.receiver!.buffer.unread > 0) return;
    if (!this.#closeCalled && !this.#endSeen && this.#verdict === 'finished') return;
    this.#emitClosed(this.#verdict);
    if (now >= this.#timeWaitUntil) this.#die();
  }

  #emitClosed(reason: CloseReason): void {
    if (this.#closedSent) return;
    this.#closedSent = true;
    this.#host.output({ type: 'closed', conn: this.id, reason });
  }

  #die(): void {
    this.phase = 'dead';
    this.sender.clear();
    this.receiver?.buffer.clear();
    this.#release();
    this.#host.remove(this);
  }

  /** Ends at once without a word to the peer. */
  fail(reason: CloseReason, _now: Instant): void {
    if (this.phase === 'dead') return;
    if (this.phase === 'dialing') this.#host.output({ type: 'dialFailed', conn: this.id, reason });
    else this.#emitClosed(reason);
    this.#die();
  }

  /** Ends at once and tells the peer. */
  abort(reason: CloseReason, now: Instant): void {
    if (this.phase === 'dead') return;
    if (this.phase !== 'time_wait') {
      const seq = this.phase === 'dialing' ? add(this.#iss, 1) : this.#nextSeq();
      this.#send(FLAG_RST, seq, this.receiver === undefined ? 0 : this.#position(), 0, EMPTY);
    }
    this.fail(reason, now);
  }

  #onReset(packet: Packet, now: Instant): void {
    if (this.phase === 'dialing') {
      // Old peers put nothing into a reset; others acknowledge the SYN it refuses.
      if (packet.ack === 0 || packet.ack === add(this.#iss, 1)) this.fail('refused', now);
      return;
    }
    if (this.phase === 'time_wait') return;
    if (!this.#resetIsOurs(packet)) return;
    if (this.#localEnd === 'finished' && this.#remoteEnd === 'finished') return;
    this.fail('reset', now);
  }

  #resetIsOurs(packet: Packet): boolean {
    // The tunnel has authenticated the sender; the check is against a reset for a former stream of the same ports.
    if (packet.seq === 0 && packet.ack === 0) return this.#options === undefined;
    const offset = distance(packet.seq, this.receiver!.buffer.next);
    return offset >= -1 && offset <= this.receiver!.limit + SACK_REACH;
  }

  #sendPlainReset(to: Packet): void {
    this.#send(FLAG_RST, to.ack, add(to.seq, 1), 0, EMPTY);
  }

  // ---- the application's side

  write(data: Uint8Array, now: Instant): number {
    if (this.#localEnd !== 'open' || (this.phase !== 'open' && this.phase !== 'dialing')) return 0;
    const accepted = this.sender.write(data);
    if (accepted < data.length) this.#wantsWritable = true;
    if (this.phase === 'open') this.sender.flush(now, false);
    return accepted;
  }

  read(limit: Bytes, now: Instant): Uint8Array | undefined {
    const receiver = this.receiver;
    if (receiver === undefined) return undefined;
    const { chunk, update } = receiver.read(limit, now);
    this.#unreadSince = now;
    if (receiver.buffer.unread === 0) this.#readableSignalled = false;
    if (update && this.phase === 'open' && this.#remoteEnd === 'open') this.#sendAck(now);
    if (chunk === undefined && this.#remoteEnd === 'finished') this.#endSeen = true;
    if (receiver.buffer.unread === 0 && this.phase === 'time_wait') this.#emitClosedWhenDue(now);
    return chunk;
  }

  get atEnd(): boolean {
    return this.#remoteEnd === 'finished' && this.receiver!.buffer.unread === 0;
  }

  #signalReadable(now: Instant): void {
    this.#readableSignalled = true;
    if (this.receiver!.buffer.unread > 0 && this.#unreadSince === 0) this.#unreadSince = now;
    this.#host.output({ type: 'readable', conn: this.id });
  }

  /** The path to the peer works again. */
  retryNow(now: Instant): void {
    if (this.phase === 'dialing') this.#sendSyn(now);
    else if (this.phase === 'open') {
      this.sender.retryNow(now);
      if (this.#localEnd === 'fin_sent') this.#sendFin(now);
    }
  }

  // ---- timers

  nextDeadline(): Instant {
    switch (this.phase) {
      case 'dialing':
        return Math.min(this.#synAt, this.#dialDeadline);
      case 'open':
        return Math.min(
          this.sender.nextDeadline(),
          this.receiver!.nextDeadline(),
          this.#finAt,
          this.#graceAt,
          this.#quietDeadline(),
          this.#lingerDeadline(),
        );
      case 'time_wait':
        if (this.#closedSent) return this.#timeWaitUntil;
        // A reader that has not closed may take its time.
        return this.#closeCalled
          ? Math.max(this.#timeWaitUntil, this.#unreadSince + this.#config.unreadLinger)
          : NEVER;
      case 'dead':
        return NEVER;
      default:
        return this.phase satisfies never;
    }
  }

  onTimer(now: Instant): void {
    switch (this.phase) {
      case 'dialing':
        if (this.#dialDeadline <= now) this.fail('timeout', now);
        else if (this.#synAt <= now) this.#sendSyn(now);
        return;
      case 'open':
        this.#onOpenTimer(now);
        return;
      case 'time_wait':
        if (now < this.nextDeadline()) return;
        this.#emitClosed(this.#verdict);
        this.#die();
        return;
      case 'dead':
        return;
      default:
        this.phase satisfies never;
    }
  }

  #onOpenTimer(now: Instant): void {
    if (this.receiver!.onTimer(now)) this.#sendAck(now);
    if (this.sender.nextDeadline() <= now) {
      this.sender.onTimer(now);
      this.#finishIfDone(now);
    }
    if (this.phase === 'open' && this.#finAt <= now) this.#finTimer(now);
    if (this.phase === 'open' && this.#graceAt <= now) this.#graceOver(now);
    if (this.phase === 'open' && this.#quietDeadline() <= now) this.#quiet(now);
    if (this.phase === 'open' && this.#lingerDeadline() <= now) this.abort('finished', now);
  }

  #finTimer(now: Instant): void {
    if (this.#options === undefined && now - this.#finSentAt >= OLD_FIN_LIMIT) {
      this.#localEnd = 'finished';
      this.#finAt = NEVER;
      if (this.#remoteEnd !== 'finished') this.#consumeFin(now);
      this.#finishIfDone(now);
    } else this.#sendFin(now);
  }

  /** When silence calls for a probe or for the end. */
  #quietDeadline(): Instant {
    const waiting = this.#waitingSince();
    if (waiting !== undefined) return Math.max(this.#heardAt, waiting) + this.#config.deadAfter;
    if (this.#confirmedAt === undefined) {
      return Math.max(this.#heardAt, this.#probedAt) + UNCONFIRMED_PROBE;
    }
    if (this.#probes === 0) return this.#heardAt + this.#config.keepAliveAfter;
    return Math.min(this.#probedAt + this.#config.keepAliveInterval, this.#heardAt + this.#config.deadAfter);
  }

  /** Since when data or FIN goes unacknowledged. */
  #waitingSince(): Instant | undefined {
    return this.sender.oldestSentAt ?? (this.#localEnd === 'fin_sent' ? this.#finSentAt : undefined);
  }

  #quiet(now: Instant): void {
    const limit = this.#confirmedAt === undefined ? UNCONFIRMED_LIMIT : this.#config.deadAfter;
    // The sum as in the deadline: the difference can round to just below the limit, and this would never end.
    if (this.#heardAt + limit <= now) {
      this.abort('timeout', now);
      return;
    }
    this.#probes++;
    this.#probedAt = now;
    if (this.#confirmedAt === undefined) this.#sendSynAck(now);
    // One byte the peer already has: old receivers discard it and acknowledge, which an empty ACK doesn't make them do.
    this.#send(FLAG_ACK, add(this.#nextSeq(), -1), this.#position(), this.receiver!.slots, PROBE_BYTE);
  }

  /** When an end that nobody at this side waits for is cut short. */
  #lingerDeadline(): Instant {
    if (!this.#closeCalled || this.#localEnd !== 'finished') return NEVER;
    if (this.receiver!.buffer.unread > 0) return this.#unreadSince + this.#config.unreadLinger;
    return Math.max(this.#halfClosedSince, this.#dataAt) + this.#config.halfCloseTimeout;
  }

  // ---- packets out

  readonly #transmit = (segment: Segment, now: Instant): void => {
    const receiver = this.receiver!;
    const { slots } = receiver;
    receiver.acknowledged(now, slots);
    this.#send(FLAG_ACK, segment.seq, this.#position(), slots, segment.payload);
  };

  #sendAck(now: Instant): void {
    const receiver = this.receiver!;
    const blocks = receiver.takeBlocks();
    const { slots } = receiver;
    receiver.acknowledged(now, slots);
    if (blocks.length > 0) this.sacksSent++;
    this.#send(
      FLAG_ACK,
      this.#nextSeq(),
      this.#position(),
      slots,
      blocks.length === 0 ? EMPTY : encodeSack(blocks),
    );
  }

  /** The sequence number after everything sent. */
  #nextSeq(): Seq {
    return this.#finSent ? add(this.#finSeq, 1) : this.sender.next;
  }

  /** The next sequence number expected. */
  #position(): Seq {
    const { next } = this.receiver!.buffer;
    return this.#remoteEnd === 'finished' ? add(this.#peerFin, 1) : next;
  }

  #send(flags: number, seq: Seq, ack: Seq, window: number, payload: Uint8Array): void {
    this.#host.output({
      type: 'packet',
      to: this.remote.node,
      packet: {
        protocol: PROTOCOL_STREAM,
        flags,
        source: this.local,
        destination: this.remote,
        sourcePort: this.localPort,
        destinationPort: this.remotePort,
        seq,
        ack,
        window,
        payload,
      },
    });
  }

  // ---- status

  sacksSent = 0;

  get state(): StreamState {
    if (this.phase === 'dialing') return 'SYN_SENT';
    if (this.phase === 'time_wait') return 'TIME_WAIT';
    if (this.phase === 'dead') return 'CLOSED';
    if (this.#remoteEnd === 'finished' && this.#localEnd === 'open') return 'CLOSE_WAIT';
    if (this.#localEnd !== 'open') return 'FIN_WAIT';
    return this.#confirmedAt === undefined ? 'SYN_RECV' : 'ESTABLISHED';
  }

  status(): ConnStatus {
    const { sender, receiver } = this;
    return {
      id: this.id,
      localPort: this.localPort,
      remote: this.remote,
      remotePort: this.remotePort,
      state: this.state,
      congestionWindow: Math.round(sender.congestion.window),
      slowStartThreshold: Number.isFinite(sender.congestion.threshold)
        ? Math.round(sender.congestion.threshold)
        : 0,
      inFlight: sender.inFlight,
      smoothedRtt: sender.rtt.smoothed,
      rttVariance: sender.rtt.variance,
      unacknowledged: sender.unacknowledged,
      outOfOrder: receiver?.buffer.outOfOrderPieces ?? 0,
      peerWindow: sender.peerWindow,
      receiveWindow: receiver?.slots ?? this.#initialSlots(),
      inRecovery: sender.inRecovery,
      bytesSent: sender.bytesSent,
      bytesReceived: receiver?.bytesReceived ?? 0,
      segmentsSent: sender.segmentsSent,
      segmentsReceived: receiver?.segmentsReceived ?? 0,
      retransmits: sender.retransmits,
      fastRetransmits: sender.fastRetransmits,
      sackReceived: sender.blocksReceived,
      sackSent: this.sacksSent,
      duplicateAcks: sender.duplicateAcks,
    };
  }
}
