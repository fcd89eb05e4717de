/** One `Streams` whose peer is the test itself: packets are taken from it and put into it by hand. */
import { EMPTY } from '../../base/bytes.ts';
import { add } from '../../base/seq.ts';
import type { Instant, Port } from '../../base/units.ts';
import { FLAG_ACK, FLAG_SYN, type Packet } from '../../wire/packet.ts';
import type { StreamConfig } from './config.ts';
import { encodeStreamOptions } from './options.ts';
import { seededRandom } from './streams.testkit.ts';
import { type MayReceive, Streams } from './streams.ts';
import type { ConnId, StreamOutput } from './types.ts';

export const US = 1;
export const PEER = 2;
export const OUR_PORT: Port = 1000;
export const PEER_PORT: Port = 50_000;

/** Fields of a packet from the peer; the rest is what a plain stream packet has. */
export type PacketFields = Partial<Omit<Packet, 'source' | 'destination'>>;

export class Solo {
  readonly streams: Streams;
  now: Instant = 10_000;
  readonly packets: Packet[] = [];
  readonly events: Exclude<StreamOutput, { type: 'packet' }>[] = [];

  constructor(
    config: Partial<StreamConfig> = {},
    mayReceive?: MayReceive,
    seed = 1,
    isKnown: (node: number) => boolean = () => true,
  ) {
    this.streams = new Streams({
      random: seededRandom(seed),
      config,
      isKnown,
      ...(mayReceive === undefined ? {} : { mayReceive }),
    });
    this.streams.setNode(US);
  }

  /** Drains outputs. */
  settle(): void {
    for (let output = this.streams.poll(); output !== undefined; output = this.streams.poll()) {
      if (output.type === 'packet') this.packets.push(output.packet);
      else this.events.push(output);
    }
  }

  /** Packets sent since the last call. */
  take(): Packet[] {
    this.settle();
    return this.packets.splice(0);
  }

  /** Hands in a packet from the peer's port to ours and returns the answers. */
  give(fields: PacketFields, node = PEER): Packet[] {
    this.streams.handlePacket(
      {
        protocol: 1,
        flags: FLAG_ACK,
        source: { network: 0, node },
        destination: { network: 0, node: US },
        sourcePort: PEER_PORT,
        destinationPort: OUR_PORT,
        seq: 0,
        ack: 0,
        window: 512,
        payload: EMPTY,
        ...fields,
      },
      this.now,
    );
    return this.take();
  }

  /** Lets time pass, running timers at their instants; returns what was sent. */
  wait(duration: number): Packet[] {
    const until = this.now + duration;
    this.settle();
    for (
      let at = this.streams.nextTimeout();
      at !== undefined && at <= until;
      at = this.streams.nextTimeout()
    ) {
      this.now = Math.max(this.now, at);
      this.streams.handleTimeout(this.now);
      this.settle();
    }
    this.now = until;
    return this.take();
  }

  event<T extends StreamOutput['type']>(type: T): Extract<StreamOutput, { type: T }> | undefined {
    this.settle();
    return this.events.findLast((event) => event.type === type) as
      | Extract<StreamOutput, { type: T }>
      | undefined;
  }
}

/** An open stream between a `Solo` and the test. */
export interface Open {
  readonly solo: Solo;
  readonly conn: ConnId;
  /** Next byte we send, and next byte the peer sends. */
  readonly ourSeq: number;
  readonly peerSeq: number;
  give(fields: PacketFields): Packet[];
}

/** The peer has dialed us. `options`: it is one that knows the stream options. */
export function openIncoming(options = false, config: Partial<StreamConfig> = {}): Open {
  const solo = new Solo(config);
  solo.streams.listen(OUR_PORT);
  const payload = options ? encodeStreamOptions({ largestSegment: 0 }) : EMPTY;
  const [synAck] = solo.give({ flags: FLAG_SYN, seq: 0, payload });
  const ourSeq = add(synAck!.seq, 1);
  solo.give({ seq: 1, ack: ourSeq });
  const conn = solo.event('incoming')!.conn;
  return { solo, conn, ourSeq, peerSeq: 1, give: (fields) => solo.give({ seq: 1, ack: ourSeq, ...fields }) };
}

/** We have dialed the peer. */
export function openDialed(options = false, config: Partial<StreamConfig> = {}): Open {
  const solo = new Solo(config);
  const conn = solo.streams.dial({ network: 0, node: PEER }, PEER_PORT, solo.now);
  const [syn] = solo.take();
  const ourSeq = add(syn!.seq, 1);
  const ports = { sourcePort: PEER_PORT, destinationPort: syn!.sourcePort };
  const payload = options ? encodeStreamOptions({ largestSegment: 0 }) : EMPTY;
  solo.give({ ...ports, flags: FLAG_SYN | FLAG_ACK, seq: 0, ack: ourSeq, payload });
  return {
    solo,
    conn,
    ourSeq,
    peerSeq: 1,
    give: (fields) => solo.give({ ...ports, seq: 1, ack: ourSeq, ...fields }),
  };
}
