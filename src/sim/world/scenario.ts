import { between, chance, directPathPossible, type Passage } from '../net/index.ts';
import { Attacker } from './attacker.ts';
import type { Machine } from './machine.ts';
import { PilotWorld } from './pilot-world.ts';
import { randomTransition } from './transitions.ts';

export interface ScenarioOptions {
  /** How many things happen before the network heals. @default 20 to 50, drawn from the seed */
  readonly transitions?: number;
  /** Gets the world before anything happens in it: for looking closer at a seed. */
  readonly onWorld?: (pilot: PilotWorld) => void;
}

export interface Outcome {
  readonly seed: string;
  /** Equal for equal seeds: hashes every packet, its time and fate, and every transition. */
  readonly hash: string;
  readonly virtualMs: number;
  readonly events: number;
  readonly packets: number;
  readonly seals: number;
  readonly streams: number;
  readonly messages: number;
  /** Broken promises; empty when all is well. */
  readonly failures: readonly string[];
  /** What happened, in order. */
  readonly journal: readonly string[];
  /** The last packets as a mermaid sequence diagram. */
  readonly flow: string;
}

/** Every start of a part and every trust decision in calm weather is done by then. */
const SETUP_LIMIT = 60_000;
/** After the network heals, trusted pairs must talk within this long. */
export const HEAL_LIMIT = 60_000;
/** And use a direct path, where NATs allow one, within this long. */
export const DIRECT_LIMIT = 180_000;
/** Everything under way must have ended, well or badly, by then. */
const SETTLE_LIMIT = 240_000;
const REVOKE_LIMIT = 180_000;
/** Streams whose peer is gone are given up by then. */
const FORGET_LIMIT = 300_000;
/** Peers a node may remember besides those that exist: impostors come and go. */
const KEPT_STRANGERS = 16;

type Pair = readonly [Machine, Machine];

/** Runs the whole life of one world: set-up, disturbances, healing, judgement. Never throws because of what it finds. */
export async function runScenario(seed: string | number, options: ScenarioOptions = {}): Promise<Outcome> {
  const pilot = new PilotWorld(seed);
  const { world, random, promises } = pilot;
  options.onWorld?.(pilot);
  try {
    pilot.addRandomMachines(2 + random.below(3), 0.1);
    const attacker = new Attacker(pilot);
    if (await setUp(pilot)) {
      const count = options.transitions ?? 20 + random.below(31);
      for (let i = 0; i < count; i++) {
        randomTransition({ pilot, attacker });
        await world.runFor(between(random, 10, chance(random, 0.2) ? 20_000 : 3_000));
      }
      await healAndJudge(pilot);
    }
  } catch (thrown) {
    promises.broken(`the world itself failed: ${thrown instanceof Error ? thrown.stack : String(thrown)}`);
  }
  judgeAlways(pilot);
  return {
    seed: world.seed,
    hash: world.trace.hash,
    virtualMs: Math.round(world.now),
    events: world.events,
    packets: world.trace.count('delivered'),
    seals: pilot.ledger.seals,
    streams: promises.acceptedStreams,
    messages: [...promises.messages.values()].filter((message) => message.acknowledged).length,
    failures: promises.failures,
    journal: pilot.journal,
    flow: promises.failures.length === 0 ? '' : world.trace.mermaid(80, isInteresting),
  };
}

/** Boots everything and makes most pairs trust each other, over links that lose packets but without disturbances. */
async function setUp(pilot: PilotWorld): Promise<boolean> {
  const { world, promises, random, machines } = pilot;
  await world.await(pilot.rendezvous.start());
  await world.await(Promise.all(machines.map((machine) => machine.start())));
  const ready = (): boolean =>
    machines.every((machine) => (machine.node ||= nodeOf(machine)) !== 0 && machine.app?.client);
  if (!(await world.runUntil(ready, SETUP_LIMIT))) {
    promises.broken('not every node registered in calm weather');
    return false;
  }
  for (const machine of machines)
    pilot.note(
      `${machine.name} is node ${machine.node} at ${machine.host.address} in ${machine.host.segment.name}`,
    );
  const wanted = pairs(machines).filter((_pair, index) => index === 0 || chance(random, 0.7));
  for (const pair of wanted) void establishTrust(pilot, chance(random, 0.5) ? pair : [pair[1], pair[0]]);
  const trusted = (): boolean => wanted.every((pair) => isMutual(pair));
  if (!(await world.runUntil(trusted, SETUP_LIMIT))) {
    const missing = wanted.filter((pair) => !isMutual(pair)).map(nameOf);
    promises.broken(`no mutual trust in calm weather: ${missing.join(', ')}`);
    return false;
  }
  return true;
}

