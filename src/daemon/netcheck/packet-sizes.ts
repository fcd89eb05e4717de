import { RELAY_OVERHEAD } from '../../wire/beacon.ts';
import { PILS_OVERHEAD } from '../../wire/tunnel-frames.ts';

/** Header of a packet and the most that a stream puts into one. */
const PACKET = 34 + 1_152;

/** The largest UDP payload that a tunnel sends by itself: a full segment, sealed and wrapped for the relay. */
export const NEEDED_SIZE = PACKET + PILS_OVERHEAD + RELAY_OVERHEAD;

/**
 * UDP payloads tried, from what Ethernet carries over IPv4 down to what every IPv4 host takes; among them what PPPoE
 * and the least IPv6 link carry.
 */
export const PACKET_SIZES: readonly number[] = [1_472, 1_444, 1_372, NEEDED_SIZE, 1_200, 1_000, 548];
