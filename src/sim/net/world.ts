import { PilotError } from '../../api/errors.ts';
import type { Crypto } from '../../base/crypto.ts';
import type { Random } from '../../base/random.ts';
import type { Endpoint, Millis } from '../../base/units.ts';
import { nodeCrypto } from '../../platform/index.ts';
import { type Event, EventQueue } from './event-queue.ts';
import { Host, type HostOptions } from './host.ts';
import { IDEAL, Link, type LinkConditions } from './link.ts';
import { Nat, type NatBehaviour } from './nat.ts';
import { Router } from './router.ts';
import { seededRandom } from './seeded-random.ts';
import { Segment } from './topology.ts';
import { Trace } from './trace.ts';

export interface WorldOptions {
  /** Wall-clock time at virtual time 0. @default 2026-01-01 UTC */
  readonly epoch?: number;
  /** Names a packet by its bytes, for traces. */
  readonly describe?: (data: Uint8Array) => string;
  /** What programs on the hosts get. @default node:crypto */
  readonly crypto?: Crypto;
}

export interface LogRecord {
  readonly time: number;
  readonly host: string;
  readonly level: string;
  readonly name: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Something that must never happen, seen by the world itself: an exception that would have ended a process. */
export interface Breakage {
  readonly time: number;
  readonly what: string;
  readonly cause: unknown;
}

const KEPT_LOGS = 2000;
/** Events at one instant after which time moves on by itself, as real clocks do, and by how much. */
const EVENTS_PER_INSTANT = 200;
const NUDGE: Millis = 0.001;
/** Far above what any run needs: a program that is busy without end stops here, not never. */
const MAX_EVENTS_PER_MILLISECOND = 100_000;

/**
 * A virtual internet on virtual time. Everything that happens is an event in one queue, everything random comes
 * from the seed, so the same seed gives the same run: the same packets, at the same times, with the same hash.
 *
 * Programs run on `Host`s through the ports of `runtime/`. They may use promises: after each event the world lets
 * all promise callbacks settle before it takes the next one.
 */
export class World {
  readonly seed: string;
  readonly epoch: number;
  readonly random: Random;
  readonly crypto: Crypto;
  readonly trace: Trace;
  readonly router: Router;
  /** The segment without NAT. */
  readonly internet = new Segment('internet', '198.18', 257);
  /** What `Net.resolve` knows. */
  readonly names = new Map<string, string[]>();
  readonly hosts: Host[] = [];
  readonly nats: Nat[] = [];
  readonly breakages: Breakage[] = [];
  readonly #queue = new EventQueue();
  #logs: LogRecord[] = [];
  #errors: LogRecord[] = [];
  #now = 0;
  #events = 0;
  #networks = 0;

  constructor(seed: string | number, options: WorldOptions = {}) {
    this.seed = String(seed);
    this.epoch = options.epoch ?? Date.UTC(2026, 0, 1);
    this.random = seededRandom(`world ${seed}`);
    this.crypto = options.crypto ?? nodeCrypto();
    this.trace = new Trace(options.describe ?? (() => ''));
    this.router = new Router(this);
  }

  /** Virtual milliseconds since the world began. */
  get now(): number {
    return this.#now;
  }

  get events(): number {
    return this.#events;
  }

  get logs(): readonly LogRecord[] {
    return this.#logs;
  }

  /** Every ERROR event any program logged. */
  get errors(): readonly LogRecord[] {
    return this.#errors;
  }

  addHost(name: string, segment: Segment, options: HostOptions = {}): Host {
    const host = new Host(this, name, segment, options);
    this.hosts.push(host);
    return host;
  }

  /** A network behind a NAT. `outside` is the internet, or another NAT's inside for a carrier-grade chain. */
  addNat(
    name: string,
    behaviour: NatBehaviour,
    options: { outside?: Segment; conditions?: Partial<LinkConditions>; prefix?: string } = {},
  ): Nat {
    const outside = options.outside ?? this.internet;
    const inside = new Segment(name, options.prefix ?? `192.168.${++this.#networks}`);
    const nat = new Nat({
      name,
      inside,
      outside,
      address: outside.allocate(),
      link: this.link(name, options.conditions),
      behaviour,
      random: this.random.fork(`nat ${name}`),
    });
    inside.router = nat;
    outside.attach(nat);
    this.nats.push(nat);
    return nat;
  }

  link(name: string, conditions: Partial<LinkConditions> = {}): Link {
    return new Link({ ...IDEAL, ...conditions }, this.random.fork(`link ${name}`));
  }

  /** Runs `callback` at virtual time `at`, or as the next event when that is past. */
  schedule(at: number, callback: () => void): Event {
    return this.#queue.push(Math.max(at, this.#now), callback);
  }

  /** Sends a datagram as if it came from `source`, wherever the sender really is: a spoofing attacker on the internet. */
  inject(source: Endpoint, destination: Endpoint, data: Uint8Array): void {
    this.router.inject(source, destination, data);
  }

  /** Runs for `duration` of virtual time. */
  async runFor(duration: Millis): Promise<void> {
    await this.runUntil(() => false, duration);
  }

  /**
   * Runs until `condition` holds, checked after every event, or `limit` of virtual time has passed.
   * Returns whether it held.
   */
  async runUntil(condition: () => boolean, limit: Millis): Promise<boolean> {
    const deadline = this.#now + limit;
    let busy = { from: this.#now, events: 0 };
    let atThisInstant = 0;
    await settle();
    while (!condition()) {
      const next = this.#queue.nextTime();
      if (next === undefined || next > deadline) {
        this.#now = deadline;
        return condition();
      }
      const { run } = this.#queue.pop()!;
      atThisInstant = next <= this.#now ? atThisInstant + 1 : 0;
      this.#now = Math.max(this.#now, next) + (atThisInstant > EVENTS_PER_INSTANT ? NUDGE : 0);
      this.#events++;
      if (this.#now - busy.from > 1) busy = { from: this.#now, events: 0 };
      if (++busy.events > MAX_EVENTS_PER_MILLISECOND) throw new Error(`busy without end at ${this.#now}`);
      try {
        run!();
      } catch (error) {
        this.breakages.push({ time: this.#now, what: 'exception in an event', cause: error });
      }
      await settle();
    }
    return true;
  }

  /** Runs until the promise settles; fails after `limit` of virtual time. */
  async await<T>(promise: Promise<T>, limit: Millis = 60_000): Promise<T> {
    let done = false;
    const mark = (): void => {
      done = true;
    };
    promise.then(mark, mark);
    if (!(await this.runUntil(() => done, limit))) {
      throw new PilotError('timeout', `Nothing came of it within ${limit} ms of virtual time`);
    }
    return promise;
  }

  log(record: LogRecord): void {
    this.#logs.push(record);
    if (record.level === 'error') this.#errors.push(record);
    if (this.#logs.length > 2 * KEPT_LOGS) this.#logs = this.#logs.slice(-KEPT_LOGS);
  }
}

/** One turn of the event loop: every promise callback that can run has run when it is over. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
