/**
 * NAT Port Mapping Protocol, version 0. RFC 6886
 *
 * Requests: `00 00` asks for the external address; `00 01` maps UDP: 2 reserved, internal port u16, suggested external
 * port u16, lifetime u32. Responses repeat the opcode + 0x80, then result u16, the router's age in seconds u32, and the
 * external address (4), or internal port u16, external port u16, lifetime u32.
 */
import { readU16, readU32, writeU16, writeU32 } from '../base/bytes.ts';
import { formatIp } from './ip.ts';

const ADDRESS = 0x00;
const MAP_UDP = 0x01;
const RESPONSE = 0x80;

/** §3.5 */
const RESULTS: readonly string[] = [
  'success',
  'unsupported_version',
  'not_authorized',
  'network_failure',
  'no_resources',
  'unsupported_opcode',
];

export type NatPmpResponse =
  | { readonly type: 'address'; readonly epoch: number; readonly host: string }
  | {
      readonly type: 'map';
      readonly epoch: number;
      readonly internalPort: number;
      readonly externalPort: number;
      readonly lifetime: number;
    }
  | { readonly type: 'refused'; readonly opcode: number; readonly result: string };

export type NatPmpError = 'too_short' | 'other_version' | 'not_a_response';

export function encodeNatPmpAddress(): Uint8Array {
  return new Uint8Array(2);
}

/** `lifetime` in seconds; 0 deletes, then `external` is 0. */
export function encodeNatPmpMap(internal: number, external: number, lifetime: number): Uint8Array {
  const message = new Uint8Array(12);
  message[1] = MAP_UDP;
  writeU16(message, 4, internal);
  writeU16(message, 6, external);
  writeU32(message, 8, lifetime);
  return message;
}

export function decodeNatPmp(bytes: Uint8Array): NatPmpResponse | NatPmpError {
  if (bytes.length < 4) return 'too_short';
  if (bytes[0] !== 0) return 'other_version';
  const opcode = bytes[1]! - RESPONSE;
  if (opcode < 0) return 'not_a_response';
  const result = readU16(bytes, 2);
  // A router of another version answers anything so, also what it cannot read.
  if (result !== 0) return { type: 'refused', opcode, result: RESULTS[result] ?? `result_${result}` };
  if (bytes.length < 8) return 'too_short';
  const epoch = readU32(bytes, 4);
  if (opcode === ADDRESS) {
    return bytes.length < 12
      ? 'too_short'
      : { type: 'address', epoch, host: formatIp(bytes.subarray(8, 12)) };
  }
  if (opcode !== MAP_UDP) return 'not_a_response';
  if (bytes.length < 16) return 'too_short';
  return {
    type: 'map',
    epoch,
    internalPort: readU16(bytes, 8),
    externalPort: readU16(bytes, 10),
    lifetime: readU32(bytes, 12),
  };
}
