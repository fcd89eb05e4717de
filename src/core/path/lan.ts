import type { Endpoint } from '../../base/units.ts';
import { MAX_LAN } from './constants.ts';

/**
 * The peer's LAN addresses worth trying: those of a peer that seems to sit behind the same router. Private networks
 * repeat everywhere (192.168.1.0/24, container bridges), so an equal /24 alone proves nothing; it is believed only
 * while our own public address is unknown. spec/02 "Weaknesses" 13
 */
export function plausibleLan(
  own: { readonly observed: Endpoint | undefined; readonly lan: readonly Endpoint[] },
  peer: { readonly endpoint: Endpoint | undefined; readonly lan: readonly Endpoint[] },
): readonly Endpoint[] {
  if (own.observed !== undefined && peer.endpoint !== undefined) {
    return sameNetwork(own.observed.host, peer.endpoint.host) ? peer.lan.slice(0, MAX_LAN) : [];
  }
  return peer.lan
    .filter((theirs) => own.lan.some((ours) => sameNetwork(ours.host, theirs.host)))
    .slice(0, MAX_LAN);
}

/** True for equal hosts, and for IPv4 hosts of one /24: a local network, or a carrier's address pool. */
export function sameNetwork(a: string, b: string): boolean {
  if (a === b) return true;
  if (a.includes(':') || b.includes(':')) return false;
  return a.slice(0, a.lastIndexOf('.')) === b.slice(0, b.lastIndexOf('.'));
}
