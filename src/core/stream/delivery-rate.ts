import type { Bytes, Instant, Millis } from '../../base/units.ts';
import type { Segment } from './segment.ts';

/**
 * How fast a path delivers (draft-ietf-ccwg-bbr, "delivery rate samples"): for each segment, what was delivered
 * between its departure and its acknowledgment, over the longer of the time that took to send and to acknowledge.
 */
export class DeliveryRate {
  #delivered: Bytes = 0;
  #deliveredAt: Instant = 0;
  #firstSentAt: Instant = 0;
  /** What is delivered up to here was sent by an application that had no more to send. */
  #limitedUntil: Bytes = 0;
  // Of the newest segment since the last `take`.
  #priorDelivered: Bytes = -1;
  #priorAt: Instant = 0;
  #sendElapsed: Millis = 0;
  #newestSentAt: Instant = 0;
  /** Bytes per ms; 0 when unknown. And whether the application bounded it. */
  rate = 0;
  limited = false;

  /** `idle`: nothing else is in flight. */
  sent(segment: Segment, idle: boolean, now: Instant): void {
    if (idle) {
      this.#firstSentAt = now;
      this.#deliveredAt = now;
    }
    segment.delivered = this.#delivered;
    segment.deliveredAt = this.#deliveredAt;
    segment.firstOfSample = this.#firstSentAt;
    segment.limited = this.#limitedUntil > 0;
  }

  delivered(segment: Segment, now: Instant): void {
    this.#delivered += segment.length;
    this.#deliveredAt = now;
    const newer =
      segment.delivered > this.#priorDelivered ||
      (segment.delivered === this.#priorDelivered && segment.sentAt > this.#newestSentAt);
    if (!newer) return;
    this.#priorDelivered = segment.delivered;
    this.#priorAt = segment.deliveredAt;
    this.#sendElapsed = segment.sentAt - segment.firstOfSample;
    this.#newestSentAt = segment.sentAt;
    this.#firstSentAt = segment.sentAt;
    this.limited = segment.limited;
  }

  /** Computes `rate` from what was delivered since the last call. Samples over less than `shortest` are dropped. */
  take(shortest: Millis): void {
    this.rate = 0;
    if (this.#limitedUntil > 0 && this.#delivered > this.#limitedUntil) this.#limitedUntil = 0;
    if (this.#priorDelivered < 0) return;
    const elapsed = Math.max(this.#sendElapsed, this.#deliveredAt - this.#priorAt);
    if (elapsed > 0 && elapsed >= shortest) this.rate = (this.#delivered - this.#priorDelivered) / elapsed;
    this.#priorDelivered = -1;
  }

  /** There is no more to send though the path would take more. `pipe`: bytes on the way. */
  nothingToSend(pipe: Bytes): void {
    this.#limitedUntil = this.#delivered + Math.max(1, pipe);
  }
}
