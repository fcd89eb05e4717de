/** Nodes that roam, sleep and change NATs for hours of virtual time, and how soon trusted pairs are back each time. */
import { type Machine, PilotWorld } from '../../../src/sim/index.ts';
import { disturb, logBetween, type Scene } from './disturbances.ts';
import { Meter, type Rates } from './meter.ts';
import { makePlaces } from './places.ts';

const SECOND = 1_000;
const MINUTE = 60_000;
const HOUR = 3_600_000;

/** Every trusted pair must be back within this long after a heal. */
export const BACK_WITHIN = 10 * SECOND;
/** An idle node may send and receive this much altogether. */
export const IDLE_RATE = 50;

/** Each node trusts those so many places further. */
const NEIGHBOURS = [1, 7];
const SETUP_LIMIT = 10 * MINUTE;
/** From one thing that happens to a node to the next, on average. */
const PEACE = 25 * MINUTE;
const SHORTEST_PEACE = 15 * SECOND;
const ATTEMPT_EVERY = 500;
const ATTEMPT_TIMEOUT = 4 * SECOND;
/** A pair that is not back by then is given up. */
const GIVEN_UP = 2 * MINUTE;
/** From the last use of a tunnel until it counts as long idle. */
const UNUSED = 12 * MINUTE;

export interface SoakOptions {
  readonly seed: string | number;
  readonly nodes: number;
  readonly hours: number;
  /** Times the rendezvous dies for a while. */
  readonly outages: number;
  readonly onWorld?: (pilot: PilotWorld) => void;
  readonly onHour?: (hour: number, soak: { readonly checks: number; readonly late: number }) => void;
  readonly onLate?: (late: Late) => void;
}

export interface Late {
  readonly at: number;
  readonly pair: string;
  readonly why: string;
  /** Undefined: never. */
  readonly after: number | undefined;
}

export interface SoakResult {
  readonly seed: string;
  readonly hash: string;
  readonly pairs: number;
  readonly virtualMs: number;
  readonly heals: number;
  /** Pairs that were looked at after a heal, and not disturbed again meanwhile. */
  readonly checks: number;
  /** How long each took, ascending. */
  readonly times: readonly number[];
  readonly late: readonly Late[];
  /** Per node while nothing but the keeping goes on: with tunnels used minutes ago, and with tunnels long unused. */
  readonly warm: readonly Rates[];
  readonly idle: readonly Rates[];
  readonly failures: readonly string[];
}

type Pair = readonly [Machine, Machine];

export async function runSoak(options: SoakOptions): Promise<SoakResult> {
  return new Soak(options).run();
}

class Soak {
  readonly #options: SoakOptions;
  readonly #pilot: PilotWorld;
  readonly #meter: Meter;
  readonly #scene: Scene;
  readonly #pairs: Pair[] = [];
  /** Raised by every disturbance: what was begun before counts no more. */
  readonly #epochs = new Map<Machine, number>();
  readonly #away = new Set<Machine>();
  readonly #times: number[] = [];
  readonly #late: Late[] = [];
  #heals = 0;
  #rendezvousEpoch = 0;
  #over = false;

  constructor(options: SoakOptions) {
    this.#options = options;
    this.#pilot = new PilotWorld(options.seed, { recordsNonces: false });
    const { world, random } = this.#pilot;
    this.#meter = new Meter(world);
    const places = makePlaces(world, random.fork('places'), Math.max(8, Math.ceil(options.nodes * 0.8)));
    for (let i = 0; i < options.nodes; i++) this.#pilot.addMachine(`node-${i}`, places[i % places.length]!);
    this.#scene = {
      random: random.fork('disturbances'),
      places,
      machines: this.#pilot.machines,
      now: () => world.now,
      at: (time, what) => void world.schedule(time, what),
      note: (text) => this.#pilot.note(text),
      disturbed: (...machines) => this.#disturbed(machines),
      healed: (why, ...machines) => this.#healed(why, machines),
    };
    options.onWorld?.(this.#pilot);
  }

