/**
 * Port Control Protocol, the MAP opcode for UDP. RFC 6887
 *
 * Request, 60 bytes: version 2, opcode 0x01, 2 reserved, lifetime u32, our address (16), then nonce (12), protocol,
 * 3 reserved, internal port u16, suggested external port u16, suggested external address (16). A response has the
 * opcode 0x81, the result in byte 3, the lifetime, the server's age u32, 12 reserved, and the same tail.
 */
import { readU16, readU32, writeU16, writeU32 } from '../base/bytes.ts';
import type { Endpoint } from '../base/units.ts';
import { formatIp, parseIp } from './ip.ts';

/** Where routers listen for PCP and for NAT-PMP. */
export const PORT_CONTROL_PORT = 5351;
export const PCP_VERSION = 2;
export const PCP_NONCE_LENGTH = 12;

const MAP = 0x01;
const RESPONSE = 0x80;
const UDP = 17;
const LENGTH = 60;
/** Longest datagram of the protocol, §7. */
const MAX_LENGTH = 1100;

/** §7.4 */
const RESULTS: readonly string[] = [
  'success',
  'unsupported_version',
  'not_authorized',
  'malformed_request',
  'unsupported_opcode',
  'unsupported_option',
  'malformed_option',
  'network_failure',
  'no_resources',
  'unsupported_protocol',
  'user_exceeded_quota',
  'cannot_provide_external',
  'address_mismatch',
  'excessive_remote_peers',
];

export interface PcpMapRequest {
  /** 12 bytes; who wants to renew or delete a mapping names the nonce it was made with. */
  readonly nonce: Uint8Array;
  /** Our address as the router sees it, and the port. */
  readonly internal: Endpoint;
  /** Wanted external endpoint; port 0 and an unspecified host leave the choice to the router. */
  readonly suggested: Endpoint;
  /** Seconds; 0 deletes. */
  readonly lifetime: number;
}

export interface PcpMapResponse {
  /** `success`, or why not; of a failure, `lifetime` says for how long. */
  readonly result: string;
  readonly lifetime: number;
  /** Seconds since the router started; smaller than expected means that it has lost its mappings. */
  readonly epoch: number;
  readonly nonce: Uint8Array;
  readonly internalPort: number;
  readonly external: Endpoint;
}

export type PcpError = 'too_short' | 'too_long' | 'other_version' | 'not_a_map_response';

export function encodePcpMap(request: PcpMapRequest): Uint8Array {
  const message = new Uint8Array(LENGTH);
  message[0] = PCP_VERSION;
  message[1] = MAP;
  writeU32(message, 4, request.lifetime);
  message.set(address(request.internal.host), 8);
  message.set(request.nonce.subarray(0, PCP_NONCE_LENGTH), 24);
  message[36] = UDP;
  writeU16(message, 40, request.internal.port);
  writeU16(message, 42, request.suggested.port);
  message.set(address(request.suggested.host), 44);
  return message;
}

export function decodePcpMap(bytes: Uint8Array): PcpMapResponse | PcpError {
  if (bytes.length > 0 && bytes[0] !== PCP_VERSION) return 'other_version';
  if (bytes.length < LENGTH) return 'too_short';
  if (bytes.length > MAX_LENGTH) return 'too_long';
  if (bytes[1] !== (RESPONSE | MAP) || bytes[36] !== UDP) return 'not_a_map_response';
  return {
    result: RESULTS[bytes[3]!] ?? `result_${bytes[3]}`,
    lifetime: readU32(bytes, 4),
    epoch: readU32(bytes, 8),
    nonce: bytes.slice(24, 24 + PCP_NONCE_LENGTH),
    internalPort: readU16(bytes, 40),
    external: { host: formatIp(bytes.subarray(44, 60)), port: readU16(bytes, 42) },
  };
}

/** 16 bytes; IPv4 as IPv4-mapped, §5. */
function address(host: string): Uint8Array {
  const bytes = parseIp(host);
  if (bytes === undefined)
    throw new RangeError(`Cannot ask for a port mapping of "${host}": not an IP literal`);
  if (bytes.length === 16) return bytes;
  const mapped = new Uint8Array(16);
  mapped.set([0xff, 0xff], 10);
  mapped.set(bytes, 12);
  return mapped;
}
