/** Two nodes behind translators of every kind, on a virtual internet: who gets a direct path, and when. */
import { between, type NatBehaviour } from '../../src/sim/net/index.ts';
import type { Segment } from '../../src/sim/net/index.ts';
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
  /** Virtual milliseconds from the first message to its acknowledgement, and to a direct path on both sides. */
  readonly acknowledged: number;
  readonly direct: number | undefined;
  /** Datagrams that left either host between the first message and the direct path. */
  readonly datagrams: number;
  readonly sockets: number;
  readonly world: PilotWorld;
  readonly a: Machine;
  readonly b: Machine;
}

/** A has something for B, and goes on to have. Both have been online for a while. */
export async function meet(seed: string, kindA: Kind, kindB: Kind, limit = 20_000): Promise<Result> {
  const pilot = new PilotWorld(seed);
  const { world } = pilot;
  await world.await(pilot.rendezvous.start());
  const machine = (name: string, kind: Kind): Machine => {
    const conditions = { delay: between(pilot.random, 5, 25), jitter: 1 };
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

  if (process.env.FACTS) console.log('before', a.pathTo(b), b.pathTo(a), JSON.stringify(a.daemon?.info().peer_list));
  const before = world.events;
  const start = world.now;
  let acknowledged = Number.NaN;
  void pilot.sendMessage(a, b).then((sent) => {
    if (sent) acknowledged = world.now - start;
  });
  const talk = setTalking(pilot, a, b, start + limit);
  const isDirect = (): boolean => a.pathTo(b) === 'direct' && b.pathTo(a) === 'direct';
  const direct = (await world.runUntil(isDirect, limit)) ? world.now - start : undefined;
  await world.runUntil(() => !Number.isNaN(acknowledged), limit);
  talk.end();
  const sockets = a.host.udpSockets + b.host.udpSockets;
  return { acknowledged, direct, datagrams: world.events - before, sockets, world: pilot, a, b };
}

/** A datagram each way five times a second. */
function setTalking(pilot: PilotWorld, a: Machine, b: Machine, until: number): { end: () => void } {
  const { world } = pilot;
  let over = false;
  const beat = (): void => {
    if (over || world.now > until) return;
    pilot.sendDatagram(a, b);
    pilot.sendDatagram(b, a);
    world.schedule(world.now + 200, beat);
  };
  beat();
  return {
    end: () => {
      over = true;
    },
  };
}
