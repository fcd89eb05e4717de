import type { Address, Port } from '../base/units.ts';
import type { Seq } from '../base/seq.ts';

export const PROTOCOL_STREAM = 0x01;
export const PROTOCOL_DATAGRAM = 0x02;
export const PROTOCOL_CONTROL = 0x03;

export const FLAG_SYN = 0x1;
export const FLAG_ACK = 0x2;
export const FLAG_FIN = 0x4;
export const FLAG_RST = 0x8;

export const HEADER_LENGTH = 34;

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
