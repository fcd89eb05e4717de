import type { Millis } from '../../base/units.ts';

// All chosen: the wire leaves path selection to the nodes.

/** Probes of a path not proven yet, counted from when it became a candidate or a new attempt began. */
export const BURST: readonly Millis[] = [0, 60, 200, 500, 1_000, 2_000];
/** Direct candidates kept per peer. */
export const MAX_DIRECT = 8;
/** Beacons tried per peer. */
export const MAX_RELAYS = 3;
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
export const MAX_PROBE_TIMEOUT: Millis = 3_000;

/** A peer counts as in use for this long after data of applications moved. */
export const IN_USE: Millis = 15_000;
/** Packets at so many instants after a pause are none: an idle stream's keep-alive and its answer wake no probes. */
export const SPARSE = 2;
/** In use, the selected path is asked when nothing was heard on it for this long: who only receives notices the end, too. */
export const PULSE: Millis = 1_000;
/** In use, the selected path is measured at least so often, and the spare one asked. */
export const MEASURE: Millis = 5_000;
/** How soon after use begins the spare path is seen to. */
export const FIRST_SPARE: Millis = 300;
/** A path that let us down must answer so many probes in a row before it is preferred again, one more with each time, ... */
export const READY_STREAK = 3;
export const LONGEST_STREAK = 8;
/** ... asked one after the other with this pause, which doubles each time up to the longest, ... */
export const READY_PAUSE: Millis = 150;
export const LONGEST_READY_PAUSE: Millis = 2_400;
/** ... unless the last time is so long ago. */
export const LAPSE_FORGOTTEN: Millis = 60_000;

/** Direct attempts while relayed: first after this, then doubling up to the longest, as long as data moves at times. */
export const FIRST_UPGRADE: Millis = 1_000;
export const LONGEST_UPGRADE: Millis = 60_000;
export const UPGRADES_AFTER_USE: Millis = 60_000;
/** A path of the same kind takes over when it is faster by this factor. */
export const FASTER = 0.7;
/** ... and by at least this much. */
export const FASTER_BY: Millis = 5;
/** A path of a better kind is left when it is slower by this factor and this much, ... */
export const MUCH_SLOWER = { factor: 4, by: 150 } as const;
/** ... and taken back when it is not even slower by these. */
export const STILL_SLOWER = { factor: 3, by: 100 } as const;
/** Probes that loss is counted over, at most 30, and how many there must be. */
export const LOSS_WINDOW = 16;
export const MIN_LOSS_SAMPLES = 4;
/** A path is left for one that loses less by this share of probes, ... */
export const LOSSIER = 0.25;
/** ... and taken back when it loses no more than this share above the other. */
export const STILL_LOSSIER = 0.1;

export interface PathConfig {
  /** How long we may send nothing on an idle direct path, shortened at random by up to a quarter. @default 20 s */
  readonly keepAlive: Millis;
  /** A direct path without data for this long is not kept open any more. @default 10 min */
  readonly idleAfter: Millis;
  /** Never use a direct path: peers see only the beacon's address. @default false */
  readonly relayOnly: boolean;
}

export const PATH_DEFAULTS: PathConfig = { keepAlive: 20_000, idleAfter: 600_000, relayOnly: false };
