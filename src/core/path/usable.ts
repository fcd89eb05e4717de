import { endpointKey } from '../../base/endpoint.ts';
import type { Endpoint } from '../../base/units.ts';
import { sameNetwork } from './lan.ts';

/** Endpoints of one message that are tried. Chosen: what a host with two families and a port mapping has. */
const MAX_USABLE = 8;

/** What we know about ourselves. */
export interface Own {
  readonly observed: Endpoint | undefined;
  readonly lan: readonly Endpoint[];
}

export interface Told {
  readonly origin: 'host' | 'mapped' | 'observed';
  readonly endpoint: Endpoint;
}

export type Reach = 'global' | 'private' | 'none';

/** Where an address means something: everywhere, on one local network, or nowhere that a peer could be. */
export function reachOf(host: string): Reach {
  if (host.includes(':')) return reachOfIpv6(host.toLowerCase());
  const [a, b] = host.split('.').map(Number) as [number, number];
  if (a === 0 || a === 127 || a >= 224 || (a === 169 && b === 254)) return 'none';
  if (a === 10 || (a === 172 && b >= 16 && b < 32) || (a === 192 && b === 168)) return 'private';
  return a === 100 && b >= 64 && b < 128 ? 'private' : 'global';
}

function reachOfIpv6(host: string): Reach {
  if (host === '::' || host === '::1' || host.startsWith('ff')) return 'none';
  const first = Number.parseInt(host.startsWith('::') ? '0' : host, 16);
  if ((first & 0xffc0) === 0xfe80) return 'none';
  if ((first & 0xfe00) === 0xfc00) return 'private';
  return (first & 0xe000) === 0x2000 ? 'global' : 'none';
}

/**
 * The endpoints of a peer that are worth a probe, likeliest first. Private addresses repeat everywhere: they are tried
 * where both sides seem to be behind one router, or on a network of the same name. IPv6 is tried where we have it.
 */
export function usableEndpoints(
  own: Own,
  told: readonly Told[],
): { readonly kind: 'lan' | 'direct'; readonly endpoint: Endpoint }[] {
  const mine = new Set([...own.lan, ...(own.observed ? [own.observed] : [])].map(endpointKey));
  const hasIpv6 = own.lan.some(({ host }) => host.includes(':') && reachOf(host) === 'global');
  const together =
    own.observed !== undefined &&
    told.some(
      ({ origin, endpoint }) => origin === 'observed' && sameNetwork(endpoint.host, own.observed!.host),
    );
  const found: { kind: 'lan' | 'direct'; endpoint: Endpoint; rank: number }[] = [];
  for (const { origin, endpoint } of told) {
    const reach = reachOf(endpoint.host);
    if (reach === 'none' || endpoint.port === 0 || mine.has(endpointKey(endpoint))) continue;
    if (found.some((one) => endpointKey(one.endpoint) === endpointKey(endpoint))) continue;
    const isIpv6 = endpoint.host.includes(':');
    if (reach === 'private') {
      const near = own.lan.some(({ host }) => host !== endpoint.host && sameNetwork(host, endpoint.host));
      if (together || near) found.push({ kind: 'lan', endpoint, rank: near ? 0 : 1 });
    } else if (!isIpv6 || hasIpv6) {
      const rank = isIpv6 ? 2 : origin === 'mapped' ? 3 : origin === 'observed' ? 4 : 5;
      const near = own.lan.some(({ host }) => sameNetwork(host, endpoint.host));
      found.push({ kind: near ? 'lan' : 'direct', endpoint, rank });
    }
  }
  return found
    .sort((a, b) => a.rank - b.rank)
    .slice(0, MAX_USABLE)
    .map(({ kind, endpoint }) => ({ kind, endpoint }));
}
