import { writeU32 } from '../../base/bytes.ts';
import type { Random } from '../../base/random.ts';
import { add, type Seq } from '../../base/seq.ts';
import type { Instant, Millis, NodeId, Port } from '../../base/units.ts';
import { FLAG_ACK, type Packet, PROTOCOL_CONTROL } from '../../wire/packet.ts';
import { EPHEMERAL_FIRST } from './config.ts';

/** Port of pings. spec/03 §8.3 */
const PING_PORT: Port = 0;
const PING_PAYLOAD = 16;
/** Pings nobody answered are forgotten after this, or when there are too many. */
const PING_LIFE: Millis = 60_000;
const PING_LIMIT = 1024;

interface Pending {
  readonly node: NodeId;
  readonly port: Port;
  readonly sentAt: Instant;
}

/** Pings and pongs. spec/03 §8.3 */
export class Control {
  readonly #random: Random;
  readonly #pending = new Map<number, Pending>();

  constructor(random: Random) {
    this.#random = random;
  }

  /** The ping to send; its seq is the token that `answer` returns. */
  ping(from: NodeId, to: NodeId, now: Instant, payload: Uint8Array | undefined): Packet {
    this.#forget(now);
    let token = this.#random.u32();
    while (token === 0 || this.#pending.has(token)) token = this.#random.u32();
    // Never port 0: the pong would go there, and old peers would answer it again, for ever.
    const port = EPHEMERAL_FIRST + this.#random.below(65_536 - EPHEMERAL_FIRST);
    this.#pending.set(token, { node: to, port, sentAt: now });
    let data = payload;
    if (data === undefined) {
      data = this.#random.bytes(PING_PAYLOAD);
      writeU32(data, 0, token);
    }
    return {
      protocol: PROTOCOL_CONTROL,
      flags: 0,
      source: { network: 0, node: from },
      destination: { network: 0, node: to },
      sourcePort: port,
      destinationPort: PING_PORT,
      seq: token,
      ack: 0,
      window: 0,
      payload: data,
    };
  }

  /** The pong to send for a packet, or undefined when it is not a ping. A pong is never answered. */
  pong(packet: Packet): Packet | undefined {
    if (packet.destinationPort !== PING_PORT || isPong(packet)) return undefined;
    return {
      protocol: PROTOCOL_CONTROL,
      flags: FLAG_ACK,
      source: packet.destination,
      destination: packet.source,
      sourcePort: PING_PORT,
      destinationPort: packet.sourcePort,
      seq: packet.seq,
      ack: add(packet.seq, 1),
      window: 0,
      payload: packet.payload,
    };
  }

  /** The round trip of one of our pings, or undefined when the packet answers none. */
  answer(packet: Packet, now: Instant): { readonly token: number; readonly rtt: Millis } | undefined {
    if (!isPong(packet)) return undefined;
    const token: Seq = packet.seq;
    const pending = this.#pending.get(token);
    if (
      pending === undefined ||
      pending.node !== packet.source.node ||
      pending.port !== packet.destinationPort
    ) {
      return undefined;
    }
    this.#pending.delete(token);
    return { token, rtt: now - pending.sentAt };
  }

  #forget(now: Instant): void {
    for (const [token, { sentAt }] of this.#pending) {
      if (this.#pending.size < PING_LIMIT && now - sentAt < PING_LIFE) return;
      this.#pending.delete(token);
    }
  }
}

function isPong(packet: Packet): boolean {
  return packet.ack === add(packet.seq, 1);
}
