import { asPilotError } from '../api/errors.ts';
import { formatEndpoint } from '../base/endpoint.ts';
import type { Random } from '../base/random.ts';
import type { Endpoint, Millis, NodeId } from '../base/units.ts';
import type { Registered } from '../directory/types.ts';
import type { Clock, Log, Timer } from '../runtime/ports.ts';
import type { RegistryClient } from './registry-client.ts';

const FIRST_RETRY = 500;
const LONGEST_RETRY = 30_000;
/** NATs may flap while they settle; one registration tells the last of it. */
const ENDPOINT_DEBOUNCE = 500;
/** A NAT that gives a new port every time must not make us register all the time. */
const QUICK_CHANGES = 3;
const CHANGE_PAUSE = 15_000;
/** How often a registry is told that we are there, unless it says when it wants to hear of us. */
const HEARTBEAT_INTERVAL = 60_000;
/** A registry that tells what it holds for us is asked for it this often all the same. */
const POLL_INTERVAL = 300_000;
/** The same where a new connection begins with whether there is something. */
const LONG_POLL_INTERVAL = 1_800_000;
/** A known node waits this long for the beacon, so that its first registration has the right endpoint. */
const OBSERVE_WAIT = 700;

/** What the registry is to know of us; read anew for each registration. */
export interface Presence {
  readonly listenEndpoint: Endpoint;
  readonly lan: readonly Endpoint[];
  /** Where we can be relayed to, the best first. */
  readonly beacons: readonly Endpoint[];
  readonly hostname: string;
  readonly public: boolean;
  readonly tags: readonly string[];
  readonly version: string;
  readonly owner: string | undefined;
  readonly relayOnly: boolean;
}

export interface RegistrationHost {
  presence(): Presence;
  /** Resolves once it is known which key is ours. Errors: those of the registry; it is tried again. */
  ready(): Promise<void>;
  /** Called before anything else that follows from a registration. */
  registered(result: Registered): Promise<void>;
  /** The registry knows us as we are. */
  told(): void;
  /** The registry may hold something for us. */
  poll(): void;
}

/**
 * Keeps us known to the registry: registers, tells name, visibility and tags, sends heartbeats, registers again when
 * our endpoint changes or the registry has forgotten us. A registry that is away only delays.
 */
export class Registration {
  readonly #registry: RegistryClient;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: Log;
  readonly #host: RegistrationHost;
  /** Chosen here; undefined leaves it to the registry. */
  readonly #interval: Millis | undefined;
  /** When the registry wants the next heartbeat. */
  #wanted: Millis = HEARTBEAT_INTERVAL;
  #polledAt = 0;
  /** What the registry holds for us is said at each registration. */
  #saysWaiting = false;
  #timer: Timer | undefined;
  #running = false;
  #again = false;
  #failures = 0;
  /** Changes of our endpoint since the last heartbeat. */
  #changes = 0;
  /** What it was told last; undefined makes the next turn a registration. */
  #told: Presence | undefined;
  #registered = false;
  #node: NodeId | undefined;
  #stopped = false;
  #withdrawn = false;
  #firstAttempt: (() => void)[] = [];
  #attempted = false;

  constructor(options: {
    registry: RegistryClient;
    clock: Clock;
    random: Random;
    log: Log;
    host: RegistrationHost;
    /** @default what the registry wants, else a minute */
    heartbeatInterval: Millis | undefined;
  }) {
    this.#registry = options.registry;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#log = options.log;
    this.#host = options.host;
    this.#interval = options.heartbeatInterval;
  }

  /** The registry knows us, perhaps not yet all that has changed since. */
  get isRegistered(): boolean {
    return this.#registered;
  }

