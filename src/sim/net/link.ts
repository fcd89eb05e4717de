import type { Random } from '../../base/random.ts';
import type { Bytes, Millis } from '../../base/units.ts';
import { between, chance } from './seeded-random.ts';

/** How a link treats packets. Each direction has its own queue. */
export interface LinkConditions {
  /** One way. */
  readonly delay: Millis;
  /** Up to this much more, without reordering. */
  readonly jitter: Millis;
  /** Probability of 0 to 1. */
  readonly loss: number;
  readonly duplicate: number;
  /** Probability that a packet is held back so that later ones overtake it. */
  readonly reorder: number;
  /** Bytes per millisecond; Infinity for no limit. */
  readonly rate: number;
  /** Largest IP packet; larger ones vanish. No packet is ever cut. */
  readonly mtu: Bytes;
  /** Bytes that may wait when `rate` is reached; more are dropped at the tail. */
  readonly queue: number;
}

export const IDEAL: LinkConditions = {
  delay: 0.2,
  jitter: 0,
  loss: 0,
  duplicate: 0,
  reorder: 0,
  rate: Number.POSITIVE_INFINITY,
  queue: Number.POSITIVE_INFINITY,
  mtu: 1_500,
};

/** Longest that a reordered packet is held back. */
const HELD_BACK: Millis = 60;

export type Direction = 'up' | 'down';

/** What becomes of one packet on one link. */
export interface Transit {
  readonly delay: Millis;
  readonly reordered: boolean;
  readonly duplicated: boolean;
}

/** The access link of a host, or the uplink of a NAT. */
export class Link {
  conditions: LinkConditions;
  /** A link that is down loses everything. */
  up = true;
  /** Instants until which each direction is busy sending what is queued. */
  readonly #busyUntil = { up: 0, down: 0 };
  readonly #random: Random;

  constructor(conditions: LinkConditions, random: Random) {
    this.conditions = conditions;
    this.#random = random;
  }

  /** Undefined when the packet is lost. */
  carry(bytes: number, direction: Direction, now: number): Transit | undefined {
    const { delay, jitter, loss, duplicate, reorder, rate, queue } = this.conditions;
    if (!this.up || (loss > 0 && chance(this.#random, loss))) return undefined;
    let waiting = 0;
    if (rate !== Number.POSITIVE_INFINITY) {
      waiting = Math.max(0, this.#busyUntil[direction] - now);
      if (waiting * rate + bytes > queue) return undefined;
      waiting += bytes / rate;
      this.#busyUntil[direction] = now + waiting;
    }
    const reordered = reorder > 0 && chance(this.#random, reorder);
    return {
      delay:
        delay +
        waiting +
        (jitter > 0 ? between(this.#random, 0, jitter) : 0) +
        (reordered ? between(this.#random, 0, HELD_BACK) : 0),
      reordered,
      duplicated: duplicate > 0 && chance(this.#random, duplicate),
    };
  }
}
