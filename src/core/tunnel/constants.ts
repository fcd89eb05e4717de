import type { Millis } from '../../base/units.ts';

// Given by the wire (spec/02 §7.3).

/** Packets that wait per peer for a key. */
export const MAX_PENDING = 64;

// Chosen.

/** Packets that found no key in this time are dropped: their senders have repeated them by then. */
export const PENDING_LIFETIME: Millis = 5_000;
/** Key exchange: first repetition, and the longest gap between two. */
export const FIRST_RETRY: Millis = 200;
export const LONGEST_RETRY: Millis = 2_000;
/** After this long without an answer the attempts thin out. */
export const PATIENCE: Millis = 15_000;
export const LONGEST_LATE_RETRY: Millis = 15_000;
/** Attempts end when nothing was to be sent for this long. */
export const WANTED_FOR: Millis = 60_000;
/** No answer for this long is reported once. */
export const UNREACHABLE_AFTER: Millis = 8_000;
/** A rekey that is not answered is put off. */
export const REKEY_RETRIES = 8;
export const REKEY_PAUSE: Millis = 60_000;
/** Least time between key exchanges that silence causes. */
export const REESTABLISH_PAUSE: Millis = 5_000;
/** Least time between two answers to unproven key exchanges on one path. */
export const ANSWER_PAUSE: Millis = 150;
/** Least time between two key exchanges that frames without a key, or repeated known keys, draw from us. */
export const HELLO_PAUSE: Millis = 1_000;
/** Frames that no key opens: after this long the peer is taken to have missed that our offer needs an answer. */
export const UNOPENED_PATIENCE: Millis = 150;
/** Largest plaintext packet: what fits a relayed UDP datagram over IPv4. spec/01 §7 */
export const MAX_PLAINTEXT = 65_507 - 36 - 9;
/** Probes waiting for their answer, per peer. */
export const MAX_PROBES = 48;
/** An answer later than this proves nothing any more. */
export const PROBE_LIFETIME: Millis = 10_000;
/** A punch command within this time after a request is taken as its answer. */
export const PUNCH_ANSWER_TIME: Millis = 5_000;
/** Re-asking the directory for the endpoints of one peer. */
export const ENDPOINTS_PAUSE: Millis = 10_000;
/** Beacons asked for one punch. */
export const MAX_PUNCH_BEACONS = 3;
