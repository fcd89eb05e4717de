import type { Random } from '../../base/random.ts';
import type { Endpoint, Instant } from '../../base/units.ts';
import type { PunchMessage } from '../../wire/path-message.ts';

/** What an attempt can do. Every packet it sends is paid for here. */
export interface PunchPort {
  readonly random: Random;
  /** A further local socket; undefined when there are too many. */
  openSocket(): number | undefined;
  /** Asks a beacon at which port this socket is seen: `measured` follows, or nothing. False without a beacon. */
  measure(via: number, now: Instant): boolean;
  /** Sends a sealed frame that says nothing. False when the budget is spent. */
  shoot(to: Endpoint, via: number, now: Instant): boolean;
  tell(step: PunchMessage['step'], host: string, ports: readonly number[], now: Instant): void;
}

/** One attempt to open a way through both translators. Success is noticed by others: a frame of the peer arrives. */
export interface Attempt {
  readonly strategy: PunchMessage['strategy'];
  /** The most packets this side may send. */
  readonly budget: number;
  /** A socket of ours is seen at this endpoint. */
  measured(via: number, endpoint: Endpoint, now: Instant): void;
  /** The peer's part. Its host is one that others saw it at. */
  told(message: PunchMessage, now: Instant): void;
  handleTimeout(now: Instant): void;
  /** Infinity when nothing is due. */
  nextTimeout(): Instant;
  /** It cannot succeed any more. */
  readonly over: boolean;
}

/** Ports that translators give out: 1024 to 65535. */
export const FIRST_PORT = 1_024;
export const PORT_COUNT = 65_536 - FIRST_PORT;

/** `port` moved on by `steps`, as allocators wrap around. */
export function portAfter(port: number, steps: number): number {
  return FIRST_PORT + ((((port - FIRST_PORT + steps) % PORT_COUNT) + PORT_COUNT) % PORT_COUNT);
}

/** Actions at instants, in order. */
export class Agenda {
  #entries: { readonly at: Instant; readonly run: (now: Instant) => void }[] = [];

  at(when: Instant, run: (now: Instant) => void): void {
    this.#entries.push({ at: when, run });
    this.#entries.sort((a, b) => a.at - b.at);
  }

  handleTimeout(now: Instant): void {
    while (this.#entries[0] !== undefined && this.#entries[0].at <= now) this.#entries.shift()!.run(now);
  }

  nextTimeout(): Instant {
    return this.#entries[0]?.at ?? Number.POSITIVE_INFINITY;
  }

  clear(): void {
    this.#entries = [];
  }
}
