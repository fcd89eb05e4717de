import { readU16, readU32, writeU16, writeU32 } from '../base/bytes.ts';
import type { Seq } from '../base/seq.ts';
import type { Address, Port } from '../base/units.ts';
import { decodeAddress, encodeAddressInto } from './address.ts';
import { crc32 } from './crc32.ts';

export const PROTOCOL_STREAM = 0x01;
export const PROTOCOL_DATAGRAM = 0x02;
export const PROTOCOL_CONTROL = 0x03;

export const FLAG_SYN = 0x1;
export const FLAG_ACK = 0x2;
export const FLAG_FIN = 0x4;
export const FLAG_RST = 0x8;

export const HEADER_LENGTH = 34;
/** The only packet version there is. spec/01 §6 */
export const PACKET_VERSION = 1;
/** Largest payload the header can describe. */
export const MAX_PAYLOAD = 65535;

/** Where the CRC-32 of the whole packet lies, taken with zeros in its own place. */
export const CHECKSUM_AT = 30;
const ZERO_CHECKSUM = new Uint8Array(4);

/** One overlay packet. spec/01 §3 */
export interface Packet {
  readonly protocol: number;
  /** Low nibble only: SYN 1, ACK 2, FIN 4, RST 8. */
  readonly flags: number;
  readonly source: Address;
  readonly destination: Address;
  readonly sourcePort: Port;
  readonly destinationPort: Port;
  readonly seq: Seq;
  readonly ack: Seq;
  /** Free receive slots in segments; 0 means "no limit" to old peers. */
  readonly window: number;
  readonly payload: Uint8Array;
}

/** Why bytes are not a packet, in the order the checks are made. spec/01 §5 */
export type PacketError = 'too_short' | 'truncated' | 'bad_checksum' | 'unsupported_version';

/** Encodes into a fresh array. Throws RangeError when the payload exceeds 65,535 bytes. */
export function encodePacket(packet: Packet): Uint8Array {
  const bytes = new Uint8Array(HEADER_LENGTH + packet.payload.length);
  encodePacketInto(packet, bytes, 0);
  return bytes;
}

/**
 * Encodes at `at` and returns the number of bytes written.
 * Throws RangeError when the payload exceeds 65,535 bytes or the buffer has no room.
 */
export function encodePacketInto(packet: Packet, buffer: Uint8Array, at: number): number {
  const { payload } = packet;
  if (payload.length > MAX_PAYLOAD) {
    throw new RangeError(
      `Cannot encode a packet with ${payload.length} payload bytes: the limit is ${MAX_PAYLOAD}`,
    );
  }
  encodeUnchecked(packet, buffer, at);
  const end = at + HEADER_LENGTH + payload.length;
  writeU32(buffer, at + CHECKSUM_AT, crc32(buffer, at, end));
  return end - at;
}

/** The same with a checksum of zero, for a train that is given its checksums when it is sealed. The caller made room. */
export function encodeUnchecked(packet: Packet, buffer: Uint8Array, at: number): void {
  const { payload } = packet;
  buffer[at] = (PACKET_VERSION << 4) | (packet.flags & 0x0f);
  buffer[at + 1] = packet.protocol;
  writeU16(buffer, at + 2, payload.length);
  encodeAddressInto(buffer, at + 4, packet.source);
  encodeAddressInto(buffer, at + 10, packet.destination);
  writeU16(buffer, at + 16, packet.sourcePort);
  writeU16(buffer, at + 18, packet.destinationPort);
  writeU32(buffer, at + 20, packet.seq);
  writeU32(buffer, at + 24, packet.ack);
  writeU16(buffer, at + 28, packet.window);
  writeU32(buffer, at + CHECKSUM_AT, 0);
  buffer.set(payload, at + HEADER_LENGTH);
}

/**
 * Decodes the packet in `bytes[start, end)`; bytes after it are ignored. The payload is a view into `bytes`, which stays
 * unmodified. Protocols other than 1, 2 and 3 decode: dropping them is the dispatcher's business.
 * `checked`: the checksum over all of the bytes was found right already.
 */
export function decodePacket(
  bytes: Uint8Array,
  start = 0,
  end: number = bytes.length,
  checked = false,
): Packet | PacketError {
  if (end - start < HEADER_LENGTH) return 'too_short';
  const body = start + HEADER_LENGTH;
  const stop = body + readU16(bytes, start + 2);
  if (end < stop) return 'truncated';
  if (!checked || stop !== end) {
    let crc = crc32(bytes, start, start + CHECKSUM_AT);
    crc = crc32(ZERO_CHECKSUM, 0, 4, crc);
    crc = crc32(bytes, body, stop, crc);
    if (crc !== readU32(bytes, start + CHECKSUM_AT)) return 'bad_checksum';
  }
  const first = bytes[start]!;
  if (first >>> 4 !== PACKET_VERSION) return 'unsupported_version';
  return {
    protocol: bytes[start + 1]!,
    flags: first & 0x0f,
    source: decodeAddress(bytes, start + 4),
    destination: decodeAddress(bytes, start + 10),
    sourcePort: readU16(bytes, start + 16),
    destinationPort: readU16(bytes, start + 18),
    seq: readU32(bytes, start + 20),
    ack: readU32(bytes, start + 24),
    window: readU16(bytes, start + 28),
    payload: bytes.subarray(body, stop),
  };
}
