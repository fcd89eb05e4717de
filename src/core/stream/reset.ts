import { EMPTY } from '../../base/bytes.ts';
import { add, distance, type Seq } from '../../base/seq.ts';
import type { Bytes } from '../../base/units.ts';
import { FLAG_ACK, FLAG_FIN, FLAG_RST, FLAG_SYN, type Packet, PROTOCOL_STREAM } from '../../wire/packet.ts';

/** How far ahead of what was received a reset may be. */
const REACH: Bytes = 16 * 1024 * 1024;

/** The reset that answers a packet: in its sender's window, so that it is believed (RFC 9293 §3.10.7.1). */
export function resetFor(packet: Packet): Packet {
  const { flags, payload } = packet;
  const consumed = payload.length + ((flags & FLAG_FIN) === 0 ? 0 : 1);
  return {
    protocol: PROTOCOL_STREAM,
    flags: FLAG_RST,
    source: packet.destination,
    destination: packet.source,
    sourcePort: packet.destinationPort,
    destinationPort: packet.sourcePort,
    seq: (flags & FLAG_ACK) === 0 ? 0 : packet.ack,
    // The payload of SYN is not data.
    ack: add(packet.seq, (flags & FLAG_SYN) === 0 ? consumed : 1),
    window: 0,
    payload: EMPTY,
  };
}

/**
 * True when a reset is for this stream and not for a former one of the same ports; the tunnel has authenticated its
 * sender. Old peers leave seq and ack 0, those that know the options never do. `next`: the next byte expected.
 */
export function isCurrentReset(reset: Packet, next: Seq, orderly: boolean): boolean {
  if (reset.seq === 0 && reset.ack === 0) return !orderly;
  const offset = distance(reset.seq, next);
  return offset >= -1 && offset <= REACH;
}

/** True when a reset refuses the SYN that `ack` would acknowledge. Old peers put nothing into it. */
export function refuses(reset: Packet, ack: Seq): boolean {
  return reset.ack === 0 || reset.ack === ack;
}
