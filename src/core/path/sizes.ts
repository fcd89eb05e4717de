import type { Bytes, Millis } from '../../base/units.ts';
import { RELAY_OVERHEAD } from '../../wire/beacon.ts';
import { HEADER_LENGTH } from '../../wire/packet.ts';
import { PILS_OVERHEAD } from '../../wire/tunnel-frames.ts';

// Sizes are UDP payloads of the datagram as we send it, unless said. docs/decisions/0025

/** A stream's segment until more is known of a path; to old peers for ever. spec/03 §5 */
export const BASE_SEGMENT: Bytes = 1_152;
/** What a direct datagram, and one for the relay, adds to a segment. */
const DIRECT_OVERHEAD: Bytes = HEADER_LENGTH + PILS_OVERHEAD;
const RELAYED_OVERHEAD: Bytes = DIRECT_OVERHEAD + RELAY_OVERHEAD;

// Chosen.

/** No path is taken to carry less: what every IPv4 host must receive, less headers. RFC 791 */
export const LEAST: Bytes = 548;
/** The largest payload of IPv4 whose frame a beacon of any kind could still have wrapped. */
export const LARGEST_DATAGRAM: Bytes = 65_507 - RELAY_OVERHEAD;
/** Of a relayed path only our own half is known: what Ethernet carries, so that no beacon is made to cut. */
export const LARGEST_RELAYED: Bytes = 1_472;
/** The first size above the base that is tried: most links are Ethernet. */
export const FIRST_GUESS: Bytes = 1_472;
/** Sizes of links there are, and steps below the base for paths that do not even carry that. */
export const RUNGS: readonly Bytes[] = [
  LEAST,
  1_000,
  1_200,
  1_252,
  1_332,
  1_372,
  1_392,
  1_412,
  1_444,
  1_452,
  1_464,
  1_472,
  2_276,
  4_324,
  8_164,
  8_868,
  8_952,
  8_972,
  16_356,
  32_740,
];
/** A gap between what passes and what does not is searched while it is more than this share of what passes. */
export const LEAST_GAIN = 1 / 128;
/** Probes of one size without an answer that make it too large. RFC 8899 §5.1.2 */
export const MAX_SIZE_PROBES = 3;
/** From the end of a search to the next one while data moves. RFC 8899 §5.1.1 */
export const RAISE_AFTER: Millis = 600_000;
/** Probes given up whose answers may only be late. */
export const MAX_LATE = 4;
/** Between the sizes that links have, it is not searched below this share. */
export const LEAST_STEP = 1 / 8;
/** Probes may cost this share of the data they serve, saved up to so much. */
export const PROBE_SHARE = 1 / 8;
export const MAX_CREDIT: Bytes = 262_144;
export const MIN_SIZE_TIMEOUT: Millis = 250;
export const MAX_SIZE_TIMEOUT: Millis = 3_000;

/** The datagram that carries a full segment of the base size. */
export function baseSize(relay: boolean): Bytes {
  return BASE_SEGMENT + (relay ? RELAYED_OVERHEAD : DIRECT_OVERHEAD);
}

/** Bytes of a packet's payload that a datagram of this size carries. */
export function payloadOf(size: Bytes, relay: boolean): Bytes {
  return size - (relay ? RELAYED_OVERHEAD : DIRECT_OVERHEAD);
}

export function sizeOf(payload: Bytes, relay: boolean): Bytes {
  return payload + (relay ? RELAYED_OVERHEAD : DIRECT_OVERHEAD);
}
