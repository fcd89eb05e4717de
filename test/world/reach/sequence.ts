/** Random sequences of what users do and what befalls their machines, held against the reference model. */
import { asPilotError } from '../../../src/api/errors.ts';
import type { Random } from '../../../src/base/random.ts';
import type { PilotClient } from '../../../src/sdk/client.ts';
import { chance, type Machine, PilotWorld, pick } from '../../../src/sim/index.ts';
import { settle } from './model.ts';
import { type Ids, type Operation, randomOperation } from './operations.ts';
import { EMPTY_STATE, pair, pairOf, portsText, reaches, type State, withPair } from './state.ts';
import { type Arrival, PORTS, Tester } from './tester.ts';

export interface Verdict {
  readonly seed: string;
  readonly failures: readonly string[];
  readonly journal: readonly string[];
  readonly operations: number;
  /** Answers of the real network that were held against the model. */
  readonly checks: number;
  readonly virtualMs: number;
}

/** All in virtual ms. */
const SETUP_LIMIT = 60_000;
/** After one undisturbed operation, both ends agree within this. */
const SETTLE = 3_000;
/** After disturbances end, both ends agree within this. */
const HEAL_LIMIT = 150_000;
/** Everything that is looked at between two of these has the same answer: nothing ends meanwhile. */
const LOOK_LIMIT = 45_000;
/** A trust is not looked at this close to its end: whole seconds on the wire. */
const MARGIN = 5_000;
/** What left a machine before its user withdrew may still arrive. */
const FLIGHT = 1_000;
/** One operation and what became of it. */
interface Done {
  readonly operation: Operation;
  /** The user was told that it is done; else it may or may not have happened. */
  readonly isAcknowledged: boolean;
}

export async function runSequence(seed: string | number, steps?: number): Promise<Verdict> {
  const run = new Sequence(seed);
  try {
    if (await run.setUp()) await run.play(steps ?? 4 + run.random.below(6));
  } catch (thrown) {
    run.fail(`the world itself failed: ${thrown instanceof Error ? thrown.stack : String(thrown)}`);
  }
  return run.verdict();
}

class Sequence {
  readonly pilot: PilotWorld;
  readonly random: Random;
  readonly #testers: Tester[] = [];
  readonly #failures: string[] = [];
  readonly #ids: { nodes: number[]; network: number } = { nodes: [], network: 0 };
  #state: State = EMPTY_STATE;
  /** What is under way since `#state`; `isCertain` once it must have taken effect everywhere. */
  #changes: { readonly operation: Operation; isCertain: boolean }[] = [];
  #operations = 0;
  #checks = 0;

  constructor(seed: string | number) {
    this.pilot = new PilotWorld(`reach ${seed}`);
    this.random = this.pilot.random;
  }