/** One asks, the other approves; both try again until it is done. */
async function establishTrust(pilot: PilotWorld, [a, b]: Pair): Promise<void> {
  for (let round = 0; round < 20 && !isMutual([a, b]); round++) {
    if (!a.trusts(b)) await pilot.ask(a, b, round % 2 === 0);
    const arrived = await pause(pilot, 4_000, () => b.isAskedBy(a) || isMutual([a, b]));
    if (arrived && b.isAskedBy(a)) await pilot.approve(b, a);
    await pause(pilot, 4_000, () => isMutual([a, b]));
    // One side may have kept a trust that the other gave up: asking the other way round repairs it.
    if (!isMutual([a, b]) && a.isAskedBy(b)) await pilot.approve(a, b);
    if (a.trusts(b) && !b.trusts(a)) await pilot.ask(b, a, false);
  }
}

async function healAndJudge(pilot: PilotWorld): Promise<void> {
  const { world, promises, machines } = pilot;
  pilot.note('the network heals');
  pilot.heal();
  const restarted = (): boolean =>
    pilot.rendezvous.isRunning && machines.every((machine) => machine.isRunning && machine.app?.client);
  if (!(await world.runUntil(restarted, HEAL_LIMIT))) {
    promises.broken('something did not come back after a restart');
    return;
  }
  for (const machine of machines) {
    if (nodeOf(machine) !== machine.node)
      promises.broken(`${machine.name} was node ${machine.node} and is ${nodeOf(machine)}`);
  }
  const healedAt = world.now;
  const must = pairs(machines).filter(
    (pair) => promises.hasConsent(...pair) && promises.hasConsent(pair[1], pair[0]) && isMutual(pair),
  );
  const talked = await allTalk(pilot, must, HEAL_LIMIT);
  if (talked.length > 0)
    promises.broken(`silent ${HEAL_LIMIT / 1000} s after the network healed: ${talked.join(', ')}`);
  pilot.note(`trusted pairs talk again after ${(world.now - healedAt).toFixed(0)} ms`);

  for (const [a, b] of must) {
    pilot.sendStream(a, b, 20_000);
    pilot.sendStream(b, a, 20_000);
  }
  await judgePaths(pilot, must, healedAt);
  await judgeTrust(pilot);
  await world.runUntil(() => pilot.underWay().length === 0, SETTLE_LIMIT);
  for (const { name, since } of pilot.underWay())
    promises.broken(`${name}, begun at ${(since / 1000).toFixed(3)}, never ended`);
  await world.runFor(1_000);
  promises.judgeTransfers();
  await judgeLeftovers(pilot);
}

/** When nothing is under way, nothing is kept: no stream, and no more peers than there are nodes. */
async function judgeLeftovers(pilot: PilotWorld): Promise<void> {
  const { world, promises, machines } = pilot;
  const open = (machine: Machine): string[] =>
    (machine.daemon?.info().conn_list ?? []).map(
      (conn) => `${conn.state} with ${conn.remote_addr}:${conn.remote_port}`,
    );
  await world.runUntil(() => machines.every((machine) => open(machine).length === 0), FORGET_LIMIT);
  for (const machine of machines) {
    if (open(machine).length > 0)
      promises.broken(`${machine.name} never forgets streams: ${open(machine).join(', ')}`);
    const peers = machine.daemon?.info().peers ?? 0;
    if (peers > machines.length + KEPT_STRANGERS) promises.broken(`${machine.name} keeps ${peers} peers`);
  }
}

/** Every pair exchanges a message in each direction; returns those that did not. */
async function allTalk(pilot: PilotWorld, must: readonly Pair[], limit: number): Promise<string[]> {
  const silent = new Set(must.flatMap(([a, b]) => [`${a.name} to ${b.name}`, `${b.name} to ${a.name}`]));
  const talk = async (from: Machine, to: Machine): Promise<void> => {
    const deadline = pilot.world.now + limit;
    while (pilot.world.now < deadline) {
      if (await pilot.sendMessage(from, to)) {
        silent.delete(`${from.name} to ${to.name}`);
        return;
      }
      await pause(pilot, 500, () => false);
    }
  };
  for (const [a, b] of must) {
    void talk(a, b);
    void talk(b, a);
  }
  await pilot.world.runUntil(() => silent.size === 0, limit);
  return [...silent];
}

