import { formatEndpoint, parseHostPort } from '../../base/endpoint.ts';
import type { Endpoint } from '../../base/units.ts';
import { formatIp, parseIp } from '../../wire/ip.ts';

/** Longest text kept of one endpoint. */
const MAX_TEXT = 64;
/** LAN endpoints kept per node; a host has few. */
const MAX_LAN = 16;
/** Beacons kept per node: more would not make it easier to reach. */
const MAX_BEACONS = 4;

/**
 * Where peers send UDP: the source address of the request with the port the node names. A node that proved its
 * key may also name the host, since its beacon sees the UDP side of a NAT and we only see the TCP side; wildcard
 * and unusable hosts fall back to the source address. spec/10 §4.4
 */
export function advertisedEndpoint(listenAddress: string, remote: Endpoint, proven: boolean): string {
  // Old daemons may leave out the host.
  const text = listenAddress.startsWith(':') ? `0.0.0.0${listenAddress}` : listenAddress;
  const claimed = text.length > MAX_TEXT ? undefined : parseHostPort(text);
  if (claimed === undefined) return formatEndpoint(remote);
  const host = proven ? usableHost(claimed.host, remote.host) : undefined;
  return formatEndpoint({ host: host ?? remote.host, port: claimed.port });
}

/** The LAN endpoints worth keeping: IP literals with a port, each once. */
export function lanEndpoints(claimed: readonly string[]): string[] {
  return literals(claimed, MAX_LAN);
}

/** The beacons worth keeping, the best first. */
export function beaconEndpoints(claimed: readonly string[]): string[] {
  return literals(claimed, MAX_BEACONS);
}

function literals(claimed: readonly string[], limit: number): string[] {
  const kept: string[] = [];
  for (const text of claimed) {
    if (kept.length >= limit) break;
    const endpoint = text.length > MAX_TEXT ? undefined : parseHostPort(text);
    if (endpoint === undefined || endpoint.port === 0 || parseIp(endpoint.host) === undefined) continue;
    if (!kept.includes(text)) kept.push(text);
  }
  return kept;
}

function usableHost(host: string, remote: string): string | undefined {
  const bytes = parseIp(host);
  if (bytes === undefined) return undefined;
  const text = formatIp(bytes);
  if (bytes.length === 4) {
    const first = bytes[0]!;
    if (first === 0 || first >= 224) return undefined;
    if (first === 127 && !isLoopback(remote)) return undefined;
    return text;
  }
  const unspecified = bytes.every((byte) => byte === 0);
  const linkLocal = bytes[0] === 0xfe && (bytes[1]! & 0xc0) === 0x80;
  if (unspecified || linkLocal || bytes[0] === 0xff) return undefined;
  if (text === '::1' && !isLoopback(remote)) return undefined;
  return text;
}

function isLoopback(host: string): boolean {
  const bytes = parseIp(host);
  return bytes !== undefined && (bytes.length === 4 ? bytes[0] === 127 : formatIp(bytes) === '::1');
}
