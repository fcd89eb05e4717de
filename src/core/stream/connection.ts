import { add, after, before } from '../../base/seq.ts';
import type { Bytes, Instant, Millis } from '../../base/units.ts';
import { FLAG_ACK, FLAG_FIN, FLAG_RST, FLAG_SYN, type Packet } from '../../wire/packet.ts';
import type { SackBlock } from '../../wire/sack.ts';
import { describeConnection, streamState } from './connection-status.ts';
import { OpeningConnection } from './opening-connection.ts';
import { isCurrentReset, refuses, resetFor } from './reset.ts';
import { selectiveAck } from './selective-ack.ts';
import type { CloseReason, ConnStatus } from './types.ts';

const NEVER = Number.POSITIVE_INFINITY;
/** Silence after which a packet from the peer means that a closed path has opened. */
const NOTABLE_SILENCE: Millis = 1000;

/** One stream: how it carries and ends. spec/03 §2 to §7 */
export class Connection extends OpeningConnection {
  #timeWaitUntil: Instant = NEVER;
  /** When data last arrived. */
  #dataAt: Instant = 0;
  #verdict: CloseReason = 'finished';
  #inTrain = false;
  /** An acknowledgment is due at the end of the train. */
  #ackDue = false;

  /** What the path carries changed. */
  setSegmentLimit(bytes: Bytes, now: Instant): void {
    if (this.phase === 'open') this.sender.setSegmentLimit(bytes, now);
  }

  // ---- packets in

  onPacket(packet: Packet, now: Instant): void {
    const { flags } = packet;
    if ((flags & FLAG_SYN) !== 0) this.onSynAck(packet, now);
    else if ((flags & FLAG_FIN) !== 0) this.#onFin(packet, now);
    else if ((flags & FLAG_RST) !== 0) this.#onReset(packet, now);
    else if ((flags & FLAG_ACK) !== 0) this.#onAck(packet, now);
  }

  #onAck(packet: Packet, now: Instant): void {
    if (this.phase === 'dialing') return;
    const sender = this.sender;
    // An acknowledgment of what was never sent is another connection's: nothing of the packet can be trusted (rule 13).
    const { confirmedAt, iss } = this.opening;
    const never = after(packet.ack, this.ending.nextSeq(sender));
    if (never || (confirmedAt === undefined && !after(packet.ack, iss))) {
      // Its sender may wait for a stream that died with our former life (RFC 9293 §3.10.7.4).
      if (confirmedAt === undefined)
        this.host.output({ type: 'packet', to: packet.source.node, packet: resetFor(packet) });
      return;
    }
    const silence = this.liveness.heard(now);
    this.confirm(now);
    if (this.phase === 'time_wait') {
      if (packet.payload.length > 0 && this.orderly) this.sendAck(now);
      return;
    }
    const blocks = selectiveAck(packet.payload, sender.next, this.orderly);
    if (!before(packet.ack, sender.una)) this.#onCurrentAck(packet, blocks, silence, now);
    if (blocks === undefined) {
      if (packet.payload.length > 0) this.#onData(packet, now);
      else this.#onEmpty(packet, now);
    }
    if (this.#inTrain) return;
    sender.flush(now, this.owner.writesEnded);
    this.#afterProgress(now);
  }

