import type { Millis } from '../../base/units.ts';

// All chosen: the wire leaves path selection to the nodes.

/** Probes of a path not proven yet, counted from when it became a candidate or a new attempt began. */
export const BURST: readonly Millis[] = [0, 60, 200, 500, 1_000, 2_000];
/** Direct candidates kept per peer. */
export const MAX_DIRECT = 8;
/** Beacons tried per peer. */
export const MAX_RELAYS = 2;
/** LAN addresses of a peer that are tried. */
export const MAX_LAN = 4;
/** Paths one frame is sent on while none is proven. */
export const MAX_UNPROVEN_ROUTES = 3;

/** Data was sent and nothing came back for this long: ask whether the path still works. */
export const SILENCE: Millis = 500;
/** Unanswered probes after which a path is given up. */
export const MAX_MISSES = 2;
/** A path not heard for this long is doubted at once when it is used again: NAT mappings expire after 30 s and more. */
export const STALE: Millis = 25_000;
export const STALE_PROBE_TIMEOUT: Millis = 300;
export const MIN_PROBE_TIMEOUT: Millis = 400;
export const MAX_PROBE_TIMEOUT: Millis = 1_500;

/** Direct attempts while relayed: first after this, then doubling up to the longest. */
export const FIRST_UPGRADE: Millis = 1_000;
export const LONGEST_UPGRADE: Millis = 60_000;
/** A path of the same kind takes over when it is faster by this factor. */
export const FASTER = 0.7;
/** ... and by at least this much. */
export const FASTER_BY: Millis = 5;

export interface PathConfig {
  /** How long a selected direct path may be idle before it is refreshed, shortened at random by up to a quarter. @default 20 s */
  readonly keepAlive: Millis;
  /** Paths of a peer without data for this long are neither refreshed nor improved. @default 10 min */
  readonly idleAfter: Millis;
  /** Never use a direct path: peers see only the beacon's address. @default false */
  readonly relayOnly: boolean;
}

export const PATH_DEFAULTS: PathConfig = { keepAlive: 20_000, idleAfter: 600_000, relayOnly: false };
