import { add, after, distance, type Seq } from '../../base/seq.ts';
import type { Bytes, Instant, Millis } from '../../base/units.ts';
import { OLD_OUT_OF_ORDER_LIMIT, SLOT_BYTES } from './config.ts';
import type { Flight } from './flight.ts';

/** How long a window of zero, which means a full queue at an old peer, is respected before one segment probes it. */
const FULL_PEER_PAUSE: Millis = 200;

/** What the peer has room for: bytes if it announced the stream options, segments of any size otherwise. */
export class PeerWindow {
  /** It counts bytes, and keeps all that fits out of order. */
  countsBytes = false;
  /** As advertised, in slots; at least 1. */
  slots = 1;
  /** An old peer's queue is full until then. 0 when it is not. */
  heldUntil: Instant = 0;
  /** With bytes: the first sequence number that must not be sent, and the largest window there ever was. */
  #edge: Seq;
  #largest: Bytes = 0;

  constructor(first: Seq) {
    this.#edge = first;
  }

  /** The window of a packet with an acceptable ack. Returns true when it opened after holding us up. */
  set(ack: Seq, slots: number, now: Instant): boolean {
    const before = this.slots;
    this.slots = Math.max(slots, 1);
    if (this.countsBytes) {
      const bytes = this.slots * SLOT_BYTES;
      const edge = add(ack, bytes);
      // A window never shrinks (RFC 9293 §3.8.6): an earlier edge is an overtaken packet's.
      if (after(edge, this.#edge)) this.#edge = edge;
      this.#largest = Math.max(this.#largest, bytes);
    } else if (slots === 0) {
      this.heldUntil = now + FULL_PEER_PAUSE;
    }
    return before === 1 && this.slots > 1;
  }

  /** Bytes the next segment at `next` may have of those wanted; 0 when it has to wait. `whole`: no crumb. */
  room(next: Seq, wanted: Bytes, whole: Bytes, flight: Flight, now: Instant): Bytes {
    if (!this.countsBytes) {
      const count = flight.length;
      if (count >= this.slots || this.heldUntil > now) return 0;
      // Beyond a hole an old receiver keeps 128 segments; more would be thrown away there.
      return flight.sacked === 0 || count < OLD_OUT_OF_ORDER_LIMIT ? wanted : 0;
    }
    const room = distance(this.#edge, next);
    if (room >= wanted) return wanted;
    // With nothing on the way no acknowledgment would say that there is more.
    if (flight.length === 0) return Math.max(0, room);
    // Rather a part than none in a window smaller than a segment; but no crumbs (RFC 9293 §3.8.6.2.1).
    return room >= Math.min(whole, wanted) && 2 * room >= this.#largest ? room : 0;
  }
}
