/** How the translator in front of a node treats UDP, in the terms of RFC 4787. */

/** On what the external port (§4.1) or an inbound permission (§5) depends. */
export type Dependence =
  | 'endpoint-independent'
  | 'address-dependent'
  | 'address-and-port-dependent'
  | 'unknown';

/** How external ports are chosen (§4.2). */
export type PortAllocation = 'preserving' | 'sequential' | 'random' | 'unknown';

export interface NatBehaviour {
  /** `none`: an address of our own is what others see. `blocked`: no UDP gets through. */
  readonly translation: 'none' | 'nat' | 'blocked' | 'unknown';
  readonly mapping: Dependence;
  readonly filtering: Dependence;
  readonly allocation: PortAllocation;
  /** Step between two ports given one after the other, with `sequential`; else 0. */
  readonly step: number;
}

export const UNKNOWN_NAT: NatBehaviour = {
  translation: 'unknown',
  mapping: 'unknown',
  filtering: 'unknown',
  allocation: 'unknown',
  step: 0,
};
