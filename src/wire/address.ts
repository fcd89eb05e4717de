import { readU16, readU32, writeU16, writeU32 } from '../base/bytes.ts';
import type { Address, NodeId, Port } from '../base/units.ts';

/** Bytes of an address on the wire: u16 network, u32 node. spec/01 §1.1 */
export const ADDRESS_LENGTH = 6;
/** The node id that means "everyone in this network". spec/01 §1.3 */
export const BROADCAST_NODE: NodeId = 0xffff_ffff;

/** Why a text is not an address. spec/01 §1.2 */
export type AddressError =
  | 'no_colon'
  | 'bad_network'
  | 'network_out_of_range'
  | 'bad_group_count'
  | 'bad_group_length'
  | 'bad_group_digits'
  | 'network_mismatch'
  | 'no_port'
  | 'bad_port'
  | 'port_out_of_range';

export interface SocketAddress {
  readonly address: Address;
  readonly port: Port;
}

/** Prints the canonical text `N:NNNN.HHHH.LLLL` in upper-case hex. spec/01 §1.2 */
export function formatAddress(address: Address): string {
  const { network, node } = address;
  return `${network}:${hex4(network)}.${hex4(node >>> 16)}.${hex4(node & 0xffff)}`;
}

/** Parses an address text; hex case and leading zeros of the network do not matter. spec/01 §1.2 */
export function parseAddress(text: string): Address | AddressError {
  const colon = text.indexOf(':');
  if (colon < 0) return 'no_colon';
  const network = decimalU16(text.slice(0, colon));
  if (network === 'syntax') return 'bad_network';
  if (network === 'range') return 'network_out_of_range';
  const groups = text.slice(colon + 1).split('.', 4);
  if (groups.length !== 3) return 'bad_group_count';
  const values: number[] = [];
  for (const group of groups) {
    if (group.length !== 4) return 'bad_group_length';
    if (!/^[0-9a-fA-F]{4}$/.test(group)) return 'bad_group_digits';
    values.push(Number.parseInt(group, 16));
  }
  if (values[0] !== network) return 'network_mismatch';
  return { network, node: ((values[1]! << 16) | values[2]!) >>> 0 };
}

/** Prints `address:port`. */
export function formatSocketAddress(address: Address, port: Port): string {
  return `${formatAddress(address)}:${port}`;
}

/** Parses `address:port`, split at the last colon. spec/01 §1.2 */
export function parseSocketAddress(text: string): SocketAddress | AddressError {
  const colon = text.lastIndexOf(':');
  if (colon < 0) return 'no_port';
  const address = parseAddress(text.slice(0, colon));
  if (typeof address === 'string') return address;
  const port = decimalU16(text.slice(colon + 1));
  if (port === 'syntax') return 'bad_port';
  if (port === 'range') return 'port_out_of_range';
  return { address, port };
}

/** Writes 6 bytes at `at`. */
export function encodeAddressInto(buffer: Uint8Array, at: number, address: Address): void {
  writeU16(buffer, at, address.network);
  writeU32(buffer, at + 2, address.node);
}

/** Reads 6 bytes at `at`; the caller has checked that they are there. */
export function decodeAddress(bytes: Uint8Array, at: number): Address {
  return { network: readU16(bytes, at), node: readU32(bytes, at + 2) };
}

/** True for the broadcast address of any network. Interpreted by senders only. */
export function isBroadcast(address: Address): boolean {
  return address.node === BROADCAST_NODE;
}

/** True for the unspecified address (0, 0). */
export function isZero(address: Address): boolean {
  return address.network === 0 && address.node === 0;
}

/** True when both network and node are equal. */
export function sameAddress(a: Address, b: Address): boolean {
  return a.node === b.node && a.network === b.network;
}

function hex4(value: number): string {
  return value.toString(16).toUpperCase().padStart(4, '0');
}

function decimalU16(text: string): number | 'syntax' | 'range' {
  if (!/^[0-9]+$/.test(text)) return 'syntax';
  const significant = text.replace(/^0+/, '');
  if (significant.length > 5) return 'range';
  const value = Number(significant);
  return value > 0xffff ? 'range' : value;
}
