import type { Millis } from '../base/units.ts';

/** Looking something up and answering. Measured (node-limits), rounded up. */
export const REQUEST_COST: Millis = 0.05;
/** Checking a signature. */
export const SIGNATURE_COST: Millis = 0.2;

/** What a request costs beside reading it. */
export function costOf(request: object): Millis {
  const { sig, signature } = request as { sig?: unknown; signature?: unknown };
  return sig === undefined && signature === undefined ? REQUEST_COST : REQUEST_COST + SIGNATURE_COST;
}
