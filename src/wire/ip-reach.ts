/** Which addresses the whole Internet can reach: the rest are places inside that a stranger must not make us ask. */
import { parseIp } from './ip.ts';

/** From IANA's registries of special-purpose addresses: whatever is not globally reachable, multicast and reserved space. */
const SPECIAL_V4: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
];
const SPECIAL_V6: readonly (readonly [string, number])[] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
];
const TRANSLATED = parseIp('64:ff9b::')!;

/** True for a literal that routers of the Internet forward to one place. False for names and anything malformed. */
export function isGloballyReachable(host: string): boolean {
  const address = parseIp(host);
  if (address === undefined || host.includes('%')) return false;
  return address.length === 4 ? isGlobalV4(address) : isGlobalV6(address);
}

function isGlobalV4(address: Uint8Array): boolean {
  return !SPECIAL_V4.some(([prefix, bits]) => within(address, parseIp(prefix)!, bits));
}

function isGlobalV6(address: Uint8Array): boolean {
  // Behind NAT64 this is where IPv4 hosts are (RFC 6052).
  if (within(address, TRANSLATED, 96)) return isGlobalV4(address.slice(12));
  // Global unicast is 2000::/3; nothing else has been given out.
  if (address[0]! >> 5 !== 1) return false;
  return !SPECIAL_V6.some(([prefix, bits]) => within(address, parseIp(prefix)!, bits));
}

function within(address: Uint8Array, prefix: Uint8Array, bits: number): boolean {
  for (let i = 0; i < bits; i += 8) {
    const mask = bits - i >= 8 ? 0xff : (0xff << (8 - (bits - i))) & 0xff;
    if ((address[i / 8]! & mask) !== (prefix[i / 8]! & mask)) return false;
  }
  return true;
}
