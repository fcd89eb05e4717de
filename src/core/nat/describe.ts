import type { NatBehaviour } from './behaviour.ts';

/** The customary name of a NAT, for people; the RFC 4787 terms say more. */
export type NatName =
  | 'no NAT'
  | 'UDP blocked'
  | 'full cone'
  | 'address-restricted or full cone'
  | 'port-restricted'
  | 'cone'
  | 'symmetric, sequential ports'
  | 'symmetric, random ports'
  | 'symmetric'
  | 'NAT'
  | 'unknown';

export function natName(nat: NatBehaviour): NatName {
  if (nat.translation === 'none') return 'no NAT';
  if (nat.translation === 'blocked') return 'UDP blocked';
  if (isSymmetric(nat)) {
    if (nat.allocation === 'sequential') return 'symmetric, sequential ports';
    return nat.allocation === 'random' ? 'symmetric, random ports' : 'symmetric';
  }
  if (nat.mapping !== 'endpoint-independent') return nat.translation === 'nat' ? 'NAT' : 'unknown';
  switch (nat.filtering) {
    case 'endpoint-independent':
      return 'full cone';
    case 'address-dependent':
      return 'address-restricted or full cone';
    case 'address-and-port-dependent':
      return 'port-restricted';
    case 'unknown':
      return 'cone';
    default:
      return nat.filtering satisfies never;
  }
}

/** True when each destination sees another port of ours, as far as is known. */
export function isSymmetric(nat: NatBehaviour): boolean {
  return (
    nat.translation === 'nat' &&
    (nat.mapping === 'address-dependent' || nat.mapping === 'address-and-port-dependent')
  );
}
