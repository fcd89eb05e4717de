import type { Endpoint, Instant, Millis } from '../../base/units.ts';
import type { PathKind } from '../tunnel/types.ts';
import {
  BURST,
  LAPSE_FORGOTTEN,
  LONGEST_READY_PAUSE,
  LONGEST_STREAK,
  MAX_MISSES,
  MAX_PROBE_TIMEOUT,
  MIN_PROBE_TIMEOUT,
  READY_PAUSE,
  READY_STREAK,
  STALE,
  STALE_PROBE_TIMEOUT,
} from './constants.ts';
import { PathSize } from './path-size.ts';
import { Quality } from './quality.ts';

/** Where a candidate came from. Candidates of a kind further down make room for others first. */
export type PathOrigin = 'registered' | 'lan' | 'beacon' | 'heard' | 'commanded' | 'told' | 'exchange';

/**
 * `unproven`: no probe answered yet. `proven`: the last probe was answered, so frames sent here reach the peer.
 * `failed`: it was proven and stopped answering.
 */
export type PathPhase = 'unproven' | 'proven' | 'failed';

/** One way to reach one peer, and the schedule of the probes that watch it. */
export class Path {
  readonly kind: PathKind;
  readonly endpoint: Endpoint;
  /** The local socket it goes by; 0 is the tunnel's own. */
  readonly via: number;
  origin: PathOrigin;
  readonly addedAt: Instant;
  phase: PathPhase = 'unproven';
  /** When an authenticated frame of the peer last came by this path. */
  heardAt: Instant | undefined;
  provenAt: Instant | undefined;
  /** Frames sent to prove or to measure it. */
  probes = 0;
  firstProbeAt: Instant | undefined;
  sentAt: Instant = Number.NEGATIVE_INFINITY;
  /** When a key exchange that came by this path was last answered. */
  answeredAt: Instant = Number.NEGATIVE_INFINITY;
  /** How large its datagrams may be. */
  readonly sizing: PathSize;
  readonly #quality = new Quality();
  /** When it last let us down, and how often in a row it did so soon after the time before. */
  #lapsedAt: Instant = Number.NEGATIVE_INFINITY;
  #lapses = 0;
  #misses = 0;
  #probeAt: Instant | undefined;
  #missAt: Instant | undefined;
  #burstStart: Instant = 0;
  #burstNext: number = BURST.length;

  constructor(kind: PathKind, endpoint: Endpoint, origin: PathOrigin, now: Instant, via = 0) {
    this.via = via;
    this.kind = kind;
    this.endpoint = endpoint;
    this.origin = origin;
    this.addedAt = now;
    this.sizing = new PathSize(kind === 'relay');
  }

  get relay(): boolean {
    return this.kind === 'relay';
  }

  /** Smoothed round trip of its probes; undefined before the first answer. */
  get rtt(): Millis | undefined {
    return this.#quality.rtt;
  }

  /** Share of recent probes without an answer, 0 to 1; undefined before there were enough. */
  get loss(): number | undefined {
    return this.#quality.loss;
  }

  /** The last sign that it works. */
  get aliveAt(): Instant {
    return Math.max(this.heardAt ?? 0, this.provenAt ?? 0);
  }

  /** True when the path worked but was not heard for so long that it is doubted. */
  stale(now: Instant): boolean {
    return this.phase === 'proven' && now - this.aliveAt > STALE;
  }

  /** False for a while after it let us down: it has to answer several times first, more often each time. */
  ready(now: Instant): boolean {
    const streak = Math.min(READY_STREAK + this.#lapses - 1, LONGEST_STREAK);
    return this.#quality.streak >= streak || now - this.#lapsedAt > LAPSE_FORGOTTEN;
  }

  /** From one answer to the next question, while it is not ready. */
  get readyPause(): Millis {
    return Math.min(READY_PAUSE * 2 ** (this.#lapses - 1), LONGEST_READY_PAUSE);
  }

  /** It was given up, or left because it owed an answer. */
  lapsed(now: Instant): void {
    if (now - this.#lapsedAt > LAPSE_FORGOTTEN) this.#lapses = 0;
    // Left while in doubt, and given up right after: one and the same.
    if (now - this.#lapsedAt > MAX_PROBE_TIMEOUT) this.#lapses++;
    this.#lapsedAt = now;
    this.#quality.streak = 0;
  }

  get due(): Instant {
    return Math.min(this.#probeAt ?? Number.POSITIVE_INFINITY, this.#missAt ?? Number.POSITIVE_INFINITY);
  }

  /** Starts a series of probes, unless one is running. */
  burst(now: Instant): void {
    if (this.#burstNext < BURST.length) return;
    this.#burstStart = now;
    this.#burstNext = 0;
    this.#probeAt = now;
  }

  /** Asks for one probe at `when` at the latest. */
  probeBy(when: Instant): void {
    if (this.#probeAt === undefined || this.#probeAt > when) this.#probeAt = when;
  }

  /** True when the last probe went unanswered. */
  get missed(): boolean {
    return this.#misses > 0;
  }

  /** True when an answer is being waited for. */
  get asking(): boolean {
    return this.#missAt !== undefined;
  }

  /** Runs the timers. `probe`: send one now. `failed`: the path has just been given up. */
  tick(now: Instant): 'idle' | 'probe' | 'failed' {
    if (this.#missAt !== undefined && this.#missAt <= now) {
      this.#missAt = undefined;
      this.#misses++;
      this.#quality.missed();
      if (this.#misses >= (this.stale(now) ? 1 : MAX_MISSES)) {
        this.phase = 'failed';
        this.sizing.reset();
        this.#quality.givenUp();
        this.lapsed(now);
        this.#probeAt = undefined;
        this.#misses = 0;
        // The series ends here, or none could ever begin again.
        this.#burstNext = BURST.length;
        return 'failed';
      }
      this.#probeAt = now;
    }
    if (this.#probeAt === undefined || this.#probeAt > now) return 'idle';
    this.#probeAt = undefined;
    if (this.#burstNext < BURST.length) {
      this.#burstNext++;
      const next = BURST[this.#burstNext];
      if (next !== undefined) this.#probeAt = Math.max(this.#burstStart + next, now + 1);
    }
    return 'probe';
  }

  /** A probe left. Only a proven path can miss an answer, and one under a key that the peer may not have owes none. */
  probed(now: Instant, owesAnswer = true): void {
    this.sentAt = now;
    this.probes++;
    this.firstProbeAt ??= now;
    if (this.phase !== 'proven' || !owesAnswer || this.#missAt !== undefined) return;
    const timeout = this.stale(now)
      ? Math.max(STALE_PROBE_TIMEOUT, 2 * (this.rtt ?? 0))
      : Math.min(MAX_PROBE_TIMEOUT, Math.max(MIN_PROBE_TIMEOUT, 2 * (this.rtt ?? 0) + 200));
    this.#missAt = now + timeout;
  }

  /** A probe sent on this path was answered, by whichever path the answer came. */
  answered(rtt: Millis, now: Instant): void {
    this.phase = 'proven';
    this.provenAt = now;
    this.#quality.answered(rtt);
    this.#misses = 0;
    this.#missAt = undefined;
    this.#probeAt = undefined;
    this.#burstNext = BURST.length;
  }

  /** An authenticated frame came by this path. */
  heard(now: Instant): void {
    this.heardAt = now;
    this.#misses = 0;
    this.#missAt = undefined;
    if (this.phase === 'failed') {
      this.phase = 'unproven';
      this.burst(now);
    }
  }
}
