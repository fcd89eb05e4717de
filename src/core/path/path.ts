import type { Endpoint, Instant, Millis } from '../../base/units.ts';
import type { PathKind } from '../tunnel/types.ts';
import {
  BURST,
  MAX_MISSES,
  MAX_PROBE_TIMEOUT,
  MIN_PROBE_TIMEOUT,
  STALE,
  STALE_PROBE_TIMEOUT,
} from './constants.ts';

/** Where a candidate came from. Candidates of a kind further down make room for others first. */
export type PathOrigin = 'registered' | 'lan' | 'beacon' | 'heard' | 'commanded' | 'exchange';

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
  rtt: Millis | undefined;
  sentAt: Instant = Number.NEGATIVE_INFINITY;
  /** When a key exchange that came by this path was last answered. */
  answeredAt: Instant = Number.NEGATIVE_INFINITY;
  probes = 0;
  firstProbeAt: Instant | undefined;
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
  }

  get relay(): boolean {
    return this.kind === 'relay';
  }

  /** True when the path worked but was not heard for so long that it is doubted. */
  stale(now: Instant): boolean {
    return this.phase === 'proven' && now - Math.max(this.heardAt ?? 0, this.provenAt ?? 0) > STALE;
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
      if (this.#misses >= (this.stale(now) ? 1 : MAX_MISSES)) {
        this.phase = 'failed';
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

  /** A probe left. Only a proven path can miss an answer. */
  probed(now: Instant): void {
    this.probes++;
    this.firstProbeAt ??= now;
    this.sentAt = now;
    if (this.phase !== 'proven' || this.#missAt !== undefined) return;
    const timeout = this.stale(now)
      ? Math.max(STALE_PROBE_TIMEOUT, 2 * (this.rtt ?? 0))
      : Math.min(MAX_PROBE_TIMEOUT, Math.max(MIN_PROBE_TIMEOUT, 2 * (this.rtt ?? 0) + 200));
    this.#missAt = now + timeout;
  }

  /** A probe sent on this path was answered, by whichever path the answer came. */
  answered(rtt: Millis, now: Instant): void {
    this.phase = 'proven';
    this.provenAt = now;
    this.rtt = rtt;
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
