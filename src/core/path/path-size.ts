import type { Bytes, Instant, Millis } from '../../base/units.ts';
import {
  baseSize,
  FIRST_GUESS,
  LEAST,
  LEAST_GAIN,
  LEAST_STEP,
  MAX_CREDIT,
  MAX_LATE,
  MAX_SIZE_PROBES,
  MAX_SIZE_TIMEOUT,
  MIN_SIZE_TIMEOUT,
  PROBE_SHARE,
  RAISE_AFTER,
  RUNGS,
} from './sizes.ts';

const NEVER = Number.POSITIVE_INFINITY;

/** What the search needs to know of its path. */
interface Watched {
  /** The last sign that the path works, whatever the size. */
  readonly aliveAt: Instant;
  readonly rtt: Millis | undefined;
}

export interface SizeProbe {
  readonly size: Bytes;
  /** To be repeated by the answer. */
  readonly sequence: number;
}

interface Asked {
  readonly size: Bytes;
  /** That of the first of its probes: an answer to any of them will do. */
  readonly sequence: number;
  tries: number;
  readonly since: Instant;
}

/** `searching`: larger sizes are tried as data pays for it. `settled`: not before some minutes have passed. */
export type SizePhase = 'base' | 'searching' | 'settled';

/**
 * How large the datagrams of one path may be: datagram packetization layer path MTU discovery (RFC 8899). Larger sizes
 * are probed while data moves, within a share of it, and only with a peer that answers such probes. The size in use is
 * asked for again whenever the path itself is, so a path that begins to swallow large datagrams is noticed.
 */
export class PathSize {
  readonly #base: Bytes;
  #size: Bytes;
  /** The least size known not to pass. */
  #refused = NEVER;
  /** Most that can leave by our own link; undefined: nothing above the base is tried. */
  #ceiling: Bytes | undefined;
  /** The most the peer takes; 0 while it answers no such probes. */
  #theirs: Bytes = 0;
  #maxTries = MAX_SIZE_PROBES;
  #asked: Asked | undefined;
  /** Given up, but their answers may only be late. */
  #late: readonly Asked[] = [];
  #credit: Bytes = 0;
  /** The largest datagram sent since a size was last confirmed. */
  #largest: Bytes = 0;
  #doubted = false;
  #settledAt: Instant | undefined;
  #due: Instant = NEVER;
  /** What the next probe of the search costs; NEVER when there is none to send. */
  #cost = NEVER;

  constructor(relay: boolean) {
    this.#base = baseSize(relay);
    this.#size = this.#base;
  }

  /** UDP payload that a datagram may have. */
  get size(): Bytes {
    return this.#size;
  }

