import type { Seq } from '../../base/seq.ts';
import type { Bytes, Instant } from '../../base/units.ts';

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
}
