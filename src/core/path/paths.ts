import { sameEndpoint } from '../../base/endpoint.ts';
import type { Random } from '../../base/random.ts';
import type { Bytes, Endpoint, Instant, Millis } from '../../base/units.ts';
import type { PathKind, PathStatus } from '../tunnel/types.ts';
import { better, likelihood } from './choice.ts';
import {
  FIRST_SPARE,
  FIRST_UPGRADE,
  IN_USE,
  LONGEST_UPGRADE,
  MAX_DIRECT,
  MAX_RELAYS,
  MAX_UNPROVEN_ROUTES,
  MEASURE,
  type PathConfig,
  PULSE,
  SILENCE,
  SPARSE,
  UPGRADES_AFTER_USE,
} from './constants.ts';
import type { CandidateFacts } from './facts.ts';
import { type Links, largestTo, NO_LINKS } from './link-size.ts';
import { Path, type PathOrigin } from './path.ts';

/** Data within this time makes a direct path worth an effort. Chosen. */
const WANTS_DIRECT: Millis = 60_000;

export type PathChange = { readonly path: Path | undefined; readonly reason: string };

export interface PathWork {
  /** Probes due now. */
  readonly probe: readonly Path[];
  /** An idle direct path to keep open by a packet that asks for nothing. */
  readonly keepOpen: Path | undefined;
  /** Time for an attempt to get off the relay: ask for a punch. */
  readonly upgrade: boolean;
  /** The selected path has just stopped working. */
  readonly failed: boolean;
}

const ORIGINS: readonly PathOrigin[] = [
  'registered',
  'lan',
  'beacon',
  'heard',
  'commanded',
  'told',
  'exchange',
];
const NEVER = Number.POSITIVE_INFINITY;

/**
 * The ways to reach one peer. All candidates are tried at once and only an answered probe proves one; the best proven
 * path is selected. While data moves the selected path is watched and measured, and a second one is kept warm. Without
 * data each side only keeps its own NAT open for the direct path, and after some minutes leaves it alone: it is doubted
 * when it is used again. Nothing here sends: the owner sends what `work` names.
 */
export class Paths {
  readonly #config: PathConfig;
  readonly #random: Random;
  readonly #keepAlive: () => Millis;
  #paths: Path[] = [];
  #selected: Path | undefined;
  /** Why there is no selected path any more. */
  #lost: string | undefined;
  #watchAt: Instant = NEVER;
  /** When the selected path is seen to next: measured while in use, else kept open. */
  #pulseAt: Instant = NEVER;
  #spareAt: Instant = NEVER;
  #sparesRelay = false;
  /** The largest datagram that the peer takes; 0 while it answers no probes of sizes. */
  #theirs: Bytes = 0;
  readonly #links: () => Links;
  #upgradeAt: Instant = NEVER;
  #upgradeEvery = FIRST_UPGRADE;
  #usedAt: Instant = Number.NEGATIVE_INFINITY;
  /** When it was last used by more than the keep-alive of an idle stream. */
  #busyAt: Instant = Number.NEGATIVE_INFINITY;
  #sparse = SPARSE;

  /** `keepAlive`: how long direct paths stay open without traffic, as measured. @default that of `config` */
  constructor(parts: {
    config: PathConfig;
    random: Random;
    keepAlive?: () => Millis;
    /** @default nothing is known of our links */
    links?: () => Links;
  }) {
    this.#config = parts.config;
    this.#links = parts.links ?? (() => NO_LINKS);
    this.#random = parts.random;
    this.#keepAlive = parts.keepAlive ?? (() => parts.config.keepAlive);
  }

  get all(): readonly Path[] {
    return this.#paths;
  }
  get selected(): Path | undefined {
    return this.#selected;
  }

  /** The peer is known to be one of ours: a relay may be its spare path. An old one would stay with it for minutes. */
  setOurs(ours: boolean): void {
    this.#sparesRelay = ours;
  }