  /**
   * The largest datagram that is not known to be too large; undefined when nothing is known, or when our system cuts
   * what is too large.
   */
  get limit(): Bytes | undefined {
    if (this.#ceiling === undefined || this.#maxTries === 1) return undefined;
    return Math.max(this.#size, Math.min(this.#ceiling, this.#refused - 1));
  }

  get phase(): SizePhase {
    if (this.#theirs === 0 || this.#ceiling === undefined) return 'base';
    return this.#asked !== undefined || this.#cost !== NEVER ? 'searching' : 'settled';
  }

  get due(): Instant {
    return this.#due;
  }

  /** `ceiling`: most that can leave by our own link; undefined when unknown. `once`: only a first probe tells. */
  setLimits(ceiling: Bytes | undefined, once: boolean): void {
    const tries = once ? 1 : MAX_SIZE_PROBES;
    if (ceiling === this.#ceiling && tries === this.#maxTries) return;
    this.#ceiling = ceiling;
    this.#maxTries = tries;
    if (ceiling !== undefined && ceiling < this.#size && ceiling >= LEAST) this.#size = ceiling;
    this.#searchAgain();
  }

  /** The most the peer takes; 0 when it answers no such probes. */
  setTheirs(bytes: Bytes): void {
    if (bytes === this.#theirs) return;
    this.#theirs = bytes;
    if (bytes === 0) this.reset();
    else this.#searchAgain();
  }

  /** The path is not the one that was measured any more. */
  reset(): void {
    this.#size = Math.max(LEAST, Math.min(this.#base, this.#ceiling ?? this.#base));
    this.#late = [];
    this.#doubted = false;
    this.#largest = 0;
    this.#credit = 0;
    this.#searchAgain();
  }

  /** A datagram of an application left by the path. Costs next to nothing. */
  carried(bytes: Bytes, now: Instant): void {
    if (bytes > this.#largest) this.#largest = bytes;
    if (this.#credit < MAX_CREDIT) this.#credit += bytes * PROBE_SHARE;
    if (this.#due !== NEVER || this.#theirs === 0) return;
    if (this.#settledAt !== undefined && now - this.#settledAt >= RAISE_AFTER) this.#searchAgain();
    if (this.#credit >= this.#cost) this.#due = now;
  }

  /** Does what is in use still pass? Asked along with the path itself. */
  doubt(now: Instant): void {
    if (this.#theirs === 0 || this.#largest <= LEAST || this.#asked !== undefined) return;
    this.#doubted = true;
    this.#due = now;
  }

  /** Our own system refuses datagrams of this size. True when the size in use was one. */
  refused(size: Bytes, now: Instant): boolean {
    if (size >= this.#refused || size <= LEAST) return false;
    if (this.#asked !== undefined && this.#asked.size >= size) this.#asked = undefined;
    return this.#tooLarge(size, now);
  }

  /** Runs the timers; the probe to send now, if any. `sequence`: for a probe of a new size. */
  work(now: Instant, path: Watched, sequence: () => number): SizeProbe | undefined {
    if (this.#due > now) return undefined;
    if (this.#asked !== undefined && this.#asked.tries >= this.#maxTriesOf(this.#asked))
      this.#gaveUp(this.#asked, path, now);
    this.#asked ??= this.#next(now, sequence);
    const asked = this.#asked;
    if (asked === undefined) {
      this.#due = NEVER;
      return undefined;
    }
    asked.tries++;
    this.#credit -= asked.size;
    const timeout = Math.max(MIN_SIZE_TIMEOUT, 2 * (path.rtt ?? 0) + 200);
    this.#due = now + Math.min(MAX_SIZE_TIMEOUT, timeout);
    return asked;
  }

  /** A probe was answered. */
  answered(sequence: number, now: Instant): void {
    const isLate = this.#asked?.sequence !== sequence;
    const asked = isLate ? this.#late.find((one) => one.sequence === sequence) : this.#asked;
    if (asked === undefined) return;
    if (isLate) this.#late = this.#late.filter((one) => one !== asked);
    else this.#asked = undefined;
    this.#largest = 0;
    if (asked.size > this.#size) this.#size = asked.size;
    if (this.#refused <= asked.size) {
      this.#refused = NEVER;
      this.#settledAt = undefined;
    }
    // What is asked right now may have become pointless.
    if (this.#asked !== undefined && this.#asked.size <= this.#size) this.#asked = undefined;
    this.#plan(now);
  }

  #maxTriesOf({ size }: Asked): number {
    return size > this.#size ? this.#maxTries : MAX_SIZE_PROBES;
  }

  #gaveUp(asked: Asked, path: Watched, now: Instant): void {
    this.#asked = undefined;
    if (path.aliveAt < asked.since) {
      // Nothing came at all: the path itself is in question, and not the size.
      this.#credit = 0;
      return;
    }
    this.#late = [...this.#late.slice(1 - MAX_LATE), asked];
    this.#tooLarge(asked.size, now);
  }

  /** True when the size in use is too large as well. */
  #tooLarge(size: Bytes, now: Instant): boolean {
    const shrinks = this.#size >= size;
    this.#refused = size;
    if (shrinks) this.#shrinkBelow(size);
    // Where larger datagrams are cut from now on nothing more can be learned.
    this.#settledAt = this.#maxTries === 1 ? now : undefined;
    this.#plan(now);
    return shrinks;
  }

  /** To the base, which most paths carry and which is asked for at once, or to the least when that does not pass. */
  #shrinkBelow(size: Bytes): void {
    this.#size = size > this.#base ? this.#base : LEAST;
    this.#largest = this.#size;
    this.#doubted = this.#size > LEAST;
  }

  #searchAgain(): void {
    this.#refused = NEVER;
    this.#settledAt = undefined;
    this.#asked = undefined;
    this.#due = NEVER;
    this.#plan(undefined);
  }

  /** What is to be asked next, once data has paid for it. */
  #plan(now: Instant | undefined): void {
    this.#cost = this.#candidate() ?? NEVER;
    if (now === undefined || this.#asked !== undefined) return;
    if (this.#cost === NEVER) this.#settledAt ??= now;
    this.#due = this.#doubted || this.#credit >= this.#cost ? now : NEVER;
  }

  #next(now: Instant, sequence: () => number): Asked | undefined {
    let size: Bytes | undefined;
    const doubted = this.#doubted && this.#largest > LEAST;
    this.#doubted = false;
    if (doubted) {
      size = Math.min(this.#size, this.#largest);
    } else {
      this.#plan(now);
      if (this.#credit < this.#cost) return undefined;
      size = this.#cost;
    }
    return { size, sequence: sequence(), tries: 0, since: now };
  }

  /** The next size above the one in use that is worth a probe. */
  #candidate(): Bytes | undefined {
    if (this.#theirs === 0 || this.#ceiling === undefined || this.#settledAt !== undefined) return undefined;
    const size = this.#size;
    const limit = Math.min(this.#ceiling, this.#theirs);
    if (this.#refused > limit) {
      if (limit <= size) return undefined;
      return size < FIRST_GUESS ? Math.min(FIRST_GUESS, limit) : limit;
    }
    const gap = this.#refused - size;
    if (gap <= size * LEAST_GAIN) return undefined;
    const between = RUNGS.filter((rung) => rung > size && rung < this.#refused);
    const rung = between[between.length >> 1];
    return rung ?? (gap > size * LEAST_STEP ? size + (gap >> 1) : undefined);
  }
}