  async run(): Promise<SoakResult> {
    const { world, promises } = this.#pilot;
    let warm: Rates[] = [];
    let idle: Rates[] = [];
    if (await this.#setUp()) {
      await world.runFor(MINUTE);
      warm = await this.#measure(5 * MINUTE);
      await world.runFor(UNUSED);
      idle = await this.#measure(20 * MINUTE);
      await this.#roam();
    }
    for (const { time, what, cause } of world.breakages)
      promises.broken(`${what} at ${time}: ${cause instanceof Error ? cause.stack : String(cause)}`);
    for (const { time, host, name, fields } of world.errors)
      promises.broken(`${host} logged ERROR ${name} at ${time}: ${JSON.stringify(fields)}`);
    return {
      seed: world.seed,
      hash: world.trace.hash,
      pairs: this.#pairs.length,
      virtualMs: Math.round(world.now),
      heals: this.#heals,
      checks: this.#times.length + this.#late.filter(({ after }) => after === undefined).length,
      times: this.#times.sort((a, b) => a - b),
      late: this.#late,
      warm,
      idle,
      failures: promises.failures,
    };
  }

  async #setUp(): Promise<boolean> {
    const { world, promises, machines, rendezvous } = this.#pilot;
    await world.await(rendezvous.start());
    await world.await(Promise.all(machines.map((machine) => machine.start())));
    const ready = (): boolean =>
      machines.every(
        (machine) => (machine.node ||= machine.daemon?.info().node_id ?? 0) !== 0 && machine.app?.client,
      );
    if (!(await world.runUntil(ready, SETUP_LIMIT))) {
      promises.broken('not every node registered');
      return false;
    }
    machines.forEach((machine, i) => {
      for (const step of NEIGHBOURS) {
        const other = machines[(i + step) % machines.length]!;
        if (other !== machine && !this.#pairs.some(([a, b]) => a === other && b === machine))
          this.#pairs.push([machine, other]);
      }
    });
    for (const pair of this.#pairs) void this.#befriend(pair);
    const trusted = (): boolean => this.#pairs.every(([a, b]) => a.trusts(b) && b.trusts(a));
    for (let waited = 0; !trusted() && waited < SETUP_LIMIT; waited += SECOND) await world.runFor(SECOND);
    if (!trusted()) promises.broken('not every pair came to trust each other');
    return trusted();
  }

  async #befriend([a, b]: Pair): Promise<void> {
    for (let round = 0; round < 20 && !(a.trusts(b) && b.trusts(a)); round++) {
      if (!a.trusts(b)) await this.#pilot.ask(a, b, false);
      await this.#pause(3 * SECOND);
      if (b.isAskedBy(a)) await this.#pilot.approve(b, a);
      await this.#pause(3 * SECOND);
    }
  }