  /** The largest datagram that the peer takes; 0 when it answers no probes of sizes. */
  setTheirs(bytes: Bytes): void {
    this.#theirs = bytes;
    for (const path of this.#paths) path.sizing.setTheirs(bytes);
  }

  /** Our links, or what is sent over them, changed. */
  linksChanged(): void {
    for (const path of this.#paths) this.#limit(path);
  }

  #limit({ sizing, endpoint, relay }: Path): void {
    const links = this.#links();
    sizing.setLimits(largestTo(links, endpoint, relay), links.oversize === 'learned');
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
    this.#limit(path);
    path.sizing.setTheirs(this.#theirs);
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
    if (path === this.#selected) this.#plan(now);
    else if (!path.ready(now)) path.probeBy(now + path.readyPause);
    return change;
  }

  /**
   * Notes that data of applications moves, or is to move: only then paths are kept open and improved.
   * Returns when something is due because of it.
   */
  used(now: Instant): Instant {
    if (now - this.#usedAt > IN_USE) this.#sparse = SPARSE;
    else if (this.#sparse > 0 && now > this.#usedAt) this.#sparse--;
    this.#usedAt = now;
    const isBusy = this.#sparse === 0;
    if (isBusy) this.#busyAt = now;
    if (isBusy && this.#selected !== undefined && this.#pulseAt > now + PULSE) this.#pulseAt = now + PULSE;
    if (isBusy && this.#spareAt === NEVER) this.#spareAt = now + FIRST_SPARE;
    if (this.#upgradeAt === NEVER && this.#selected?.relay !== false)
      this.#upgradeAt = now + this.#upgradeEvery;
    return Math.min(this.#upgradeAt, this.#pulseAt, this.#spareAt);
  }

  /** The path for one frame of data, watched from now on; undefined while none is proven: see `likeliest`. */
  use(now: Instant): Path | undefined {
    this.used(now);
    const selected = this.#selected;
    if (selected === undefined) return undefined;
    if (this.#watchAt === NEVER) {
      if (selected.stale(now)) {
        if (!selected.asking) selected.probeBy(now);
        // It may be dead: copies by the likeliest ways until it answers. An old peer would stay with the relay.
        if (this.#sparesRelay && !selected.relay) return undefined;
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
    const keepOpen = this.#pulseAt <= now ? this.#pulse(now) : undefined;
    if (this.#spareAt <= now) this.#keepSpare(now);
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
    return { probe, keepOpen, upgrade, failed, change };
  }

  nextTimeout(): Instant {
    let next = Math.min(this.#watchAt, this.#upgradeAt, this.#pulseAt, this.#spareAt);
    if (this.#selected !== undefined) next = Math.min(next, this.#selected.sizing.due);
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
      size: path.sizing.size,
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
      loss: path.loss,
      size: path.sizing.size,
      sizePhase: path.sizing.phase,
    }));
  }

  /** Data moves, and no direct path works. */
  wantsDirect(now: Instant): boolean {
    return now - this.#usedAt <= WANTS_DIRECT && !this.hasDirect(now);
  }

  hasDirect(now: Instant): boolean {
    return this.#paths.some((path) => !path.relay && works(path, now));
  }

  /** The local socket is gone, and the paths over it. */
  closed(via: number): void {
    this.#paths = this.#paths.filter((path) => path.via !== via || path === this.#selected);
  }

  #isUsed(now: Instant): boolean {
    return now - this.#busyAt <= IN_USE;
  }

  /** When the selected path is seen to next. */
  #plan(now: Instant): void {
    const path = this.#selected;
    if (path === undefined) this.#pulseAt = NEVER;
    else if (this.#isUsed(now)) this.#pulseAt = now + PULSE;
    else if (path.relay || now - this.#usedAt > this.#config.idleAfter) this.#pulseAt = NEVER;
    else {
      const pause = this.#keepAlive() * (1 - 0.25 * this.#random.fraction());
      this.#pulseAt = Math.max(path.sentAt + pause, now + PULSE);
    }
  }

  /** In use: asks, unless enough is heard. Idle: names the path to keep open. */
  #pulse(now: Instant): Path | undefined {
    const path = this.#selected;
    let keepOpen: Path | undefined;
    if (path !== undefined && this.#isUsed(now)) {
      const isOwed = now - path.aliveAt >= PULSE || now - (path.provenAt ?? 0) >= MEASURE;
      if (isOwed && !path.asking) path.probeBy(now);
    } else if (path?.relay === false && now - path.sentAt >= 0.7 * this.#keepAlive()) {
      path.sentAt = now;
      keepOpen = path;
    }
    this.#plan(now);
    return keepOpen;
  }

  /** While data moves a second path is proven, so that there is one to go to. */
  #keepSpare(now: Instant): void {
    this.#spareAt = this.#isUsed(now) ? now + MEASURE : NEVER;
    if (this.#spareAt === NEVER || this.#selected === undefined) return;
    const others = this.#paths.filter(
      (path) => path !== this.#selected && !path.missed && (this.#sparesRelay || !path.relay),
    );
    const { relay } = this.#selected;
    // What ends a direct path, such as a NAT that restarts, ends the others, too.
    const spare = others
      .filter((path) => path.phase === 'proven')
      .sort(
        (a, b) => Number(a.relay === relay) - Number(b.relay === relay) || (a.rtt ?? 0) - (b.rtt ?? 0),
      )[0];
    if (spare !== undefined) spare.probeBy(now);
    else for (const path of others) if (path.relay) path.probeBy(now);
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
      (this.#selected === undefined || this.#selected.relay) && now - this.#usedAt <= UPGRADES_AFTER_USE;
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
      if (best === undefined || better(path, best, now)) best = path;
    }
    if (best === before) return undefined;
    const doubted = before?.phase === 'proven' && before.missed;
    if (doubted) before.lapsed(now);
    const why = this.#lost ?? (doubted ? 'no_answer' : reason);
    this.#selected = best;
    this.#lost = best === undefined ? reason : undefined;
    this.#watchAt = NEVER;
    this.#plan(now);
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
    return { path: best, reason: why };
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

function works(path: Path, now: Instant): boolean {
  return path.phase === 'proven' && !path.stale(now);
}
