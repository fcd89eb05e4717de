import type { Bytes, Endpoint, Instant, Millis } from '../base/units.ts';
import type { PilotNode } from '../core/node.ts';
import type { Oversize } from '../core/path/link-size.ts';
import type { Clock, Log, Net, NetworkChange, Timer } from '../runtime/ports.ts';
import { localEndpoints, resolveEndpoints } from './tunnel-socket.ts';

/** Names of beacons are looked up so often; until one is in use, more often. */
const RESOLVE_EVERY: Millis = 60_000;
const RESOLVE_AGAIN: Millis = 5_000;
/** Least time between looks that refused datagrams cause. */
const REFUSED_PAUSE: Millis = 250;
/** The watch may tell of what a refused datagram has shown already. */
const KNOWN_FOR: Millis = 2_000;

/** Keeps the node told of its local addresses and of where its beacons are, as both change under a running daemon. */
export class Surroundings {
  readonly #net: Net;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #node: PilotNode;
  readonly #run: (mutation: () => void) => void;
  readonly #local: Endpoint;
  readonly #oversize: Oversize;
  readonly #largestPacket: Bytes;
  readonly #onMoved: () => void;
  #wanted: readonly Endpoint[] = [];
  #beacons: readonly Endpoint[] = [];
  #lan: readonly Endpoint[] = [];
  /** As the node was told of them last. */
  #links = '';
  #refusedAt: Instant = Number.NEGATIVE_INFINITY;
  /** What was acted on last, and when. */
  #picture: string;
  #changedAt: Instant = Number.NEGATIVE_INFINITY;
  #resolving: Timer | undefined;
  #watch: Timer | undefined;
  #stopped = false;

  constructor(options: {
    net: Net;
    clock: Clock;
    log: Log;
    node: PilotNode;
    run: (mutation: () => void) => void;
    /** The tunnel's socket. */
    local: Endpoint;
    /** What becomes of datagrams that are too large for a path. @default cut: paths are not measured */
    oversize?: Oversize;
    /** IP packets are no larger, whatever the links take. @default as large as they take */
    largestPacket?: Bytes;
    /** We may be somewhere else: other addresses, another router, or awake after sleep. */
    onMoved: () => void;
  }) {
    this.#net = options.net;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#node = options.node;
    this.#run = options.run;
    this.#local = options.local;
    this.#oversize = options.oversize ?? 'cut';
    this.#largestPacket = options.largestPacket ?? Number.POSITIVE_INFINITY;
    this.#onMoved = options.onMoved;
    this.#lan = localEndpoints(this.#net, this.#local);
    this.#picture = this.#look();
  }

  get beacons(): readonly Endpoint[] {
    return this.#beacons;
  }

  get lan(): readonly Endpoint[] {
    return this.#lan;
  }

  start(): void {
    this.#run(() => this.#node.setLocalEndpoints(this.#lan, this.#clock.now()));
    this.#lookAtLinks();
    this.#watch = this.#net.watchNetworks((change) => this.#changed(change));
    this.#resolveLater();
  }

  stop(): void {
    this.#stopped = true;
    this.#watch?.cancel();
    this.#resolving?.cancel();
  }

  /** Resolves once those that are addresses are in use; names follow when the resolver answers. */
  async useBeacons(wanted: readonly Endpoint[]): Promise<void> {
    this.#wanted = wanted;
    await this.#resolveBeacons();
  }

  /** The system knows no way to where a datagram was to go: perhaps our addresses are others by now. */
  refused(): void {
    const now = this.#clock.now();
    if (now - this.#refusedAt < REFUSED_PAUSE) return;
    this.#refusedAt = now;
    if (this.#look() !== this.#picture) this.#changed('changed');
  }

  async #resolveBeacons(): Promise<void> {
    const wanted = this.#wanted;
    const resolved = await resolveEndpoints(this.#net, this.#log, wanted, this.#local);
    // A resolver that is away is no reason to forget a beacon that works.
    if (this.#stopped || wanted !== this.#wanted || resolved.length === 0) return;
    if (JSON.stringify(resolved) === JSON.stringify(this.#beacons)) return;
    this.#beacons = resolved;
    this.#run(() => this.#node.setBeacons(resolved, this.#clock.now()));
  }

  #resolveLater(): void {
    if (this.#stopped) return;
    const pause = this.#beacons.length === 0 ? RESOLVE_AGAIN : RESOLVE_EVERY;
    this.#resolving = this.#clock.at(this.#clock.now() + pause, () => {
      void this.#resolveBeacons();
      this.#lookAtLinks();
      this.#resolveLater();
    });
  }

  /** How large a packet our links take may change without anything else. */
  #lookAtLinks(): void {
    if (this.#oversize === 'cut') return;
    const most = this.#largestPacket;
    const all = this.#net
      .links()
      .map((link) => (link.mtu === undefined ? link : { ...link, mtu: Math.min(link.mtu, most) }));
    const seen = JSON.stringify(all);
    if (seen === this.#links) return;
    this.#links = seen;
    this.#run(() => this.#node.setLinks({ all, oversize: this.#oversize }, this.#clock.now()));
  }

  #look(): string {
    return JSON.stringify([localEndpoints(this.#net, this.#local), this.#net.gateways()]);
  }

  #changed(change: NetworkChange): void {
    if (this.#stopped) return;
    const now = this.#clock.now();
    const picture = this.#look();
    if (change !== 'slept' && picture === this.#picture && now - this.#changedAt < KNOWN_FOR) return;
    this.#picture = picture;
    this.#changedAt = now;
    this.#lan = localEndpoints(this.#net, this.#local);
    this.#log.event('info', change === 'slept' ? 'node.slept' : 'node.network_changed', {
      count: this.#lan.length,
    });
    this.#lookAtLinks();
    this.#run(() => this.#node.setLocalEndpoints(this.#lan, this.#clock.now()));
    this.#onMoved();
    // Names may mean something else here.
    void this.#resolveBeacons();
  }
}
