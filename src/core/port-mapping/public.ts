import { parseIp } from '../../wire/ip.ts';

/** True for an IPv4 literal that is neither private, nor shared by a carrier, nor reserved for the host itself. */
export function isPublic(host: string): boolean {
  const bytes = parseIp(host);
  if (bytes?.length !== 4) return false;
  const [a, b] = bytes as unknown as [number, number];
  if (a === 0 || a === 10 || a === 127 || a >= 224) return false;
  if (a === 100 && b >= 64 && b < 128) return false;
  if (a === 169 && b === 254) return false;
  if (a === 172 && b >= 16 && b < 32) return false;
  return !(a === 192 && b === 168);
}