  verdict(): Verdict {
    const { world, promises, journal } = this.pilot;
    const broken = world.breakages.map(({ what }) => what);
    const logged = world.errors.map(
      ({ host, name, fields }) => `${host} logged ${name} ${JSON.stringify(fields)}`,
    );
    return {
      seed: world.seed,
      failures: [...this.#failures, ...promises.failures, ...broken, ...logged],
      journal,
      operations: this.#operations,
      checks: this.#checks,
      virtualMs: Math.round(world.now),
    };
  }

  fail(what: string): void {
    this.#failures.push(what);
    this.pilot.note(`BROKEN: ${what}`);
  }

  async setUp(): Promise<boolean> {
    const { world, rendezvous } = this.pilot;
    const count = chance(this.random, 0.6) ? 2 : 3;
    for (let i = 0; i < count; i++) {
      const machine = this.pilot.addMachine(`node-${i}`, world.internet, { delay: 5, jitter: 2 });
      machine.host.skew = 0;
    }
    await world.await(rendezvous.start());
    await world.await(Promise.all(this.#machines.map((machine) => machine.start())));
    for (const machine of this.#machines)
      this.#testers.push(new Tester(machine, (arrival, tester) => this.#arrived(arrival, tester)));
    if (!(await world.runUntil(() => this.#isUp(), SETUP_LIMIT))) {
      this.fail('not every node came up in calm weather');
      return false;
    }
    this.#ids.nodes = this.#machines.map((machine) => machine.daemon?.info().node_id ?? 0);
    return true;
  }

  async play(steps: number): Promise<void> {
    for (let step = 0; step < steps && this.#failures.length === 0; step++) {
      if (chance(this.random, 0.3)) await this.#storm();
      else if (chance(this.random, 0.1)) await this.#wait(20_000 + this.random.below(120_000));
      else await this.#calmStep();
    }
    if (this.#failures.length === 0) await this.#checkAll();
  }

  get #machines(): readonly Machine[] {
    return this.pilot.machines;
  }

  get #wall(): number {
    return this.pilot.world.epoch + this.pilot.world.now;
  }

  #isUp(): boolean {
    return (
      this.pilot.rendezvous.isRunning &&
      this.#testers.every(({ client, machine }) => {
        const info = machine.daemon?.info();
        return client !== undefined && info?.registered === true && info.registry_connected;
      })
    );
  }

  // --- calm ------------------------------------------------------------------------------------------------------

  async #calmStep(): Promise<void> {
    await this.#avoidEnds();
    const operation = this.#draw();
    const done = await this.#perform(operation);
    if (!done.isAcknowledged) {
      this.fail(`${operation.name} failed in calm weather`);
      return;
    }
    await this.pilot.world.runFor(SETTLE);
    this.#become(operation.apply(this.#state));
    await this.#avoidEnds();
    const { by, peer } = operation;
    await this.#check(
      this.#couples().filter(
        ([from, to]) =>
          peer === undefined || pairOf(by, peer).key === pairOf(from, to).key || chance(this.random, 0.2),
      ),
    );
  }

  /** Lets time pass, over the end of trusts if need be. */
  async #wait(duration: number): Promise<void> {
    this.pilot.note(`${(duration / 1000).toFixed(0)} s pass`);
    await this.pilot.world.runFor(duration);
    await this.#avoidEnds();
    await this.#checkAll();
  }

  /** Nobody looks while a trust is about to end; what has ended is gone, and its open questions with it. */
  async #avoidEnds(): Promise<void> {
    const isClose = (): boolean =>
      this.#ends().some((end) => end > this.#wall - MARGIN && end < this.#wall + LOOK_LIMIT);
    while (isClose()) await this.pilot.world.runFor(1_000);
    for (const [from, to] of this.#couples()) {
      if (from > to) continue;
      const before = pair(this.#state, from, to);
      const now = settle(before, this.#wall);
      if (before.trust !== undefined && now.trust === undefined) {
        this.pilot.note(`trust of ${from} and ${to} is over`);
        if (await this.#openQuestions(from, to))
          this.fail(`a question between ${from} and ${to} outlives the trust it was asked under`);
      }
      this.#become(withPair(this.#state, from, to, now));
    }
  }

  /** When trusts and questions of the present state end. */
  #ends(): number[] {
    return [...this.#state.pairs.values()].flatMap(({ trust, asked }) =>
      [trust?.until, asked[0]?.until, asked[1]?.until].filter((end) => end !== undefined),
    );
  }

  // --- storms ----------------------------------------------------------------------------------------------------

  /** Machines die, ways close, and meanwhile users do things; then everything heals and must agree. */
  async #storm(): Promise<void> {
    const { world } = this.pilot;
    await this.#avoidEnds();
    this.pilot.note('a storm begins');
    this.#disturb();
    const done: Done[] = [];
    const count = 1 + this.random.below(2);
    for (let i = 0; i < count; i++) {
      const operation = this.#draw();
      if (operation.isCalm || done.some((other) => isEntangled(other.operation, operation))) continue;
      const started = this.#perform(operation);
      if (chance(this.random, 0.5)) this.#disturb();
      for (const [from, to] of this.#couples())
        if (chance(this.random, 0.5)) void this.#try(from, to, pick(this.random, PORTS));
      done.push(await started);
      if (chance(this.random, 0.3)) this.#disturb();
      await world.runFor(this.random.below(8_000));
    }
    await world.runFor(this.random.below(15_000));
    await this.#heal();
    await this.#reconcile(done);
  }

  #disturb(): void {
    const { world, rendezvous } = this.pilot;
    const machine = pick(this.random, this.#machines);
    const pause = this.random.below(15_000);
    const later = (work: () => void): void => void world.schedule(world.now + pause, work);
    switch (this.random.below(4)) {
      case 0: {
        if (!machine.isRunning) return;
        const death = pick(this.random, ['killed', 'power'] as const);
        this.pilot.note(`${machine.name} dies (${death}) for ${pause} ms`);
        machine.crash(death);
        later(() => this.#restart(machine));
        return;
      }
      case 1: {
        if (!rendezvous.isRunning) return;
        this.pilot.note(`the registry dies for ${pause} ms`);
        rendezvous.crash('killed');
        later(
          () =>
            void rendezvous.start().catch((thrown: unknown) => this.fail(`the registry: ${String(thrown)}`)),
        );
        return;
      }
      case 2: {
        const other = pick(
          this.random,
          [...this.#machines, rendezvous].filter((each) => each !== machine),
        );
        this.pilot.note(`no way between ${machine.name} and ${other.host.name} for ${pause} ms`);
        world.router.setPartition(machine.host, other.host, true);
        later(() => world.router.setPartition(machine.host, other.host, false));
        return;
      }
      default: {
        this.pilot.note(`${machine.name} is offline for ${pause} ms`);
        machine.host.link.up = false;
        later(() => {
          machine.host.link.up = true;
        });
      }
    }
  }

  #restart(machine: Machine): void {
    const isDead = !machine.host.powered;
    machine.start().then(
      () => {
        // A power cut takes the program with it.
        if (!isDead) return;
        const at = this.#machines.indexOf(machine);
        this.#testers[at] = new Tester(machine, (arrival, tester) => this.#arrived(arrival, tester));
      },
      (thrown: unknown) => this.fail(`${machine.name} does not start: ${String(thrown)}`),
    );
  }

  async #heal(): Promise<void> {
    this.pilot.note('the storm is over');
    this.pilot.heal();
    if (!(await this.pilot.world.runUntil(() => this.#isUp(), HEAL_LIMIT))) {
      this.fail('something did not come back after the storm');
    }
    // A connection that the storm broke is found out when it is used: better by a question than by a command.
    const question = (client: PilotClient | undefined): Promise<unknown> =>
      client?.ipc.call('find_nodes', {}).catch(() => {}) ?? Promise.resolve();
    await this.pilot.world.await(Promise.all(this.#testers.map(({ client }) => question(client))));
    if (!(await this.pilot.world.runUntil(() => this.#isUp(), HEAL_LIMIT)))
      this.fail('a connection did not come back');
  }

  /** Finds which of the possible states the network agreed on. */
  async #reconcile(done: readonly Done[]): Promise<void> {
    let possible: State[] = [this.#state];
    for (const { operation, isAcknowledged } of done) {
      const applied = possible.map((state) => operation.apply(state));
      possible = isAcknowledged ? applied : [...possible, ...applied];
    }
    const deadline = this.pilot.world.now + HEAL_LIMIT;
    let seen = '';
    for (;;) {
      await this.pilot.world.runFor(SETTLE);
      if (this.#failures.length > 0) return;
      const observed = await this.#observe();
      const agreed = possible.filter((state) => this.#expected(state) === observed);
      if (agreed.length > 0) {
        this.#become(agreed.at(-1)!);
        await this.#avoidEnds();
        return;
      }
      seen = observed;
      if (this.pilot.world.now > deadline) break;
    }
    const expected = possible.map((state) => this.#expected(state)).join('\n  or ');
    this.fail(`after the storm the network says\n     ${seen}\n  and not ${expected}`);
  }

  /** Everything that can be seen of the state, as text. */
  async #observe(): Promise<string> {
    const rows = this.#couples().map(async ([from, to]) => {
      const [open, shared, asked, granted] = await Promise.all([
        Promise.all(PORTS.map((port) => this.#try(from, to, port))),
        this.#openInNetwork(from, to),
        this.#questionOf(from, to),
        this.#granted(from, to),
      ]);
      const ports = PORTS.filter((_, i) => open[i] === 'reached').join(',');
      return `${from}${granted}${to}:${ports}${shared}${asked}`;
    });
    return (await this.pilot.world.await(Promise.all(rows))).join(' ');
  }

  #expected(state: State): string {
    return this.#couples()
      .map(([from, to]) => {
        const open = PORTS.filter((port) => reaches(state, from, to, port, 'plain', this.#wall));
        const wish = settle(pair(state, from, to), this.#wall).asked[pairOf(from, to).side];
        const asked =
          wish === undefined
            ? ''
            : questionText(portsText(wish.give), portsText(wish.get), wish.until !== undefined);
        const isShared = PORTS.some((port) => reaches(state, from, to, port, 'network', this.#wall));
        const { trust } = settle(pair(state, from, to), this.#wall);
        const granted = grantText(trust && portsText(trust.offers[pairOf(from, to).side]));
        return `${from}${granted}${to}:${open.join(',')}${isShared ? '+net' : ''}${asked}`;
      })
      .join(' ');
  }

  // --- what users do and see ---------------------------------------------------------------------------------------

  #draw(): Operation {
    return randomOperation({
      random: this.random,
      state: this.#state,
      count: this.#machines.length,
      wall: this.#wall,
    });
  }

  async #perform(operation: Operation): Promise<Done> {
    this.#operations++;
    const { world } = this.pilot;
    const change = { operation, isCertain: false };
    this.#changes.push(change);
    this.pilot.note(operation.name);
    const client = this.#testers[operation.by]?.client;
    let outcome = 'away';
    if (client !== undefined) {
      const working = operation.run(client, this.#ids as Ids).then(
        () => 'done',
        (thrown: unknown) => {
          const { code, message } = asPilotError(thrown);
          if (code === 'internal') this.fail(`${operation.name}: ${message}`);
          return `${code}: ${message}`;
        },
      );
      outcome = await world.await(Promise.race([working, this.#elapsed(40_000)]));
    }
    this.pilot.note(`  ${outcome}`);
    const isAcknowledged = outcome === 'done';
    // What a user takes back on its own machine is gone at once, whoever else has heard of it.
    if (isAcknowledged && operation.isLocal) {
      world.schedule(world.now + FLIGHT, () => {
        change.isCertain = true;
      });
    }
    return { operation, isAcknowledged };
  }

  #elapsed(duration: number): Promise<string> {
    return new Promise((resolve) => {
      this.pilot.world.schedule(this.pilot.world.now + duration, () => resolve('no answer'));
    });
  }

  /** Only one thing at a time may wait for the world, so this does not. */
  #try(from: number, to: number, port: number, by: 'plain' | 'network' = 'plain'): Promise<string> {
    const network = by === 'network' ? this.#ids.network : 0;
    return this.#testers[from]!.probe(this.#ids.nodes[to]!, port, network);
  }

  async #check(couples: readonly (readonly [number, number])[]): Promise<void> {
    const ways = this.#state.network === undefined ? (['plain'] as const) : (['plain', 'network'] as const);
    const looks = couples.flatMap(([from, to]) =>
      ways.map(async (by) => {
        const port = pick(this.random, PORTS);
        const expected = reaches(this.#state, from, to, port, by, this.#wall);
        const got = await this.#try(from, to, port, by);
        this.#checks++;
        if ((got === 'reached') !== expected)
          this.fail(
            `${from} to ${to}, port ${port}, ${by} address: ${got}, but the model says ${expected ? 'reached' : 'refused'}`,
          );
      }),
    );
    await this.pilot.world.await(Promise.all(looks));
  }

  async #checkAll(): Promise<void> {
    await this.#avoidEnds();
    await this.#check(this.#couples());
    const [observed, expected] = [await this.#observe(), this.#expected(this.#state)];
    this.#checks += PORTS.length * this.#couples().length;
    if (observed !== expected)
      this.fail(`the network says\n     ${observed}\n  but the model\n     ${expected}`);
  }

  async #openQuestions(a: number, b: number): Promise<boolean> {
    const both = Promise.all([this.#questionOf(a, b), this.#questionOf(b, a)]);
    return (await this.pilot.world.await(both)).some((question) => question !== '');
  }

  /** Trust itself: what it allows may be hidden by a network that allows more. */
  async #granted(who: number, peer: number): Promise<string> {
    const rows = (await this.#testers[who]?.client?.trusted()) ?? [];
    return grantText(rows.find((row) => row.node_id === this.#ids.nodes[peer])?.gives.ports);
  }

  async #openInNetwork(from: number, to: number): Promise<string> {
    if (this.#ids.network === 0) return '';
    const tries = await Promise.all(PORTS.map((port) => this.#try(from, to, port, 'network')));
    return tries.includes('reached') ? '+net' : '';
  }

  /** What `by` asks `who`, as `who` sees it. */
  async #questionOf(by: number, who: number): Promise<string> {
    const client = this.#testers[who]?.client;
    const pending = client === undefined ? [] : await client.pending();
    const row = pending.find((each) => each.node_id === this.#ids.nodes[by]);
    return row === undefined
      ? ''
      : questionText(row.asks.get.ports, row.asks.give.ports, row.asks.not_after !== undefined);
  }

  /** Called for everything that reaches a program, also during storms. */
  #arrived({ from, port }: Arrival, tester: Tester): void {
    const [sender, receiver] = [this.#ids.nodes.indexOf(from), this.#testers.indexOf(tester)];
    this.#checks++;
    const now = this.#wall;
    const isPossible = this.#possible().some(
      (state) =>
        reaches(state, sender, receiver, port, 'plain', now - MARGIN) ||
        reaches(state, sender, receiver, port, 'network', now),
    );
    if (!isPossible)
      this.fail(`something of ${sender} reached ${receiver} on port ${port}, which nobody allowed`);
  }

  #become(state: State): void {
    this.#state = state;
    this.#changes = [];
  }

  /** Every state that may hold at this moment. */
  #possible(): State[] {
    let states = [this.#state];
    for (const { operation, isCertain } of this.#changes) {
      const applied = states.map((state) => operation.apply(state));
      states = isCertain ? applied : [...states, ...applied];
    }
    return states;
  }

  #couples(): [number, number][] {
    const indices = this.#machines.map((_, i) => i);
    return indices.flatMap((from) =>
      indices.filter((to) => to !== from).map((to): [number, number] => [from, to]),
    );
  }
}

/** A question as both the model and the network tell it: what its asker gives and gets. */
function questionText(give: string, get: string, ends: boolean): string {
  return `?[gives ${give}, gets ${get}${ends ? ', for a time' : ''}]`;
}

/** Two operations on one pair, or one on the network: their order would matter. */
function isEntangled(a: Operation, b: Operation): boolean {
  if (a.peer === undefined || b.peer === undefined) return true;
  return pairOf(a.by, a.peer).key === pairOf(b.by, b.peer).key;
}

function grantText(ports: string | undefined): string {
  return ports === undefined ? '>' : `=${ports}=`;
}
