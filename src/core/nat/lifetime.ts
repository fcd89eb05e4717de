import type { Instant, Millis } from '../../base/units.ts';

// Chosen.

/** Silences tried, in seconds, while the mapping survives them; the last is the longest a beacon waits. */
const LADDER: readonly number[] = [60, 120, 180, 300];
/** Tried when the mapping did not survive the first. */
const SHORTER = 30;
/** Share of the longest silence survived after which a path is kept open. */
const SAFE = 0.8;
/** Where not even the shortest was survived. */
const SHORT_KEEP_ALIVE: Millis = 15_000;
/** NATs that tell streams from single packets do so once they saw both directions for some seconds. */
const WARM_UP: Millis = 3_000;
/** How much later than asked an answer may come. */
const GRACE: Millis = 5_000;
/** An answer may have been lost: so often in a row counts. */
const ATTEMPTS = 2;
/** A network must be ours for so long before it is measured; it is measured again after so long. */
const SETTLED: Millis = 30_000;
const AGAIN: Millis = 6 * 3_600_000;
/** Until the next attempt where no socket or no beacon can be had. */
const RETRY: Millis = 600_000;
const NEVER = Number.POSITIVE_INFINITY;

export interface LifetimeHost {
  /** A local socket of its own; undefined when there are too many. */
  open(): number | undefined;
  close(via: number): void;
  /** Asks a beacon something on this socket. False when there is none. */
  ask(via: number, now: Instant): boolean;
  /** Asks for an answer so many seconds later. False when no beacon can do that. */
  askLate(via: number, seconds: number, now: Instant): boolean;
  /** Silence may last this long from now on. */
  changed(keepAlive: Millis): void;
}

interface Trial {
  readonly via: number;
  readonly seconds: number;
  readonly attempt: number;
  /** `warming`: packets in both directions come first. `waiting`: nothing is sent until the answer is due. */
  readonly phase: 'warming' | 'waiting';
  readonly dueAt: Instant;
}

/**
 * Measures how long the NAT in front of us remembers a flow without traffic. Each trial opens a fresh socket, so its
 * mapping is one of its own, and has a beacon answer only after a while: the answer arrives or it does not. One trial
 * at a time, two small packets each, and none before a path has to be kept open.
 */
export class Lifetime {
  readonly #host: LifetimeHost;
  readonly #standard: Millis;
  #trial: Trial | undefined;
  /** The longest silence survived; 0 when none was, undefined before the first result. */
  #survived: number | undefined;
  #isMeasured = false;
  #notBefore: Instant = 0;

  /** `standard`: how long to stay silent while nothing is known. */
  constructor(host: LifetimeHost, standard: Millis) {
    this.#host = host;
    this.#standard = standard;
  }

  /** How long an idle path may be left alone. */
  get keepAlive(): Millis {
    if (this.#survived === undefined) return this.#standard;
    return this.#survived === 0 ? SHORT_KEEP_ALIVE : SAFE * 1_000 * this.#survived;
  }

  /** The longest silence that a mapping survived; undefined while unknown, 0 when it was too short to tell. */
  get survived(): Millis | undefined {
    return this.#survived === undefined ? undefined : 1_000 * this.#survived;
  }

  /** A path has to be kept open: worth knowing how seldom that may be done. */
  needed(now: Instant): void {
    if (this.#trial !== undefined || now < this.#notBefore) return;
    this.#isMeasured = false;
    this.#begin(LADDER[0]!, 1, now);
  }

  /** A beacon answered late on this socket. */
  answered(via: number, now: Instant): void {
    const trial = this.#trial;
    if (trial?.via !== via || trial.phase !== 'waiting') return;
    this.#end();
    this.#learn(trial.seconds);
    const next = trial.seconds === SHORTER ? undefined : LADDER[LADDER.indexOf(trial.seconds) + 1];
    if (next === undefined) this.#measured(now);
    else this.#begin(next, 1, now);
  }

  /** We may be behind another NAT. */
  networkChanged(now: Instant): void {
    this.#end();
    this.#learn(undefined);
    this.#notBefore = now + SETTLED;
  }

  handleTimeout(now: Instant): void {
    const trial = this.#trial;
    if (trial === undefined || trial.dueAt > now) return;
    const { via, seconds, attempt } = trial;
    if (trial.phase === 'warming') {
      const dueAt = now + 1_000 * seconds + GRACE;
      if (this.#host.askLate(via, seconds, now)) this.#trial = { ...trial, phase: 'waiting', dueAt };
      else this.#giveUp(now);
      return;
    }
    this.#end();
    if (attempt < ATTEMPTS) this.#begin(seconds, attempt + 1, now);
    else if (seconds === LADDER[0]) this.#begin(SHORTER, 1, now);
    else {
      if (seconds === SHORTER) this.#learn(0);
      this.#measured(now);
    }
  }

  nextTimeout(): Instant {
    return this.#trial?.dueAt ?? NEVER;
  }

  #begin(seconds: number, attempt: number, now: Instant): void {
    const via = this.#host.open();
    if (via === undefined) {
      this.#giveUp(now);
      return;
    }
    this.#trial = { via, seconds, attempt, phase: 'warming', dueAt: now + WARM_UP };
    if (!this.#host.ask(via, now)) this.#giveUp(now);
  }

  #learn(survived: number | undefined): void {
    if (survived === this.#survived) return;
    this.#survived = survived;
    this.#host.changed(this.keepAlive);
  }

  #giveUp(now: Instant): void {
    this.#end();
    this.#notBefore = now + RETRY;
  }

  #measured(now: Instant): void {
    this.#isMeasured = true;
    this.#notBefore = now + AGAIN;
  }

  #end(): void {
    if (this.#trial !== undefined) this.#host.close(this.#trial.via);
    this.#trial = undefined;
  }

  /** True once nothing more is to be found out for now. */
  get isMeasured(): boolean {
    return this.#isMeasured;
  }
}
