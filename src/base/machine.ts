import type { Instant } from './units.ts';

/**
 * The shape of every protocol machine: no sockets, no clock, no promises.
 *
 * Single-mutation rule: after each call that changes state (a `handle*`, a command or `handleTimeout`) the
 * owner drains `poll()` until it returns undefined, then re-arms one timer at `nextTimeout()`.
 * Nothing in a machine throws because of bytes a peer sent.
 */
export interface Machine<Output> {
  /** Runs every timer due at or before `now`. */
  handleTimeout(now: Instant): void;
  /** The earliest instant at which `handleTimeout` has work, or undefined. */
  nextTimeout(): Instant | undefined;
  /** The next output, in order, or undefined when drained. */
  poll(): Output | undefined;
}
