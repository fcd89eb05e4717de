import { sameEndpoint } from '../../base/endpoint.ts';
import type { Random } from '../../base/random.ts';
import type { Endpoint, Instant } from '../../base/units.ts';
import type { PathKind, PathStatus } from '../tunnel/types.ts';
import {
  FASTER,
  FASTER_BY,
  FIRST_UPGRADE,
  LONGEST_UPGRADE,
  MAX_DIRECT,
  MAX_RELAYS,
  MAX_UNPROVEN_ROUTES,
  type PathConfig,
  SILENCE,
} from './constants.ts';
import type { CandidateFacts } from './facts.ts';
import { Path, type PathOrigin } from './path.ts';

export type PathChange = { readonly path: Path | undefined; readonly reason: string };

export interface PathWork {
  /** Probes due now. */
  readonly probe: readonly Path[];
  /** Time for an attempt to get off the relay: ask for a punch. */
  readonly upgrade: boolean;
  /** The selected path has just stopped working. */
  readonly failed: boolean;
}

const PREFERENCE: Record<PathKind, number> = { lan: 0, direct: 1, relay: 2 };
const ORIGINS: readonly PathOrigin[] = ['registered', 'lan', 'beacon', 'heard', 'commanded', 'exchange'];
const NEVER = Number.POSITIVE_INFINITY;

/**
 * The ways to reach one peer. All candidates are tried at once and only an answered probe proves one; the best proven
 * path is selected. Nothing here sends: the owner sends the probes that `work` names.
 */
export class Paths {
  readonly #config: PathConfig;
  readonly #random: Random;
  #paths: Path[] = [];
  #selected: Path | undefined;
  /** Why there is no selected path any more. */
  #lost: string | undefined;
  #watchAt: Instant = NEVER;
  #upgradeAt: Instant = NEVER;
  #upgradeEvery = FIRST_UPGRADE;
  #usedAt: Instant = Number.NEGATIVE_INFINITY;

  constructor(parts: { config: PathConfig; random: Random }) {
    this.#config = parts.config;
    this.#random = parts.random;
  }

  get all(): readonly Path[] {
    return this.#paths;
  }
  get selected(): Path | undefined {
    return this.#selected;
  }

  find(relay: boolean, endpoint: Endpoint, via = 0): Path | undefined {
    for (const path of this.#paths) {
      if (path.via === via && path.relay === relay && sameEndpoint(path.endpoint, endpoint)) return path;
    }
    return undefined;
  }

