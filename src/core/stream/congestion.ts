import type { Bytes, Instant, Millis } from '../../base/units.ts';

/** What an acknowledgment told about the path. The object is reused: nothing may keep it. */
export interface AckSample {
  now: Instant;
  /** Bytes newly known to have arrived. */
  fresh: Bytes;
  /** Round trip of the newest of them; 0 when it says nothing (Karn). */
  rtt: Millis;
  /** Smallest round trip of late, and the smoothed one. */
  floor: Millis;
  smoothed: Millis;
  /** Something sent after the last round began was delivered: a new one begins. */
  roundEnded: boolean;
  /** The window or the pace, not the application, bounded what was in flight, in this round or the last. */
  limited: boolean;
  /** Bytes per ms at which they were delivered; 0 when it could not be measured. */
  rate: number;
  /** The application, not the path, bounded that rate. */
  rateLimited: boolean;
  /** Bytes believed to be on the way after it. */
  pipe: Bytes;
}

export function newAckSample(): AckSample {
  return {
    now: 0,
    fresh: 0,
    rtt: 0,
    floor: 0,
    smoothed: 0,
    roundEnded: false,
    limited: false,
    rate: 0,
    rateLimited: false,
    pipe: 0,
  };
}

/** A segment that was found lost. The object is reused. */
export interface LossSample {
  now: Instant;
  bytes: Bytes;
  /** Bytes sent and not acknowledged. */
  outstanding: Bytes;
  /** The window was not yet reduced for the flight it belongs to. */
  firstOfFlight: boolean;
  floor: Millis;
}

/** Decides how much may be in flight and how fast it is sent. One per stream; all in bytes. */
export interface CongestionController {
  readonly window: Bytes;
  /** Where growth turns careful; Infinity when that is not known. For display. */
  readonly threshold: Bytes;
  /** Bytes per ms at which segments should leave. */
  pace(smoothed: Millis): number;
  /** Segments hold so many bytes from now on. */
  setSegment(bytes: Bytes): void;
  acked(sample: AckSample): void;
  /** Returns true when the window was reduced: later losses of the same flight are not the first. */
  lost(sample: LossSample): boolean;
  /** Everything in flight is presumed lost. `firstOfEpisode`: not a repeated timeout. */
  timedOut(firstOfEpisode: boolean): void;
  /** The last reduction was for segments that turned out to have arrived. */
  undo(): void;
  /** Nothing was in flight for `duration`. */
  idle(duration: Millis, timeout: Millis): void;
}

/** A round trip of so many samples that is this much slower than the floor tells of a queue. RFC 9406 §4.2 */
export const QUEUE_SAMPLES = 8;
const QUEUE_LEAST: Millis = 4;
const QUEUE_MOST: Millis = 16;

/** Whether a queue builds up while the rate still grows: `fastest` of `samples` trips of this round, above the path's floor. */
export function queueBuilds(samples: number, fastest: Millis, floor: Millis): boolean {
  const slack = Math.min(QUEUE_MOST, Math.max(QUEUE_LEAST, floor / 8));
  return samples >= QUEUE_SAMPLES && fastest >= floor + slack;
}

/** RFC 6928. */
const INITIAL_SEGMENTS = 10;
const INITIAL_MOST: Bytes = 14_600;
/** No window is larger: more than this in flight helps no path this product will see. */
export const CEILING: Bytes = 64 * 1024 * 1024;

/** RFC 6928 §2; large segments begin with two, because ten would be a megabyte at once. */
export function initialWindow(segment: Bytes): Bytes {
  return Math.max(Math.min(INITIAL_SEGMENTS * segment, INITIAL_MOST), 2 * segment);
}