  async #measure(length: number): Promise<Rates[]> {
    this.#meter.restart();
    await this.#pilot.world.runFor(length);
    return this.#pilot.machines.map(({ name }) => this.#meter.rates(name));
  }

  async #roam(): Promise<void> {
    const { world, machines } = this.#pilot;
    const { hours, outages } = this.#options;
    const startedAt = world.now;
    for (const machine of machines) this.#plan(machine);
    for (let i = 0; i < outages; i++)
      world.schedule(startedAt + ((i + 0.5) / outages) * hours * HOUR, () => void this.#loseRendezvous());
    for (let hour = 1; hour <= Math.ceil(hours); hour++) {
      await world.runFor(Math.min(HOUR, startedAt + hours * HOUR - world.now));
      this.#options.onHour?.(hour, { checks: this.#times.length, late: this.#late.length });
    }
    this.#over = true;
    await world.runFor(GIVEN_UP + ATTEMPT_TIMEOUT);
  }

  #plan(machine: Machine): void {
    if (this.#over) return;
    const { world } = this.#pilot;
    const peace = SHORTEST_PEACE - PEACE * Math.log(1 - this.#scene.random.fraction());
    world.schedule(world.now + peace, () => {
      if (this.#over) return;
      // Somebody else's router may have restarted meanwhile, but who is away has plans already.
      if (this.#away.has(machine)) this.#plan(machine);
      else disturb(this.#scene, machine);
    });
  }

  async #loseRendezvous(): Promise<void> {
    const { rendezvous, world } = this.#pilot;
    const length = logBetween(this.#scene.random, SECOND, 10 * MINUTE);
    this.#rendezvousEpoch++;
    rendezvous.crash('killed');
    await this.#pause(length);
    await rendezvous.start();
    this.#pilot.note(`the rendezvous was away for ${(length / SECOND).toFixed(1)} s`);
    this.#heals++;
    for (const pair of this.#pairs) {
      if (pair.every((machine) => !this.#away.has(machine)))
        void this.#check(pair, `the rendezvous was away for ${(length / SECOND).toFixed(1)} s`, world.now);
    }
  }

  #disturbed(machines: readonly Machine[]): void {
    for (const machine of machines) {
      this.#epochs.set(machine, (this.#epochs.get(machine) ?? 0) + 1);
      if (!machine.host.isAsleep && machine.host.link.up) this.#away.add(machine);
    }
  }

  #healed(why: string, machines: readonly Machine[]): void {
    const { world } = this.#pilot;
    this.#pilot.note(why);
    this.#heals++;
    for (const machine of machines) {
      if (machine.host.isAsleep || !machine.host.link.up) continue;
      this.#away.delete(machine);
      this.#plan(machine);
    }
    if (!this.#pilot.rendezvous.isRunning) return;
    for (const pair of this.#pairs) {
      const concerned = pair.some((machine) => machines.includes(machine));
      if (concerned && pair.every((machine) => !this.#away.has(machine)))
        void this.#check(pair, why, world.now);
    }
  }

  /** Pings from one side, from the other or from both until it works; void when something happens meanwhile. */
  async #check(pair: Pair, why: string, healedAt: number): Promise<void> {
    const { world } = this.#pilot;
    const epoch = (): string =>
      `${pair.map((machine) => this.#epochs.get(machine) ?? 0).join()} ${this.#rendezvousEpoch}`;
    const before = epoch();
    const isVoid = (): boolean => epoch() !== before || pair.some((machine) => this.#away.has(machine));
    const [a, b] = pair;
    const ways = pick3<readonly Pair[]>(this.#scene.random.below(3), [
      [
        [a, b],
        [b, a],
      ],
      [[a, b]],
      [[b, a]],
    ]);
    const waiting = new Set(ways);
    while (waiting.size > 0 && world.now - healedAt < GIVEN_UP) {
      for (const way of waiting)
        void this.#pilot.ping(...way, ATTEMPT_TIMEOUT).then((answered) => {
          if (answered && waiting.delete(way) && waiting.size === 0 && !isVoid())
            this.#back(ways, why, healedAt);
        });
      await this.#pause(ATTEMPT_EVERY);
      if (isVoid()) return;
    }
    if (waiting.size > 0) this.#tooLate({ at: healedAt, pair: nameOf(ways), why, after: undefined });
  }

  #back(ways: readonly Pair[], why: string, healedAt: number): void {
    const after = this.#pilot.world.now - healedAt;
    this.#times.push(after);
    if (after > BACK_WITHIN) this.#tooLate({ at: healedAt, pair: nameOf(ways), why, after });
  }

  #tooLate(late: Late): void {
    this.#late.push(late);
    this.#options.onLate?.(late);
  }

  #pause(length: number): Promise<void> {
    const { world } = this.#pilot;
    return new Promise((resolve) => world.schedule(world.now + length, resolve));
  }
}

function pick3<Value>(index: number, values: readonly [Value, Value, Value]): Value {
  return values[index as 0 | 1 | 2];
}

function nameOf(ways: readonly Pair[]): string {
  return ways.map(([from, to]) => `${from.name} to ${to.name}`).join(' and ');
}
