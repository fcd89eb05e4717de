/** Reads the default routers out of what operating systems print about their routes. */

import { fromHex } from '../base/bytes.ts';
import { formatIp } from '../wire/ip.ts';

/** A default route: the router and the interface it is reached by. */
export interface DefaultRoute {
  readonly host: string;
  /** Name of the interface, or on Windows its IPv4 address. */
  readonly through: string;
  readonly metric: number;
}

const UP = 0x1;
const VIA_GATEWAY = 0x2;

/** `/proc/net/route` of Linux: words of hexadecimal, addresses in the machine's byte order (little endian). */
export function readProcRoute(text: string): DefaultRoute[] {
  const found: DefaultRoute[] = [];
  for (const line of text.split('\n').slice(1)) {
    const [through, destination, gateway, flags, , , metric, mask] = line.trim().split(/\s+/);
    if (through === undefined || mask !== '00000000' || destination !== '00000000') continue;
    if (!isUsable(Number.parseInt(flags!, 16)) || !/^[0-9A-F]{8}$/i.test(gateway!)) continue;
    const bytes = gateway!.match(/../g)!.map((pair) => Number.parseInt(pair, 16));
    found.push({ host: bytes.reverse().join('.'), through, metric: Number(metric) });
  }
  return byMetric(found);
}

/** `/proc/net/ipv6_route` of Linux. */
export function readProcIpv6Route(text: string): DefaultRoute[] {
  const found: DefaultRoute[] = [];
  for (const line of text.split('\n')) {
    const [destination, length, , , gateway, metric, , , flags, through] = line.trim().split(/\s+/);
    if (through === undefined || length !== '00' || !/^0{32}$/.test(destination!)) continue;
    if (!isUsable(Number.parseInt(flags!, 16)) || !/^[0-9a-f]{32}$/i.test(gateway!)) continue;
    const host = scoped(formatIp(fromHex(gateway!.toLowerCase())!), through);
    found.push({ host, through, metric: Number.parseInt(metric!, 16) });
  }
  return byMetric(found);
}

/** `netstat -rn` of macOS and the BSDs. */
export function readNetstat(text: string): DefaultRoute[] {
  const found: DefaultRoute[] = [];
  for (const line of text.split('\n')) {
    const words = line.trim().split(/\s+/);
    const [destination, gateway, flags, ...rest] = words;
    if (destination !== 'default' || flags === undefined || !flags.includes('G')) continue;
    // Newer systems print no counters between the flags and the interface.
    const through = rest.find((word) => /^[a-z]+\d+$/.test(word));
    if (through === undefined || !/^[0-9a-f.:]+(%\w+)?$/i.test(gateway!)) continue;
    found.push({ host: gateway!, through, metric: found.length });
  }
  return found;
}

/** `route print -4 0.0.0.0` of Windows. */
export function readRoutePrint(text: string): DefaultRoute[] {
  const found: DefaultRoute[] = [];
  const ip = String.raw`(\d+\.\d+\.\d+\.\d+)`;
  const pattern = new RegExp(String.raw`^\s*0\.0\.0\.0\s+0\.0\.0\.0\s+${ip}\s+${ip}\s+(\d+)\s*$`, 'gm');
  for (const [, host, through, metric] of text.matchAll(pattern)) {
    found.push({ host: host!, through: through!, metric: Number(metric) });
  }
  return byMetric(found);
}

function isUsable(flags: number): boolean {
  return (flags & UP) !== 0 && (flags & VIA_GATEWAY) !== 0;
}

function byMetric(routes: DefaultRoute[]): DefaultRoute[] {
  return routes.sort((one, other) => one.metric - other.metric);
}

function scoped(host: string, through: string): string {
  return /^fe[89ab]/.test(host) ? `${host}%${through}` : host;
}