/** Where the NATs allow a direct path, trusted pairs that keep talking must come to use one. */
async function judgePaths(pilot: PilotWorld, must: readonly Pair[], healedAt: number): Promise<void> {
  const { world, promises } = pilot;
  const expected = must.filter(([a, b]) => directPathPossible(a.host, b.host) === 'yes');
  const isDirect = ([a, b]: Pair): boolean => a.pathTo(b) === 'direct' && b.pathTo(a) === 'direct';
  while (!expected.every(isDirect) && world.now < healedAt + DIRECT_LIMIT) {
    for (const [a, b] of expected) if (!isDirect([a, b])) void pilot.ping(a, b);
    await world.runFor(4_000);
  }
  for (const pair of expected) {
    if (!isDirect(pair))
      promises.broken(
        `${nameOf(pair)} could talk directly but use ${pair[0].pathTo(pair[1])}/${pair[1].pathTo(pair[0])}`,
      );
  }
  for (const [a, b] of must) {
    if (directPathPossible(a.host, b.host) !== 'no') continue;
    if (a.pathTo(b) === 'direct') promises.broken(`${nameOf([a, b])} claim a direct path where none can be`);
  }
}

/** A withdrawn trust reaches the other side; a wanted trust can be had again. */
async function judgeTrust(pilot: PilotWorld): Promise<void> {
  const { world, promises, machines } = pilot;
  const oneSided = (): Pair[] =>
    pairs(machines)
      .flatMap(([a, b]): Pair[] => [
        [a, b],
        [b, a],
      ])
      .filter(([a, b]) => a.trusts(b) && !b.trusts(a));
  const agreed = await world.runUntil(() => oneSided().length === 0, REVOKE_LIMIT);
  if (!agreed) promises.broken(`trust stays one-sided: ${oneSided().map(nameOf).join(', ')}`);
  for (const [a, b] of pairs(machines)) {
    for (const [who, peer] of [
      [a, b],
      [b, a],
    ] as const) {
      if (who.trusts(peer) && !promises.hasConsent(who, peer))
        promises.broken(`${who.name} trusts ${peer.name} though its user does not`);
      if (who.trusts(peer) && !promises.everConsented(peer, who))
        promises.broken(`${who.name} trusts ${peer.name}, whose user never agreed`);
    }
  }
  const apart = pairs(machines).filter((pair) => !isMutual(pair));
  for (const pair of apart) void establishTrust(pilot, pair);
  if (!(await world.runUntil(() => apart.every(isMutual), HEAL_LIMIT))) {
    promises.broken(
      `no new trust after healing: ${apart
        .filter((pair) => !isMutual(pair))
        .map(nameOf)
        .join(', ')}`,
    );
    return;
  }
  const silent = await allTalk(pilot, apart, HEAL_LIMIT);
  if (silent.length > 0) promises.broken(`silent with new trust: ${silent.join(', ')}`);
}

/** What must hold whenever a world is looked at. */
function judgeAlways(pilot: PilotWorld): void {
  const { world, promises, ledger } = pilot;
  for (const { time, what, cause } of world.breakages) {
    promises.broken(
      `${what} at ${(time / 1000).toFixed(3)}: ${cause instanceof Error ? cause.stack : String(cause)}`,
    );
  }
  for (const { time, host, name, fields } of world.errors) {
    promises.broken(`${host} logged ERROR ${name} at ${(time / 1000).toFixed(3)}: ${JSON.stringify(fields)}`);
  }
  for (const { key, nonce } of ledger.repeats)
    promises.broken(`nonce ${nonce} was used twice under key ${key}`);
}

function pairs(machines: readonly Machine[]): Pair[] {
  return machines.flatMap((a, i) => machines.slice(i + 1).map((b): Pair => [a, b]));
}

function nameOf([a, b]: Pair): string {
  return `${a.name} and ${b.name}`;
}

function nodeOf(machine: Machine): number {
  return machine.daemon?.info().node_id ?? 0;
}

function isMutual([a, b]: Pair): boolean {
  return a.trusts(b) && b.trusts(a);
}

/** Waits until `condition` holds or `limit` has passed, without stopping the world; resolves to whether it held. */
async function pause(pilot: PilotWorld, limit: number, condition: () => boolean): Promise<boolean> {
  const { world } = pilot;
  const deadline = world.now + limit;
  while (!condition() && world.now < deadline) {
    await new Promise<void>((resolve) => world.schedule(Math.min(deadline, world.now + 250), resolve));
  }
  return condition();
}

/** Background chatter hides what matters. */
function isInteresting(passage: Passage): boolean {
  return passage.from !== 'attacker' || passage.fate === 'delivered';
}
