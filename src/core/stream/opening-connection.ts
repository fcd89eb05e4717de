import type { Deadlined } from '../../base/deadline-heap.ts';
import { add } from '../../base/seq.ts';
import type { Address, Bytes, Instant, Millis, Port } from '../../base/units.ts';
import type { Packet } from '../../wire/packet.ts';
import type { StreamConfig } from './config.ts';
import type { ConnectionHost } from './connection-host.ts';
import type { Phase } from './connection-status.ts';
import { Ending } from './ending.ts';
import { Liveness } from './liveness.ts';
import type { StreamManner } from './manner.ts';
import { LEAST_WINDOW, Opening } from './opening.ts';
import { Outgoing } from './outgoing.ts';
import { OwnerSignals } from './owner-signals.ts';
import { PacketWriter } from './packet-writer.ts';
import { Receiver } from './receiver.ts';
import { resetFor } from './reset.ts';
import { Sender } from './sender.ts';
import type { CloseReason, ConnId } from './types.ts';

/** One stream: its parts, and how it opens. spec/03 §1, §2 */
export abstract class OpeningConnection implements Deadlined {
  heapIndex = -1;
  heapAt: Instant = 0;
  readonly id: ConnId;
  readonly incoming: boolean;
  /** Receive memory taken out of what all streams share. */
  reserved: Bytes = 0;
  protected readonly host: ConnectionHost;
  protected readonly config: StreamConfig;
  /** The two ends. */
  readonly ends: PacketWriter;
  protected readonly outgoing: Outgoing;
  protected readonly opening: Opening;
  protected readonly ending: Ending;
  protected readonly liveness: Liveness;
  protected readonly owner: OwnerSignals;
  readonly #manner: StreamManner;
  protected sender: Sender;
  protected receiver: Receiver | undefined;
  protected phase: Phase;

  constructor(
    host: ConnectionHost,
    id: ConnId,
    ends: { local: Address; localPort: Port; remote: Address; remotePort: Port },
    options: StreamManner & { readonly incoming: boolean },
    now: Instant,
  ) {
    this.host = host;
    this.config = host.config;
    this.id = id;
    this.incoming = options.incoming;
    this.#manner = options;
    this.phase = options.incoming ? 'open' : 'dialing';
    this.ends = new PacketWriter(ends, host.output);
    this.opening = new Opening(host.config, this.ends, host.initialSeq());
    this.ending = new Ending(host.config, this.ends);
    this.outgoing = new Outgoing(this.ends, this.ending, host);
    this.liveness = new Liveness(host.config, ends.localPort + ends.remotePort, now);
    this.owner = new OwnerSignals(id, host.output);
    this.sender = this.#newSender();
  }

  /** The peer announced the stream options, so each direction ends on its own. */
  protected get orderly(): boolean {
    return this.opening.options !== undefined;
  }

  dial(timeout: Millis, now: Instant): void {
    this.opening.dial(timeout, now);
  }

  /** Answers the SYN that made this connection. */
  accept(syn: Packet, now: Instant): void {
    this.opening.accept(syn);
    this.#openHalves(syn.window, now);
    this.sendSynAck(now);
  }

  /** A SYN for a stream that exists. Returns true when it belongs to a new one: this one is then to be dropped. */
  repeatedSyn(syn: Packet, now: Instant): boolean {
    if (!this.incoming) return false;
    const meaning = this.opening.judgeSyn(syn, now);
    if (meaning === 'answer') this.sendSynAck(now);
    return meaning === 'new';
  }

  #newSender(): Sender {
    return new Sender(add(this.opening.iss, 1), this.config, this.#manner, this.outgoing, this.host.chunks);
  }

  #openHalves(peerSlots: number, now: Instant): void {
    const wanted = this.config.initialReceiveBuffer;
    const limit = this.#grow(wanted) ? wanted : Math.min(wanted, LEAST_WINDOW);
    const first = add(this.opening.irs, 1);
    const receiver = new Receiver(first, this.config, this.orderly, this.#grow, limit, this.host.chunks);
    this.receiver = receiver;
    this.outgoing.receiver = receiver;
    const segmentLimit = this.host.segmentLimit(this.ends.remote.node);
    this.sender.establish(peerSlots, this.opening.options, segmentLimit, now);
  }

  protected finishWriting(): void {
    if (this.owner.writesEnded && this.orderly && this.ending.local === 'open') this.ending.local = 'closing';
  }

  readonly #grow = (bytes: Bytes): boolean => {
    if (!this.host.grow(bytes)) return false;
    this.reserved += bytes;
    return true;
  };

  protected sendSynAck(now: Instant): void {
    const receiver = this.receiver!;
    receiver.acknowledged(receiver.slots, now);
    this.opening.sendSynAck(receiver.slots, now);
  }

  protected onSynAck(packet: Packet, now: Instant): void {
    this.liveness.heard(now);
    if (this.phase !== 'dialing') {
      // Our ACK of it was lost, and an incoming stream at the peer waits for a sign of life.
      // With another number it is from a peer that has restarted: an answer makes it say so.
      const known = packet.seq === this.opening.irs;
      if (this.phase === 'open' && (known || (this.orderly && this.liveness.takeAnswer(now))))
        this.sendAck(now);
      return;
    }
    if (!this.opening.answers(packet)) {
      this.#startOver(packet, now);
      return;
    }
    this.phase = 'open';
    this.opening.opened(packet, now);
    this.#openHalves(packet.window, now);
    this.opening.measure(this.sender.rtt, now);
    this.owner.connected();
    const sent = this.sender.segmentsSent;
    this.finishWriting();
    this.sender.flush(now, this.owner.writesEnded);
    if (this.sender.segmentsSent === sent) this.sendAck(now);
    this.finishIfDone(now);
  }

  /** A stale connection answered in our name: it is reset, and the dial goes on from another port. spec/03 §10 rule 9 */
  #startOver(synAck: Packet, now: Instant): void {
    this.host.output({ type: 'packet', to: synAck.source.node, packet: resetFor(synAck) });
    if (!this.opening.restart(this.host.initialSeq()) || !this.redial()) {
      this.fail('refused', now);
      return;
    }
    const unsent = this.sender;
    this.sender = this.#newSender();
    this.sender.inherit(unsent);
    this.opening.sendSyn(now);
  }

  /** The peer knows of the stream now. */
  protected confirm(now: Instant): void {
    if (this.opening.confirmedAt !== undefined) return;
    this.opening.confirmedAt = now;
    // Karn: the word may answer a repetition, and the time since the first one is that of an outage.
    if (this.sender.retransmits === 0) this.opening.measure(this.sender.rtt, now);
  }

  protected sendAck(now: Instant): void {
    this.outgoing.ack(this.sender, now);
  }

  /** Ends at once without a word to the peer. */
  abstract fail(reason: CloseReason, now: Instant): void;

  protected abstract finishIfDone(now: Instant): void;

  /** Takes another local port; false when there is none. */
  protected abstract redial(): boolean;
}
