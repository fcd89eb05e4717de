import { equal } from '../../base/bytes.ts';
import { parseIp } from '../../wire/ip.ts';

/** True for hosts of one network, as far as addresses tell: one /24 of IPv4, or a carrier's pool; one /64 of IPv6. */
export function sameNetwork(a: string, b: string): boolean {
  if (a === b) return true;
  const [one, other] = [parseIp(a), parseIp(b)];
  if (one === undefined || other === undefined || one.length !== other.length) return false;
  const prefix = one.length === 4 ? 3 : 8;
  return equal(one.subarray(0, prefix), other.subarray(0, prefix));
}
