import type { Seq } from '../../base/seq.ts';
import type { Bytes, Instant } from '../../base/units.ts';
import { looksLikeSack } from '../../wire/sack.ts';

/** Where a sent segment is, as far as the sender knows. */
export const IN_FLIGHT = 0;
export const LOST = 1;
/** Arrived out of order: the receiver holds it but may not have delivered it. */
export const SACKED = 2;
export const ACKED = 3;

/** Bytes sent once under these boundaries, and repeated only under them: old receivers match exact starts. spec/03 §5 */
export interface Segment {
  readonly seq: Seq;
  /** Sequence number after the last byte. */
  readonly end: Seq;
  readonly length: Bytes;
  readonly payload: Uint8Array;
  state: number;
  sentAt: Instant;
  readonly firstSentAt: Instant;
  /** Number of the latest transmission, counted over the connection. */
  order: number;
  transmissions: number;
  /** As of the latest transmission, for `DeliveryRate`: bytes delivered by then, when, and who opened the sample. */
  delivered: Bytes;
  deliveredAt: Instant;
  firstOfSample: Instant;
  limited: boolean;
}

/** First piece of a segment that a receiver would otherwise take for SACK. spec/03 §10 rule 5 */
const SACK_SAFE_LENGTH = 4;

/** `length`, or less when so many bytes from `at` on would be taken for SACK. */
export function safeLength(payload: Uint8Array, at: number, length: Bytes): Bytes {
  return looksLikeSack(payload, at, length) ? SACK_SAFE_LENGTH : length;
}
