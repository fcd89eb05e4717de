import { toHex } from '../../base/bytes.ts';
import type { Random } from '../../base/random.ts';
import type { Instant, Millis, NodeId } from '../../base/units.ts';
import { encodePacket, FLAG_ACK, type Packet, PROTOCOL_CONTROL } from '../../wire/packet.ts';
import type { Path } from '../path/path.ts';
import { MAX_PROBES, PROBE_LIFETIME } from './constants.ts';

const TOKEN_LENGTH = 8;

/** True for control packets that ask for an answer. A pong (ack = seq + 1) never does. spec/03 §8.3 */
export function isPing(packet: Packet): boolean {
  return packet.protocol === PROTOCOL_CONTROL && packet.destinationPort === 0 && !isPong(packet);
}

export function isPong(packet: Packet): boolean {
  return packet.protocol === PROTOCOL_CONTROL && packet.ack === (packet.seq + 1) >>> 0;
}

/** The answer to a ping: addresses swapped, payload echoed unless another is given. spec/03 §8.3 */
export function pongTo(ping: Packet, payload = ping.payload): Uint8Array {
  return encodePacket({
    protocol: PROTOCOL_CONTROL,
    flags: FLAG_ACK,
    source: ping.destination,
    destination: ping.source,
    sourcePort: 0,
    destinationPort: ping.sourcePort,
    seq: ping.seq,
    ack: (ping.seq + 1) >>> 0,
    window: 0,
    payload,
  });
}

/** A control packet to port 0 with a payload of our own: to old peers a ping like any other. */
export function controlPacket(from: NodeId, to: NodeId, random: Random, payload: Uint8Array): Uint8Array {
  return encodePacket({
    protocol: PROTOCOL_CONTROL,
    flags: 0,
    source: { network: 0, node: from },
    destination: { network: 0, node: to },
    sourcePort: 49_152 + random.below(16_384),
    destinationPort: 0,
    seq: random.u32(),
    ack: 0,
    window: 0,
    payload,
  });
}

/** Our pings to one peer, each tied to the path it left by: the answer proves that path, whichever way it comes. */
export class Probes {
  readonly #random: Random;
  readonly #waiting = new Map<string, { readonly path: Path; readonly sentAt: Instant }>();

  constructor(random: Random) {
    this.#random = random;
  }

  /** An encoded ping for `path`. */
  ping(from: NodeId, to: NodeId, path: Path, now: Instant): Uint8Array {
    const token = this.#random.bytes(TOKEN_LENGTH);
    if (this.#waiting.size >= MAX_PROBES) {
      for (const oldest of this.#waiting.keys()) {
        this.#waiting.delete(oldest);
        break;
      }
    }
    this.#waiting.set(toHex(token), { path, sentAt: now });
    return controlPacket(from, to, this.#random, token);
  }

  /** The path a pong proves, and its round trip; undefined when we did not ask. */
  answer(pong: Packet, now: Instant): { path: Path; rtt: Millis } | undefined {
    if (pong.payload.length !== TOKEN_LENGTH) return undefined;
    const token = toHex(pong.payload);
    const probe = this.#waiting.get(token);
    if (probe === undefined) return undefined;
    this.#waiting.delete(token);
    const rtt = now - probe.sentAt;
    return rtt > PROBE_LIFETIME ? undefined : { path: probe.path, rtt };
  }
}
