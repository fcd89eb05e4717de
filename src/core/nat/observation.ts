import type { Endpoint, Instant, Millis } from '../../base/units.ts';

/** What was asked of a beacon about one socket of ours, and what it saw. */
export interface Observation {
  readonly beacon: Endpoint;
  /** Asked at the beacon's second port: another vantage point on the same host. */
  readonly alternate: boolean;
  /** The answer was to come from the port that was not asked: an answer means that the filter lets it in. */
  readonly unsolicited: boolean;
  /** Our socket; 0 is the tunnel's main one. */
  readonly via: number;
  /** Questions sent since the last answer, and when the first and the last of them were. */
  readonly unanswered: number;
  readonly firstAskedAt: Instant;
  readonly askedAt: Instant;
  /** How the beacon sees the socket; undefined without an answer. */
  readonly endpoint: Endpoint | undefined;
  /** When it was first seen there, and when last. */
  readonly since: Instant | undefined;
  readonly at: Instant | undefined;
  /** Round trip of the last answer. */
  readonly rtt: Millis | undefined;
}
