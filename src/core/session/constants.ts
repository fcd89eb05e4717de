import type { Millis } from '../../base/units.ts';

// Given by the wire (spec/02 §4).

/** HKDF info of the tunnel key. */
export const KEY_INFO = 'pilot-tunnel-v1';

// Chosen.

/**
 * Prefixes one key accepts. Old peers start a new one for each PILA of ours (spec/02 §15); every prefix keeps its
 * window for the life of the key, because forgetting one would let its recorded frames in again.
 */
export const MAX_PREFIXES = 16;
/** From here on a new key is asked for, so that the limit above is never met in practice. */
export const REKEY_PREFIXES = 8;

/** Keys derived but not yet proven by a frame: the one in the making, and room for those that replays suggest. */
export const MAX_CANDIDATES = 3;
/** Keys of the peer one offer is combined with before a fresh one takes its place. */
export const MAX_PAIRS = 32;
/** A candidate nobody proves in this time is dropped. */
export const CANDIDATE_LIFETIME: Millis = 15_000;
/** How long the first key is trusted for sending before any frame has proven it: about one slow round trip. */
export const UNPROVEN_SEND_TIME: Millis = 1_000;
/** Frames sealed under the key before the current one may still be on their way. */
export const PREVIOUS_LIFETIME: Millis = 10_000;
/** Peer keys that were replaced and are never accepted again. */
export const MAX_RETIRED = 64;
/** A key under which the peer was heard in this time needs no confirmation. */
export const FRESH: Millis = 2_000;
/** An offer with no key in answer after this many sendings is replaced: an old peer answers only a changed key. */
export const OFFER_SENDINGS = 3;
/** A key derived from our offer that no frame has proven by now was not the peer's. */
export const PROOF_PATIENCE: Millis = 5_000;
/** Nothing is ever sealed beyond this counter; a new key is asked for long before. */
export const MAX_COUNTER = 2 ** 48;

export interface SessionConfig {
  /** Age at which a key in use is replaced. @default 15 min */
  readonly rekeyAfter: Millis;
  /** The same for peers that keep one X25519 key for life: they lose the packets of one round trip. @default 120 min */
  readonly rekeyAfterOldPeer: Millis;
  /** Packets sealed under one key before it is replaced. @default 2^32 */
  readonly rekeyPackets: number;
}

export const SESSION_DEFAULTS: SessionConfig = {
  rekeyAfter: 15 * 60_000,
  rekeyAfterOldPeer: 120 * 60_000,
  rekeyPackets: 2 ** 32,
};
