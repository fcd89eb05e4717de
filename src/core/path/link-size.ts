import { isCarrier } from '../../base/endpoint.ts';
import type { LocalLink } from '../../base/local-link.ts';
import type { Bytes, Endpoint } from '../../base/units.ts';
import { parseIp } from '../../wire/ip.ts';
import { LARGEST_DATAGRAM, LARGEST_RELAYED } from './sizes.ts';

/**
 * What becomes of a datagram that is larger than the path: `refused` by our system or dropped on the way, so that a
 * probe tells; `learned`: the system cuts what it has learned to be too large, so that only a first probe tells;
 * `cut`: nothing tells.
 */
export type Oversize = 'refused' | 'learned' | 'cut';

/** The machine's links, and what its sockets do with what is too large. */
export interface Links {
  readonly all: readonly LocalLink[];
  readonly oversize: Oversize;
}

export const NO_LINKS: Links = { all: [], oversize: 'cut' };

const IPV4_AND_UDP: Bytes = 28;
const IPV6_AND_UDP: Bytes = 48;

/**
 * Largest UDP payload that can leave for this endpoint in one piece; undefined when that is not known, or when larger
 * ones would be cut on the way without anybody noticing.
 */
export function largestTo({ all, oversize }: Links, to: Endpoint, relay: boolean): Bytes | undefined {
  if (isCarrier(to)) return LARGEST_RELAYED;
  const bytes = parseIp(to.host);
  if (bytes === undefined) return undefined;
  const link = linkTo(all, to.host, bytes);
  if (link?.mtu === undefined || (oversize === 'cut' && !link.loopback)) return undefined;
  const payload = link.mtu - (bytes.length === 16 ? IPV6_AND_UDP : IPV4_AND_UDP);
  return Math.min(payload, relay ? LARGEST_RELAYED : LARGEST_DATAGRAM);
}

/** The link that a packet leaves by, as far as addresses and prefixes tell. */
function linkTo(all: readonly LocalLink[], host: string, bytes: Uint8Array): LocalLink | undefined {
  const loopback = all.find((link) => link.loopback);
  if (all.some((link) => link.address === host)) return loopback;
  let best: LocalLink | undefined;
  for (const link of all) {
    const own = parseIp(link.address);
    if (own === undefined || own.length !== bytes.length || !sharesBits(own, bytes, link.bits)) continue;
    if (best === undefined || link.bits > best.bits) best = link;
  }
  return best ?? all.find((link) => link.leadsOut) ?? narrowest(all);
}

/** A machine without a router, or one that does not tell: no link is relied on to be wider than another. */
function narrowest(all: readonly LocalLink[]): LocalLink | undefined {
  let found: LocalLink | undefined;
  for (const link of all) {
    if (link.loopback) continue;
    if (link.mtu === undefined) return undefined;
    if (found === undefined || link.mtu < found.mtu!) found = link;
  }
  return found;
}

function sharesBits(one: Uint8Array, other: Uint8Array, bits: number): boolean {
  for (let i = 0, left = bits; left > 0; i++, left -= 8) {
    const mask = left >= 8 ? 0xff : (0xff << (8 - left)) & 0xff;
    if ((one[i]! & mask) !== (other[i]! & mask)) return false;
  }
  return true;
}
