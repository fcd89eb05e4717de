import { after, type Seq } from '../../base/seq.ts';
import type { Instant, Millis } from '../../base/units.ts';
import { Deque } from './deque.ts';
import type { RttEstimator } from './rtt-estimator.ts';
import { IN_FLIGHT, type Segment } from './segment.ts';

/** Without a sign of reordering, this many segments delivered past a hole make it a loss at once. RFC 8985 §6.2 */
const DUPLICATE_THRESHOLD = 3;
const LARGEST_REORDER_STEPS = 16;
/** Recoveries without a spurious retransmission after which the tolerance is taken back. RFC 8985 §6.2 */
const REORDER_MEMORY = 16;

/**
 * Decides which segments in flight are lost (RACK, RFC 8985): those sent long enough before one that was delivered.
 * Works for retransmissions too, so a repeated loss does not wait for a timeout.
 */
export class LossDetector {
  /** Transmissions in order; the entry at position i has number `#first + i`. */
  readonly #transmissions = new Deque<Segment>();
  #first = 0;
  /** Number the next transmission gets. */
  nextOrder = 0;
  /** Newest transmission known to be delivered, and its round trip. */
  deliveredOrder = -1;
  #deliveredRtt: Millis = 0;
  #highestDelivered: Seq;
  #reordering = false;
  #reorderSteps = 1;
  #reorderRecoveries = 0;
  /** When the oldest suspect becomes a loss; Infinity when none is suspected. */
  dueAt: Instant = Number.POSITIVE_INFINITY;

  constructor(initial: Seq) {
    this.#highestDelivered = initial;
  }

  sent(segment: Segment, now: Instant): void {
    segment.order = this.nextOrder++;
    segment.sentAt = now;
    segment.transmissions++;
    this.#transmissions.push(segment);
  }

  delivered(segment: Segment, now: Instant, rtt: RttEstimator): void {
    if (after(segment.end, this.#highestDelivered)) this.#highestDelivered = segment.end;
    else if (segment.transmissions === 1) this.#reordering = true;
    const trip = now - segment.sentAt;
    // An answer faster than any round trip is to an earlier transmission: it says nothing about this one.
    if (segment.transmissions > 1 && trip < rtt.shortest) return;
    if (segment.order > this.deliveredOrder) {
      this.deliveredOrder = segment.order;
      this.#deliveredRtt = trip;
    }
  }

  /** The peer received a segment twice: the repetition was needless, so wait longer before the next. RFC 8985 §6.2 */
  spurious(): void {
    this.#reordering = true;
    this.#reorderSteps = Math.min(LARGEST_REORDER_STEPS, this.#reorderSteps + 1);
    this.#reorderRecoveries = REORDER_MEMORY;
  }

  recoveryEnded(): void {
    if (this.#reorderRecoveries > 0 && --this.#reorderRecoveries === 0) this.#reorderSteps = 1;
  }

  /** Calls `lost` for every segment that is lost by now and sets `dueAt`. */
  detect(
    now: Instant,
    rtt: RttEstimator,
    hasty: boolean,
    lost: (segment: Segment, now: Instant) => void,
  ): void {
    this.dueAt = Number.POSITIVE_INFINITY;
    const wait = this.#deliveredRtt + this.#tolerance(rtt, hasty);
    for (
      let segment = this.#transmissions.front();
      segment !== undefined;
      segment = this.#transmissions.front()
    ) {
      if (segment.order === this.#first && segment.state === IN_FLIGHT) {
        if (this.#first >= this.deliveredOrder) return;
        if (segment.sentAt + wait > now) {
          this.dueAt = segment.sentAt + wait;
          return;
        }
        lost(segment, now);
      }
      this.#transmissions.shift();
      this.#first++;
    }
  }

  /** `sackedSegments`: how many the peer holds out of order now. */
  hasty(inRecovery: boolean, sackedSegments: number): boolean {
    return !this.#reordering && (inRecovery || sackedSegments >= DUPLICATE_THRESHOLD);
  }

  #tolerance(rtt: RttEstimator, hasty: boolean): Millis {
    return hasty ? 0 : Math.min((this.#reorderSteps * rtt.shortest) / 4, rtt.smoothed);
  }
}