  /** `known`: we have a node id, so a beacon can tell our endpoint before the registry is asked. */
  start(known: boolean): void {
    this.#arm(known ? OBSERVE_WAIT : 0);
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    for (const resolve of this.#firstAttempt.splice(0)) resolve();
  }

  /** Resolves when the first registration has succeeded, or when the time is up. */
  whenRegistered(limit: Millis): Promise<void> {
    if (this.isRegistered || this.#stopped) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.#clock.at(this.#clock.now() + limit, resolve);
      this.#firstAttempt.push(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  /** Our endpoint, local addresses, name or visibility may have changed. */
  presenceChanged(): void {
    if (this.#told === undefined) {
      // The beacon answered while the first registration waits for it.
      if (!this.#attempted) this.#arm(0);
      return;
    }
    if (placeOf(this.#told) !== placeOf(this.#host.presence())) {
      this.#told = undefined;
      this.#changes++;
      this.#arm(this.#changes <= QUICK_CHANGES ? ENDPOINT_DEBOUNCE : CHANGE_PAUSE);
    }
  }

  /** Something was not told, and has to be with the next chance. */
  tellAgain(): void {
    this.#told = undefined;
    this.#arm(FIRST_RETRY);
  }

  /** The connection to the registry is back: it may have restarted without us. */
  reconnected(): void {
    // What it told meanwhile went nowhere.
    if (this.#registry.registered?.waiting !== false) this.#polledAt = Number.NEGATIVE_INFINITY;
    if (this.#attempted) this.#arm(0);
  }

  /** The user took us out of the registry: stay out until started again. */
  withdraw(): void {
    this.#withdrawn = true;
    this.#registered = false;
    this.#told = undefined;
    this.#timer?.cancel();
  }

  #arm(delay: Millis): void {
    if (this.#stopped || this.#withdrawn) return;
    if (this.#running) {
      this.#again = true;
      return;
    }
    this.#timer?.cancel();
    this.#timer = this.#clock.at(this.#clock.now() + delay, () => void this.#turn());
  }

  async #turn(): Promise<void> {
    this.#running = true;
    this.#again = false;
    let delay: Millis;
    try {
      await this.#host.ready();
      if (this.#told === undefined) await this.#register();
      else await this.#heartbeat();
      this.#failures = 0;
      // Never later than wanted.
      delay = (this.#interval ?? this.#wanted) * (0.8 + 0.2 * this.#random.fraction());
    } catch (thrown) {
      delay = this.#failed(asPilotError(thrown));
    }
    this.#running = false;
    this.#arm(this.#again ? 0 : delay);
  }

  #failed(error: { code: string; message: string }): Millis {
    const lost = error.code === 'not_found' && this.#told !== undefined;
    if (lost) {
      this.#log.event('info', 'node.forgotten', { message: error.message });
      this.#told = undefined;
      this.#registered = false;
      return 0;
    }
    this.#failures++;
    const level = this.#failures === 1 ? 'warn' : 'debug';
    this.#log.event(level, 'node.registration_failed', { code: error.code, message: error.message });
    const pause = Math.min(FIRST_RETRY * 2 ** Math.min(this.#failures - 1, 10), LONGEST_RETRY);
    return pause * (0.75 + 0.5 * this.#random.fraction());
  }

  async #register(): Promise<void> {
    this.#attempted = true;
    const presence = this.#host.presence();
    const result = await this.#registry.register({
      listenEndpoint: presence.listenEndpoint,
      lan: presence.lan,
      beacons: presence.beacons,
      version: presence.version,
      ...(presence.hostname !== '' && { hostname: presence.hostname }),
      public: presence.public,
      tags: presence.tags,
      ...(presence.owner !== undefined && { owner: presence.owner }),
      ...(presence.relayOnly && { relayOnly: true }),
    });
    if (this.#stopped) return;
    const isFirst = this.#node === undefined;
    this.#node = result.node;
    await this.#host.registered(result);
    // Old registries forget visibility and tags with each registration.
    if (result.presence !== true) {
      await this.#registry.setVisibility(presence.public);
      if (presence.tags.length > 0) await this.#registry.setTags(presence.tags);
    }
    this.#wanted = result.heartbeat ?? HEARTBEAT_INTERVAL;
    this.#saysWaiting = result.waiting !== undefined;
    this.#told = presence;
    this.#registered = true;
    this.#log.event('info', isFirst ? 'node.registered' : 'node.reregistered', {
      node: result.node,
      ...(result.hostnameError !== undefined && { hostname_error: result.hostnameError }),
    });
    for (const resolve of this.#firstAttempt.splice(0)) resolve();
    this.#host.told();
    this.#poll();
    this.presenceChanged();
  }

  async #heartbeat(): Promise<void> {
    this.#changes = 0;
    const { warning, next } = await this.#registry.heartbeat();
    this.#wanted = next ?? HEARTBEAT_INTERVAL;
    if (warning === true) this.#log.event('warn', 'node.key_expires_soon');
    const between = this.#saysWaiting ? LONG_POLL_INTERVAL : POLL_INTERVAL;
    if (this.#registry.pushes !== true || this.#clock.now() - this.#polledAt >= between) this.#poll();
    this.presenceChanged();
  }

  #poll(): void {
    this.#polledAt = this.#clock.now();
    this.#host.poll();
  }
}

/** Where peers find us, comparable. */
function placeOf({ listenEndpoint, lan, beacons }: Presence): string {
  // In which order they are the best changes with every load on the network.
  return JSON.stringify([listenEndpoint, lan, beacons.map(formatEndpoint).sort()]);
}
