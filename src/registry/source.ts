import { toHex } from '../base/bytes.ts';
import { parseIp } from '../wire/ip.ts';

/**
 * What counts as one place on the network: an IPv4 address, or the /64 of an IPv6 address, since whoever has one
 * address of it has them all.
 */
export function sourceOf(host: string): string {
  const bytes = parseIp(host);
  if (bytes === undefined || bytes.length === 4) return host;
  return `${toHex(bytes.subarray(0, 8))}/64`;
}
