/** Numbers of the trust handshake. */
import type { Bytes, Millis } from '../../base/units.ts';

// From spec/11 §8.

/** Oldest unsigned-content message taken on port 444. */
export const LEGACY_MAX_AGE: Millis = 300_000;
/** How far in the future an unsigned-content message may be dated. */
export const LEGACY_MAX_SKEW: Millis = 30_000;
export const REPLAY_RETENTION: Millis = 600_000;
export const REPLAY_LIMIT = 8192;
export const PENDING_LIMIT = 256;
export const JUSTIFICATION_LIMIT: Bytes = 1024;

// Chosen.

const DAY: Millis = 86_400_000;
/** A message must fit one segment of our streams (1152 bytes) with room to spare, because old peers read one segment. */
export const DIRECT_LIMIT: Bytes = 1100;
/** How long a request waits for its answer; also the oldest signed message that is still heard. */
export const REQUEST_LIFETIME: Millis = 7 * DAY;
/** Signed messages are ordered by the sender's own clock, so a wrong clock alone does no harm. */
export const SIGNED_MAX_SKEW: Millis = DAY;
export const OUTGOING_LIMIT = 256;
export const TRUSTED_LIMIT = 16_384;
export const TOMBSTONE_LIMIT = 4096;
export const REGISTER_LIMIT = 4096;
export const ANSWER_LIMIT = 1024;
/** Requests of ours that are over; a second copy of the answer is then no surprise. */
export const CLOSED_LIMIT = 256;

/** Messages held while the directory is asked for the sender's key: all together, and of one sender. */
export const WAITING_LIMIT = 128;
export const WAITING_PER_PEER = 4;
export const WAITING_DIRECT: Millis = 30_000;
export const WAITING_RELAYED: Millis = 300_000;
export const KEY_ASK_INTERVAL: Millis = 20_000;
export const KEY_CACHE_LIMIT = 256;
export const KEY_CACHE_LIFETIME: Millis = 60_000;

/** A first request gets this long to arrive directly before the registry relays it. */
export const RELAY_GRACE: Millis = 1_000;
/** After an outage of the registry, what is to be told it is told within this. */
export const REGISTRY_SPREAD: Millis = 300;
/** An attempt of which nothing was heard counts as lost after this. */
export const FLIGHT_LIMIT: Millis = 60_000;
export const ERRAND_LIMIT = 1024;

/** Share of a certificate's life after which its successor is asked for, and by how much of it one may be early. */
export const RENEW_AT = 2 / 3;
export const RENEW_JITTER = 0.05;
/** The wall clock is looked at this often while any trust has an end. */
export const EXPIRY_LOOK: Millis = 3_600_000;
/** Questions for new certificates that may be open at once after our key changed. */
export const SUCCESSORS_AT_ONCE = 64;
