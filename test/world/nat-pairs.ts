/** Two nodes behind translators of every kind, on a virtual internet: who gets a direct path, and when. */

import type { Segment } from '../../src/sim/net/index.ts';
import { between, type NatBehaviour } from '../../src/sim/net/index.ts';
import { type Machine, PilotWorld } from '../../src/sim/world/index.ts';

const COMMON = { expiry: 60_000, inboundRefresh: true, hairpin: false } as const;
const DEPENDENT = 'address-and-port-dependent';

/** `open` is no translator at all. */
export const KINDS = {
  open: undefined,
  full: nat('endpoint-independent', 'endpoint-independent', 'preserve'),
  address: nat('endpoint-independent', 'address-dependent', 'preserve'),
  port: nat('endpoint-independent', DEPENDENT, 'random'),
  conntrack: nat(DEPENDENT, DEPENDENT, 'preserve'),
  sequential: nat(DEPENDENT, DEPENDENT, 'sequential'),
  random: nat(DEPENDENT, DEPENDENT, 'random'),
} as const satisfies Record<string, NatBehaviour | undefined>;

export type Kind = keyof typeof KINDS;

function nat(
  mapping: NatBehaviour['mapping'],
  filtering: NatBehaviour['filtering'],
  ports: NatBehaviour['ports'],
): NatBehaviour {
  return { mapping, filtering, ports, ...COMMON };
}

/** Ports that nobody can foresee on both sides, or on one while the other has to aim at a moving port. */
export function directIsPossible(a: Kind, b: Kind): boolean {
  const hard = [a, b].filter((kind) => kind === 'random' || kind === 'sequential');
  return hard.length < 2 || (a === 'sequential' && b === 'sequential');
}

export interface Result {
  /** Virtual milliseconds from the first message to its arrival, and to a direct path on both sides. */
  readonly arrived: number | undefined;
  readonly direct: number | undefined;
  /** Round trip between the slower of both and the beacon. */
  readonly roundTrip: number;
  readonly pilot: PilotWorld;
  readonly a: Machine;
  readonly b: Machine;
}

/** A has something for B, and both go on to have something. Both have been online for a while. */
export async function meet(seed: string, kindA: Kind, kindB: Kind, limit = 20_000): Promise<Result> {
  const pilot = new PilotWorld(seed);
  const { world } = pilot;
  await world.await(pilot.rendezvous.start());
  const delays: number[] = [];
  const machine = (name: string, kind: Kind): Machine => {
    const delay = between(pilot.random, 5, 25);
    delays.push(delay);
    const conditions = { delay, jitter: 1 };
    const behaviour = KINDS[kind];
    if (behaviour === undefined) return pilot.addMachine(name, world.internet, conditions);
    const inside: Segment = world.addNat(`nat-${name}`, behaviour, { conditions }).inside;
    return pilot.addMachine(name, inside);
  };
  const [a, b] = [machine('a', kindA), machine('b', kindB)];
  for (const one of [a, b]) await world.await(one.start());
  for (const one of [a, b]) one.node = one.daemon!.info().node_id;
  await world.runFor(1_000);
  await world.await(pilot.ask(a, b, false));
  await world.runUntil(() => b.isAskedBy(a), 10_000);
  await world.await(pilot.approve(b, a));
  await world.runUntil(() => a.trusts(b) && b.trusts(a), 20_000);
  await world.runFor(5_000);
  // Nothing is left of the session in which they agreed to trust each other.
  for (const one of [a, b]) await world.await(one.stop());
  for (const one of [a, b]) await world.await(one.start());
  await world.runFor(8_000);

  const start = world.now;
  const since = (time: number | undefined): number | undefined => time && time - start;
  void pilot.sendMessage(a, b);
  keepTalking(pilot, a, b, start + limit);
  const isDirect = (): boolean => a.pathTo(b) === 'direct' && b.pathTo(a) === 'direct';
  const direct = (await world.runUntil(isDirect, limit)) ? world.now - start : undefined;
  await world.runFor(1_000);
  const arrived = world.logs.find(({ name, time }) => name === 'message.received' && time > start);
  const roundTrip = 2 * (Math.max(...delays) + 11 + 3);
  return { arrived: since(arrived?.time), direct, roundTrip, pilot, a, b };
}

/** A datagram each way five times a second. */
function keepTalking(pilot: PilotWorld, a: Machine, b: Machine, until: number): void {
  const { world } = pilot;
  const beat = (): void => {
    if (world.now > until) return;
    pilot.sendDatagram(a, b);
    pilot.sendDatagram(b, a);
    world.schedule(world.now + 200, beat);
  };
  beat();
}

/** What was tried, by whom: `tunnel.punch_ended` of both sides. */
export function attemptsOf({ pilot }: Result): { host: string; strategy: unknown; packets: number }[] {
  return pilot.world.logs
    .filter(({ name }) => name === 'tunnel.punch_ended')
    .map(({ host, fields }) => ({ host, strategy: fields.strategy, packets: Number(fields.packets) }));
}