  /** Adds a candidate and starts probing it; undefined when better ones hold every place. */
  add(kind: PathKind, endpoint: Endpoint, origin: PathOrigin, now: Instant, via = 0): Path | undefined {
    if ((this.#config.relayOnly && kind !== 'relay') || endpoint.port === 0) return undefined;
    const known = this.find(kind === 'relay', endpoint, via);
    if (known !== undefined) {
      if (ORIGINS.indexOf(origin) < ORIGINS.indexOf(known.origin)) known.origin = origin;
      return known;
    }
    const relay = kind === 'relay';
    const limit = relay ? MAX_RELAYS : MAX_DIRECT;
    if (
      this.#paths.filter((path) => path.relay === relay).length >= limit &&
      !this.#makeRoom(relay, origin)
    ) {
      return undefined;
    }
    const path = new Path(kind, endpoint, origin, now, via);
    this.#paths.push(path);
    path.burst(now);
    return path;
  }

  /** The directory answers anew: endpoints it no longer names give way to any other candidate. */
  outdateNamed(): void {
    for (const path of this.#paths) {
      if (path.origin === 'registered' || path.origin === 'lan') path.origin = 'exchange';
    }
  }

  /** Drops candidates, such as relays through a beacon that is no longer configured. */
  remove(which: (path: Path) => boolean, now: Instant): PathChange | undefined {
    this.#paths = this.#paths.filter((path) => !which(path));
    return this.#select(now, 'removed');
  }

  /** A probe was answered: the path is proven, and perhaps selected. */
  answered(path: Path, rtt: number, now: Instant): PathChange | undefined {
    path.answered(rtt, now);
    const change = this.#select(now, 'proven');
    if (path === this.#selected) this.#keepAlive(path, now);
    return change;
  }

  /**
   * Notes that data of applications moves, or is to move: only then paths are kept open and improved.
   * Returns when the next attempt to leave the relay is due.
   */
  used(now: Instant): Instant {
    this.#usedAt = now;
    if (this.#upgradeAt === NEVER && this.#selected?.relay !== false)
      this.#upgradeAt = now + this.#upgradeEvery;
    return this.#upgradeAt;
  }

  /** The path for one frame of data, watched from now on; undefined while none is proven: see `likeliest`. */
  use(now: Instant): Path | undefined {
    this.used(now);
    const selected = this.#selected;
    if (selected === undefined) return undefined;
    if (this.#watchAt === NEVER) {
      if (selected.stale(now)) {
        if (!selected.asking) selected.probeBy(now);
      } else {
        this.#watchAt = now + SILENCE;
      }
    }
    selected.sentAt = now;
    return selected;
  }

  /** Unproven paths worth a frame: those the peer was heard on, newest first, then relays, then the registered ones. */
  likeliest(): readonly Path[] {
    return [...this.#paths]
      .sort((a, b) => likelihood(b) - likelihood(a) || (b.heardAt ?? 0) - (a.heardAt ?? 0))
      .slice(0, MAX_UNPROVEN_ROUTES);
  }

  /** Tries every direct candidate again, at once. */
  retry(now: Instant): void {
    for (const path of this.#paths) if (path !== this.#selected) path.burst(now);
    if (this.#selected !== undefined && !this.#selected.asking) this.#selected.probeBy(now);
  }

  /** Runs all timers due. */
  work(now: Instant): PathWork & { readonly change: PathChange | undefined } {
    if (this.#watchAt <= now) this.#checkSilence(now);
    let failed = false;
    let others = false;
    const probe: Path[] = [];
    for (const path of this.#paths) {
      const step = path.tick(now);
      if (step === 'probe') probe.push(path);
      else if (step === 'failed' && path === this.#selected) failed = true;
      if (step === 'probe' && path === this.#selected && path.missed) others = true;
    }
    // The first missed answer: have the alternatives proven by the time the second one is missed.
    if (others) for (const path of this.#paths) if (path !== this.#selected) path.burst(now);
    const change = failed ? this.#select(now, 'no_answer') : undefined;
    const upgrade = this.#upgradeAt <= now;
    if (upgrade) this.#upgrade(now);
    return { probe, upgrade, failed, change };
  }

  nextTimeout(): Instant {
    let next = Math.min(this.#watchAt, this.#upgradeAt);
    for (const path of this.#paths) if (path.due < next) next = path.due;
    return next;
  }

  status(): PathStatus[] {
    return this.#paths.map((path) => ({
      kind: path.kind,
      endpoint: path.endpoint,
      rtt: path.rtt,
      provenAt: path.provenAt,
      selected: path === this.#selected,
    }));
  }

  facts(): CandidateFacts[] {
    return this.#paths.map((path) => ({
      kind: path.kind,
      endpoint: path.endpoint,
      origin: path.origin,
      phase: path.phase,
      selected: path === this.#selected,
      addedAt: path.addedAt,
      probes: path.probes,
      firstProbeAt: path.firstProbeAt,
      heardAt: path.heardAt,
      provenAt: path.provenAt,
      rtt: path.rtt,
      loss: undefined,
    }));
  }

  /** Sets when the selected direct path is refreshed next, so that NAT mappings do not expire. */
  #keepAlive(path: Path, now: Instant): void {
    if (path.relay || now - this.#usedAt > this.#config.idleAfter) return;
    path.probeBy(now + this.#config.keepAlive * (1 - 0.25 * this.#random.fraction()));
  }

  #checkSilence(now: Instant): void {
    this.#watchAt = NEVER;
    const selected = this.#selected;
    if (selected === undefined || selected.asking) return;
    const heard = Math.max(selected.heardAt ?? 0, selected.provenAt ?? 0);
    if (selected.sentAt <= heard) return;
    if (now - heard >= SILENCE) selected.probeBy(now);
    else this.#watchAt = heard + SILENCE;
  }

  #upgrade(now: Instant): void {
    const wanted =
      (this.#selected === undefined || this.#selected.relay) && now - this.#usedAt <= this.#config.idleAfter;
    if (!wanted) {
      this.#upgradeAt = NEVER;
      this.#upgradeEvery = FIRST_UPGRADE;
      return;
    }
    for (const path of this.#paths) if (!path.relay) path.burst(now);
    this.#upgradeAt = now + this.#upgradeEvery * (0.9 + 0.2 * this.#random.fraction());
    this.#upgradeEvery = Math.min(2 * this.#upgradeEvery, LONGEST_UPGRADE);
  }

  #select(now: Instant, reason: string): PathChange | undefined {
    const before = this.#selected;
    let best =
      before !== undefined && before.phase === 'proven' && this.#paths.includes(before) ? before : undefined;
    for (const path of this.#paths) {
      if (path.phase !== 'proven' || path.stale(now)) continue;
      if (best === undefined || better(path, best)) best = path;
    }
    if (best === before) return undefined;
    const lost = this.#lost;
    this.#selected = best;
    this.#lost = best === undefined ? reason : undefined;
    this.#watchAt = NEVER;
    if (best === undefined || best.relay) {
      // A direct path that worked a moment ago is worth looking for at once.
      if (before !== undefined && !before.relay) {
        this.#upgradeEvery = FIRST_UPGRADE;
        this.#upgradeAt = now;
      }
    } else {
      this.#upgradeAt = NEVER;
      this.#upgradeEvery = FIRST_UPGRADE;
    }
    return { path: best, reason: lost ?? reason };
  }

  #makeRoom(relay: boolean, origin: PathOrigin): boolean {
    let victim: Path | undefined;
    for (const path of this.#paths) {
      if (path.relay !== relay || path === this.#selected || path.phase === 'proven') continue;
      if (victim === undefined || ORIGINS.indexOf(path.origin) > ORIGINS.indexOf(victim.origin))
        victim = path;
    }
    if (victim === undefined || ORIGINS.indexOf(origin) > ORIGINS.indexOf(victim.origin)) return false;
    this.#paths = this.#paths.filter((path) => path !== victim);
    return true;
  }
}

function likelihood(path: Path): number {
  if (path.phase === 'proven') return 4;
  if (path.heardAt !== undefined && path.phase !== 'failed') return 3;
  if (path.relay) return 2;
  return path.phase === 'failed' || path.origin === 'exchange' ? 0 : 1;
}

function better(path: Path, than: Path): boolean {
  const kind = PREFERENCE[path.kind] - PREFERENCE[than.kind];
  if (kind !== 0) return kind < 0;
  // The peer moved: it has not been heard on the old path since the new one appeared.
  if ((than.heardAt ?? 0) < path.addedAt && (path.heardAt ?? 0) >= path.addedAt) return true;
  if (path.rtt === undefined || than.rtt === undefined) return false;
  return path.rtt < than.rtt * FASTER && path.rtt < than.rtt - FASTER_BY;
}
