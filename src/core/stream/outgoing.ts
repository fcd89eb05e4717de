import { EMPTY } from '../../base/bytes.ts';
import { add, type Seq } from '../../base/seq.ts';
import type { Bytes, Instant } from '../../base/units.ts';
import { FLAG_ACK, FLAG_RST } from '../../wire/packet.ts';
import { encodeSack } from '../../wire/sack.ts';
import type { ConnectionHost } from './connection-host.ts';
import type { Ending } from './ending.ts';
import type { PacketWriter } from './packet-writer.ts';
import type { Receiver } from './receiver.ts';
import type { Segment } from './segment.ts';
import type { Sender, SenderWire } from './sender.ts';

const PROBE_BYTE = new Uint8Array(1);

/** Packets of an open stream: each carries where the receiving half stands. */
export class Outgoing implements SenderWire {
  readonly #writer: PacketWriter;
  readonly #ending: Ending;
  readonly #host: ConnectionHost;
  /** Undefined until the stream is open. */
  receiver: Receiver | undefined;
  sacksSent = 0;

  constructor(writer: PacketWriter, ending: Ending, host: ConnectionHost) {
    this.#writer = writer;
    this.#ending = ending;
    this.#host = host;
  }

  segment(segment: Segment, now: Instant): void {
    const receiver = this.receiver!;
    const { slots } = receiver;
    receiver.acknowledged(slots, now);
    this.#writer.send(FLAG_ACK, segment.seq, this.#position, slots, segment.payload);
  }

  suspectSize(bytes: Bytes, now: Instant): void {
    this.#host.suspectSize(this.#writer.remote.node, bytes, now);
  }

  ack(sender: Sender, now: Instant): void {
    const receiver = this.receiver!;
    const blocks = receiver.takeBlocks();
    const { slots } = receiver;
    receiver.acknowledged(slots, now);
    if (blocks.length > 0) this.sacksSent++;
    const payload = blocks.length === 0 ? EMPTY : encodeSack(blocks);
    this.#writer.send(FLAG_ACK, this.#ending.nextSeq(sender), this.#position, slots, payload);
  }

  /** One byte the peer already has: old receivers discard it and acknowledge, which an empty ACK doesn't make them do. */
  probe(sender: Sender): void {
    const seq = add(this.#ending.nextSeq(sender), -1);
    this.#writer.send(FLAG_ACK, seq, this.#position, this.receiver!.slots, PROBE_BYTE);
  }

  reset(sender: Sender): void {
    const ack = this.receiver === undefined ? 0 : this.#position;
    this.#writer.send(FLAG_RST, this.#ending.nextSeq(sender), ack, 0, EMPTY);
  }

  get #position(): Seq {
    return this.#ending.position(this.receiver!.buffer.next);
  }
}
