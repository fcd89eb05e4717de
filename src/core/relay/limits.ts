/** Numbers of the beacon. */
import type { Bytes, Millis } from '../../base/units.ts';

// From spec/04 §4.

export const ENTRY_LIFETIME: Millis = 600_000;
export const SWEEP_INTERVAL: Millis = 60_000;
export const ENTRY_LIMIT = 100_000;
export const GOSSIP_INTERVAL: Millis = 10_000;

// Chosen.

/** An unsigned registration this young is not overwritten from another source. spec/04 'Wire-compatible mitigations' */
export const FRESH: Millis = 120_000;
/** How long a challenge may be answered: two registration periods of 60 s and some. */
export const CHALLENGE_LIFETIME: Millis = 150_000;
/** Node ids of all peer beacons together. */
export const REMOTE_LIMIT = 4 * ENTRY_LIMIT;
/** What one peer beacon may claim is bounded by what a datagram holds; its claim lapses after six missed gossips. */
export const REMOTE_LIFETIME: Millis = 60_000;
export const PEER_LIMIT = 64;
/** Sources that have a bucket; the longest idle one gives way. */
export const SOURCE_LIMIT = 16_384;

/** Registrations and punch requests of one host, per second and at once: a NAT may hide many nodes. */
export const CONTROL_RATE = 200;
export const CONTROL_BURST = 2_000;
/** Relayed bytes of one registered endpoint, per second and at once: 100 Mbit/s. */
export const RELAY_RATE: Bytes = 12_500_000;
export const RELAY_BURST: Bytes = 4_000_000;
/** Punches of one requester, per second and at once. Its address may be spoofed, so this bounds what a victim gets. */
export const PUNCH_RATE = 5;
export const PUNCH_BURST = 20;
/** Punches towards one node, per second and at once: each makes it send packets elsewhere. */
export const PUNCHED_RATE = 50;
export const PUNCHED_BURST = 200;
/** Signature checks of all sources together, per second and at once. */
export const VERIFY_RATE = 5_000;
export const VERIFY_BURST = 5_000;

/** Keys asked for at the same time, and how long answers are kept. */
export const KEY_WAIT_LIMIT = 4_096;
export const KEY_WAIT: Millis = 10_000;
export const KEY_LIMIT = 131_072;
export const KEY_LIFETIME: Millis = 300_000;
/** A key the directory named is good for this long while the directory can't be reached. */
export const KEY_REMEMBERED: Millis = 86_400_000;
/** An unknown node may register a moment later. */
export const UNKNOWN_KEY_LIFETIME: Millis = 5_000;