  /** Packets up to `endTrain` came together. True for the first; false also where each is answered at once, as old senders need it. */
  joinTrain(): boolean {
    if (this.#inTrain || this.phase !== 'open' || !this.orderly) return false;
    this.#inTrain = true;
    return true;
  }

  endTrain(now: Instant): void {
    this.#inTrain = false;
    if (this.phase !== 'open') return;
    const sent = this.sender.segmentsSent;
    this.sender.flush(now, this.owner.writesEnded);
    const told = this.sender.segmentsSent > sent && !this.receiver!.hasBlocks;
    if (this.#ackDue && !told) this.sendAck(now);
    this.#ackDue = false;
    this.#afterProgress(now);
  }

  #onCurrentAck(
    packet: Packet,
    blocks: readonly SackBlock[] | undefined,
    silence: Millis,
    now: Instant,
  ): void {
    const sender = this.sender;
    const { una } = sender;
    const ack = after(packet.ack, sender.next) ? sender.next : packet.ack;
    const isKeepAlive = packet.window === 0 && packet.payload.length === 0 && ack === una;
    const opened = !isKeepAlive && sender.setWindow(ack, packet.window, now);
    sender.acknowledge(ack, blocks, now);
    const back = silence > NOTABLE_SILENCE && sender.peerWindow > 1;
    if (sender.backOff > 0 && (opened || back)) sender.retryNow(now);
    if (ack !== una) this.ending.dataAcknowledged(sender, now);
    if (this.ending.acknowledged(packet.ack, now) && this.ending.remote !== 'finished') {
      this.owner.finished();
    }
  }

  #onData(packet: Packet, now: Instant): void {
    if (this.ending.remote === 'finished') {
      this.sendAck(now);
      return;
    }
    this.#dataAt = now;
    const receiver = this.receiver!;
    const { buffer } = receiver;
    const need = receiver.onData(packet.seq, packet.payload, now);
    if (this.ending.dataReceived(buffer.next)) this.#endOfPeer();
    if (this.unread > 0) this.owner.readable();
    if (need !== 'now') return;
    if (this.#inTrain) this.#ackDue = true;
    else this.sendAck(now);
  }

  /** Empty ACKs need no answer, except the probes of old peers, which die of silence. spec/03 §10 rule 11 */
  #onEmpty(packet: Packet, now: Instant): void {
    const isKeepAlive = packet.window === 0 && packet.ack === this.ending.nextSeq(this.sender);
    const isProbe = isKeepAlive || (!this.orderly && this.receiver!.owesUpdate);
    if (isProbe && this.liveness.takeAnswer(now)) this.sendAck(now);
  }

