import type { Instant, Millis } from '../../base/units.ts';
import type { CloseReason, ConnId, StreamOutput } from './types.ts';

/** What the owner of a stream has asked for and been told. Each thing is told once until it changes. */
export class OwnerSignals {
  readonly #id: ConnId;
  readonly #output: (output: StreamOutput) => void;
  /** The owner writes no more. */
  writesEnded = false;
  /** And waits no longer for what the peer has to say. */
  closeCalled = false;
  /** The owner has read the end of the peer's direction. */
  endSeen = false;
  /** When the owner last read, or closed. */
  readAt: Instant = 0;
  /** The owner was refused room to write. */
  wantsRoom = false;
  closedSent = false;
  #readable = false;

  constructor(id: ConnId, output: (output: StreamOutput) => void) {
    this.#id = id;
    this.#output = output;
  }

  /** When a finished stream is forgotten; a reader that has not closed may take its time. */
  forgottenAt(until: Instant, unreadLinger: Millis): Instant {
    if (this.closedSent) return until;
    return this.closeCalled ? Math.max(until, this.readAt + unreadLinger) : Number.POSITIVE_INFINITY;
  }

  connected(): void {
    this.#output({ type: 'connected', conn: this.#id });
  }

  dialFailed(reason: CloseReason): void {
    this.closedSent = true;
    this.#output({ type: 'dialFailed', conn: this.#id, reason });
  }

  /** There is something to read where there was nothing. */
  readable(): void {
    if (this.#readable) return;
    this.#readable = true;
    this.#output({ type: 'readable', conn: this.#id });
  }

  /** The owner has taken everything. */
  drained(): void {
    this.#readable = false;
  }

  /** The peer finished: told even if the owner knows of unread data. */
  ended(): void {
    this.#readable = true;
    this.#output({ type: 'readable', conn: this.#id });
  }

  writable(): void {
    this.wantsRoom = false;
    this.#output({ type: 'writable', conn: this.#id });
  }

  finished(): void {
    this.#output({ type: 'finished', conn: this.#id });
  }

  closed(reason: CloseReason): void {
    if (this.closedSent) return;
    this.closedSent = true;
    this.#output({ type: 'closed', conn: this.#id, reason });
  }
}
