import type { Endpoint, Millis } from '../base/units.ts';
import type { PilotNode } from '../core/node.ts';
import type { Clock, Log, Net, Timer } from '../runtime/ports.ts';
import { localEndpoints, resolveEndpoints } from './tunnel-socket.ts';

/** How often interfaces are looked at. Chosen: a laptop that changes networks is back within it. */
const INTERVAL: Millis = 10_000;
/** Names of beacons are looked up once in so many looks; until one is in use, each time. */
const RESOLVE_EVERY = 6;

/** Keeps the node told of its local addresses and of where its beacons are, as both change under a running daemon. */
export class Surroundings {
  readonly #net: Net;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #node: PilotNode;
  readonly #run: (mutation: () => void) => void;
  readonly #local: Endpoint;
  readonly #onMoved: () => void;
  #wanted: readonly Endpoint[] = [];
  #beacons: readonly Endpoint[] = [];
  #lan: readonly Endpoint[] = [];
  #looks = 1;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(options: {
    net: Net;
    clock: Clock;
    log: Log;
    node: PilotNode;
    run: (mutation: () => void) => void;
    /** The tunnel's socket. */
    local: Endpoint;
    /** Local addresses have changed. */
    onMoved: () => void;
  }) {
    this.#net = options.net;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#node = options.node;
    this.#run = options.run;
    this.#local = options.local;
    this.#onMoved = options.onMoved;
    this.#lan = localEndpoints(this.#net, this.#local);
  }

  get beacons(): readonly Endpoint[] {
    return this.#beacons;
  }

  get lan(): readonly Endpoint[] {
    return this.#lan;
  }

  start(): void {
    this.#run(() => this.#node.setLocalEndpoints(this.#lan, this.#clock.now()));
    this.#arm();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /** Resolves once those that are addresses are in use; names follow when the resolver answers. */
  async useBeacons(wanted: readonly Endpoint[]): Promise<void> {
    this.#wanted = wanted;
    await this.#resolveBeacons();
  }

  async #resolveBeacons(): Promise<void> {
    const wanted = this.#wanted;
    const resolved = await resolveEndpoints(this.#net, this.#log, wanted);
    // A resolver that is away is no reason to forget a beacon that works.
    if (this.#stopped || wanted !== this.#wanted || resolved.length === 0) return;
    if (JSON.stringify(resolved) === JSON.stringify(this.#beacons)) return;
    this.#beacons = resolved;
    this.#run(() => this.#node.setBeacons(resolved, this.#clock.now()));
  }

  #arm(): void {
    if (this.#stopped) return;
    this.#timer = this.#clock.at(this.#clock.now() + INTERVAL, () => {
      this.#lookAround();
      this.#arm();
    });
  }

  #lookAround(): void {
    if (this.#looks++ % RESOLVE_EVERY === 0 || this.#beacons.length === 0) void this.#resolveBeacons();
    const lan = localEndpoints(this.#net, this.#local);
    if (JSON.stringify(lan) === JSON.stringify(this.#lan)) return;
    this.#lan = lan;
    this.#log.event('info', 'node.local_addresses_changed', { count: lan.length });
    this.#run(() => this.#node.setLocalEndpoints(lan, this.#clock.now()));
    this.#onMoved();
  }
}