  #onFin(packet: Packet, now: Instant): void {
    if (this.phase === 'dialing') return;
    this.liveness.heard(now);
    this.confirm(now);
    const ending = this.ending;
    const before = ending.remote;
    const { next } = this.receiver!.buffer;
    if (this.orderly) ending.onOrderlyFin(packet, next);
    else ending.onOldFin(packet, next, this.sender, now);
    if (this.orderly && (packet.flags & FLAG_ACK) === 0) this.sendAck(now);
    if (before !== 'finished' && ending.remote === 'finished') this.#endOfPeer();
    this.#afterProgress(now);
  }

  #onReset(packet: Packet, now: Instant): void {
    if (this.phase === 'dialing') {
      if (refuses(packet, add(this.opening.iss, 1))) this.fail('refused', now);
    } else if (this.phase === 'open' && isCurrentReset(packet, this.receiver!.buffer.next, this.orderly)) {
      this.fail(this.ending.lacksOnlyAck(this.sender) ? 'finished' : 'reset', now);
    }
  }

  #afterProgress(now: Instant): void {
    const sender = this.sender;
    this.ending.settleCut(sender, now);
    if (this.owner.wantsRoom && !this.owner.writesEnded && sender.hasRoom) this.owner.writable();
    this.finishIfDone(now);
  }

  // ---- ending

  #endOfPeer(): void {
    this.receiver!.buffer.dropOutOfOrder();
    this.owner.ended();
  }

  protected override redial(): boolean {
    return this.host.redial(this);
  }

  protected override finishIfDone(now: Instant): void {
    if (this.phase === 'open') {
      this.ending.sendFinWhenDue(this.sender, this.opening, now);
      if (this.ending.complete) this.#enterTimeWait(now);
    }
    this.#emitClosedWhenDue(now);
  }

  #enterTimeWait(now: Instant): void {
    this.phase = 'time_wait';
    this.#timeWaitUntil = now + (this.orderly ? this.config.deadAfter : this.config.timeWait);
    this.sender.clear();
    this.host.ended(this);
    this.host.lingers(this);
  }

  /** Tells the owner, once nothing is left for it to read or it has asked for nothing more. */
  #emitClosedWhenDue(now: Instant): void {
    if (this.owner.closedSent || this.phase !== 'time_wait' || this.unread > 0) return;
    if (!this.owner.closeCalled && !this.owner.endSeen && this.#verdict === 'finished') return;
    this.owner.closed(this.#verdict);
    if (now >= this.#timeWaitUntil) this.#die();
  }

  /** Forgets everything, except what the owner may still read. */
  #die(): void {
    if (this.phase === 'dialing' || this.phase === 'open') this.host.ended(this);
    this.phase = 'dead';
    this.sender.clear();
    const keeps = !this.owner.closeCalled && this.unread > 0;
    if (!keeps) this.receiver?.buffer.clear();
    this.host.remove(this, keeps);
  }

  /** Ends at once without a word to the peer. What arrived in order before stays readable for a while. */
  override fail(reason: CloseReason, now: Instant): void {
    if (this.phase === 'dead') return;
    if (this.phase === 'dialing') this.owner.dialFailed(reason);
    else this.owner.closed(reason);
    this.#timeWaitUntil = now + this.config.unreadLinger;
    this.#die();
  }

  /** Ends at once and tells the peer. */
  abort(reason: CloseReason, now: Instant): void {
    if (this.phase === 'dead') this.forget();
    if (this.phase === 'dialing' || this.phase === 'open') this.outgoing.reset(this.sender);
    if (reason === 'aborted') this.owner.closeCalled = true;
    this.fail(reason, now);
  }

  // ---- the application's side

  write(data: Uint8Array, now: Instant, keeps: boolean): number {
    const takes = this.phase === 'dialing' || (this.phase === 'open' && this.ending.local === 'open');
    if (!takes || this.owner.writesEnded) return 0;
    const accepted = this.sender.write(data, keeps);
    if (accepted < data.length) this.owner.wantsRoom = true;
    this.sender.flush(now, false);
    return accepted;
  }

  read(limit: Bytes, now: Instant): Uint8Array | undefined {
    const chunk = this.receiver?.buffer.read(limit);
    this.#afterRead(chunk?.length ?? 0, now);
    return chunk;
  }

  readInto(out: Uint8Array, at: number, limit: Bytes, now: Instant): number {
    const length = this.receiver?.buffer.readInto(out, at, limit) ?? 0;
    this.#afterRead(length, now);
    return length;
  }

  #afterRead(length: Bytes, now: Instant): void {
    const receiver = this.receiver;
    if (receiver === undefined) return;
    if (length > 0) receiver.taken(length, this.sender.rtt.smoothed, now);
    this.owner.readAt = now;
    if (length === 0 && this.ending.remote === 'finished') this.owner.endSeen = true;
    if (this.unread === 0) {
      this.owner.drained();
      if (this.phase === 'dead') this.host.remove(this, false);
      this.#emitClosedWhenDue(now);
    }
    if (this.phase === 'open' && this.ending.remote === 'open' && receiver.takeUpdate(now)) this.sendAck(now);
  }

  /** Bytes in order that the owner has not taken. */
  get unread(): Bytes {
    return this.receiver?.buffer.unread ?? 0;
  }

  get atEnd(): boolean {
    return this.ending.remote === 'finished' && this.unread === 0;
  }

  /** No more writes. FIN follows once everything written is on its way (to old peers: acknowledged). */
  close(now: Instant): void {
    if (this.owner.closeCalled) return;
    this.owner.closeCalled = true;
    this.owner.writesEnded = true;
    this.owner.readAt = now;
    if (this.ending.local === 'open') this.ending.local = 'closing';
    this.sender.flush(now, true);
    this.finishIfDone(now);
  }

  /**
   * No more writes, and FIN as with `close`, but the owner reads on for as long as the peer is there. An old peer
   * takes FIN for the end of both directions, so it gets none before `close`.
   */
  endWriting(now: Instant): void {
    if (this.owner.writesEnded) return;
    this.owner.writesEnded = true;
    if (this.phase !== 'open') return;
    this.finishWriting();
    this.sender.flush(now, true);
    this.finishIfDone(now);
  }

  /** The path to the peer works again. */
  retryNow(now: Instant): void {
    if (this.phase === 'dialing') this.opening.sendSyn(now);
    if (this.phase !== 'open') return;
    if (this.sender.backOff > 0) this.sender.retryNow(now);
    this.ending.resendFin(this.sender, now);
  }

  // ---- timers

  nextDeadline(): Instant {
    switch (this.phase) {
      case 'dialing':
        return this.opening.nextDeadline();
      case 'open':
        return Math.min(
          this.sender.nextDeadline(),
          this.receiver!.nextDeadline(),
          this.ending.nextDeadline(),
          this.#silenceDeadline(),
          this.#lingerDeadline(),
        );
      case 'time_wait':
        return this.owner.forgottenAt(this.#timeWaitUntil, this.config.unreadLinger);
      case 'dead':
        return this.unread > 0 ? this.#timeWaitUntil : NEVER;
      default:
        return this.phase satisfies never;
    }
  }

  /** To be called at or after `nextDeadline`. */
  onTimer(now: Instant): void {
    if (this.phase === 'dialing') {
      if (this.opening.expired(now)) this.fail('timeout', now);
      else this.opening.sendSyn(now);
    } else if (this.phase === 'open') {
      this.#onOpenTimer(now);
    } else this.forget();
  }

  /** Ends TIME_WAIT, and the wait for a reader. */
  forget(): void {
    this.owner.closed(this.#verdict);
    this.owner.closeCalled = true;
    this.#die();
  }

  #onOpenTimer(now: Instant): void {
    const sender = this.sender;
    if (this.receiver!.onTimer(now)) this.sendAck(now);
    if (sender.nextDeadline() <= now) sender.onTimer(now);
    if (this.ending.nextDeadline() <= now) this.#onEndingTimer(now);
    if (this.phase === 'open' && this.#silenceDeadline() <= now) this.#onSilence(now);
    if (this.phase === 'open' && this.#lingerDeadline() <= now) {
      // Our direction is delivered; what the peer still had to say is either unwanted or overdue.
      this.abort(this.unread > 0 ? 'finished' : 'timeout', now);
      return;
    }
    this.finishIfDone(now);
  }

  #onEndingTimer(now: Instant): void {
    const before = this.ending.remote;
    const outcome = this.ending.onTimer(this.sender, this.receiver!.buffer.next, this.orderly, now);
    if (before !== 'finished' && this.ending.remote === 'finished') this.#endOfPeer();
    if (outcome !== 'cut') return;
    if (this.ending.remote !== 'finished') {
      this.fail('reset', now);
      return;
    }
    // Our side of it is lost, what the peer sent is complete: that is handed over before the bad news.
    this.#verdict = 'reset';
    this.#enterTimeWait(now);
  }

  /** When silence calls for a probe or for the end. */
  #silenceDeadline(): Instant {
    const waitingSince = this.sender.oldestSentAt ?? this.ending.waitingSince;
    return this.liveness.deadline(this.opening.confirmedAt !== undefined, waitingSince);
  }

  #onSilence(now: Instant): void {
    if (
      this.liveness.judge(this.#silenceDeadline(), this.opening.confirmedAt !== undefined, now) === 'dead'
    ) {
      this.abort('timeout', now);
      return;
    }
    if (this.opening.confirmedAt === undefined) this.sendSynAck(now);
    this.outgoing.probe(this.sender);
  }

  /** When an end that nobody at this side waits for is cut short. */
  #lingerDeadline(): Instant {
    if (!this.owner.closeCalled || this.ending.local !== 'finished') return NEVER;
    if (this.unread > 0) return this.owner.readAt + this.config.unreadLinger;
    return Math.max(this.ending.finishedAt, this.#dataAt) + this.config.halfCloseTimeout;
  }

  status(): ConnStatus {
    return describeConnection(
      this.id,
      streamState(this.phase, this.ending, this.opening),
      this.ends,
      this.sender,
      this.receiver,
      this.opening,
      this.outgoing.sacksSent,
    );
  }
}
