/** Real daemons and several real beacons on a virtual internet: who finds whom where, and what a dead beacon costs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BeaconMachine, type Machine, PilotWorld } from '../../src/sim/world/index.ts';

interface Meeting {
  readonly pilot: PilotWorld;
  readonly beacons: readonly BeaconMachine[];
  readonly a: Machine;
  readonly b: Machine;
}

/** Two nodes that may only be relayed, at beacons that are named by their numbers. */
async function meeting(seed: string, ofA: readonly number[], ofB: readonly number[]): Promise<Meeting> {
  const pilot = new PilotWorld(seed);
  const { world, rendezvous } = pilot;
  await world.await(rendezvous.start());
  const beacons = [10, 20, 40].map(
    (delay, index) => new BeaconMachine(world, `beacon-${index}`, rendezvous, { delay, jitter: 1 }),
  );
  for (const beacon of beacons) await world.await(beacon.start());
  const machine = (name: string, homes: readonly number[]): Machine => {
    const one = pilot.addMachine(name, world.internet, { delay: 10, jitter: 1 });
    one.settings = { beacons: homes.map((at) => beacons[at]!.endpoint), relayOnly: true };
    return one;
  };
  const [a, b] = [machine('a', ofA), machine('b', ofB)];
  for (const one of [a, b]) await world.await(one.start());
  for (const one of [a, b]) one.node = one.daemon!.info().node_id;
  await world.runFor(2_000);
  await world.await(pilot.ask(a, b, false));
  await world.runUntil(() => b.isAskedBy(a), 10_000);
  await world.await(pilot.approve(b, a));
  assert.ok(await world.runUntil(() => a.trusts(b) && b.trusts(a), 20_000));
  return { pilot, beacons, a, b };
}

/** How long one message takes. */
async function exchange({ pilot }: Meeting, from: Machine, to: Machine, limit: number): Promise<number> {
  const { world } = pilot;
  const began = world.now;
  const heard = (): boolean =>
    world.logs.some(
      ({ name, host, time }) => name === 'message.received' && host === to.name && time > began,
    );
  void pilot.sendMessage(from, to);
  assert.ok(await world.runUntil(heard, limit), `${from.name} reaches ${to.name} within ${limit} ms`);
  return world.now - began;
}

function relayed({ beacons }: Meeting): number[] {
  return beacons.map(({ beacon }) => beacon?.stats().relayedFrames ?? 0);
}

test('nodes that live at different beacons meet at either one, in both directions', async () => {
  const place = await meeting('different beacons', [0], [1]);
  const { a, b, beacons, pilot } = place;
  await pilot.world.runFor(15_000);
  assert.ok((await exchange(place, a, b, 3_000)) < 1_500);
  assert.ok((await exchange(place, b, a, 3_000)) < 1_500);
  assert.equal(a.pathTo(b), 'relay');
  const where = beacons.map(({ beacon }) => beacon!.entries().map(({ node, proven }) => `${node} ${proven}`));
  assert.ok(where[0]!.includes(`${a.node} true`));
  assert.ok(where[1]!.includes(`${b.node} true`));
  assert.ok(
    where[0]!.includes(`${b.node} true`) || where[1]!.includes(`${a.node} true`),
    'one visits the other, with proof',
  );
  assert.equal(beacons[2]!.beacon!.stats().nodes, 0);
});

test('both use the nearest beacon of a common list, and another within five seconds when it dies', async () => {
  const place = await meeting('a dead beacon', [2, 1, 0], [2, 1, 0]);
  const { a, b, beacons, pilot } = place;
  const { world } = pilot;
  const until = world.now + 60_000;
  const beat = (): void => {
    if (world.now > until) return;
    pilot.sendDatagram(a, b);
    pilot.sendDatagram(b, a);
    world.schedule(world.now + 200, beat);
  };
  await exchange(place, a, b, 3_000);
  beat();
  await world.runFor(15_000);
  const before = relayed(place);
  await world.runFor(5_000);
  const during = relayed(place).map((count, at) => count - before[at]!);
  assert.ok(during[0]! > 10 * (during[1]! + during[2]!), `the nearest carries it: ${during}`);
  beacons[0]!.crash('power');
  assert.ok((await exchange(place, a, b, 5_000)) <= 5_000);
  assert.ok((await exchange(place, b, a, 5_000)) <= 5_000);
  await world.runFor(10_000);
  assert.ok(relayed(place)[1]! > before[1]! + 50, 'the next nearest carries it now');
  assert.equal(a.pathTo(b), 'relay');
  for (const one of [a, b]) assert.ok(one.daemon!.info().beacons.length === 3);
});

test('a session begins at a beacon of the peer while the registry is away and the own beacon is dead', async () => {
  const place = await meeting('no registry', [0], [1]);
  const { a, b, beacons, pilot } = place;
  const { world, rendezvous } = pilot;
  await world.runFor(15_000);
  await world.await(a.stop());
  rendezvous.crash('power');
  beacons[0]!.crash('power');
  await world.await(a.start());
  // The application finds its daemon again.
  await world.runFor(2_000);
  assert.ok((await exchange(place, a, b, 8_000)) < 8_000);
  assert.equal(
    beacons[1]!.beacon!.entries().some(({ node }) => node === a.node),
    true,
  );
});

test('a node that offers it relays for the peers it trusts, when every beacon is dead, and for nobody else', async () => {
  const pilot = new PilotWorld('a peer relays');
  const { world, rendezvous } = pilot;
  await world.await(rendezvous.start());
  const [a, b, friend] = ['a', 'b', 'friend'].map((name) =>
    pilot.addMachine(name, world.internet, { delay: 10, jitter: 1 }),
  ) as [Machine, Machine, Machine];
  a.settings = { relayOnly: true };
  b.settings = { relayOnly: true };
  friend.settings = { relayForPeers: { rate: 1_000_000 } };
  for (const one of [a, b, friend]) await world.await(one.start());
  for (const one of [a, b, friend]) one.node = one.daemon!.info().node_id;
  const befriend = async (one: Machine, other: Machine): Promise<void> => {
    await world.await(pilot.ask(one, other, false));
    await world.runUntil(() => other.isAskedBy(one), 10_000);
    await world.await(pilot.approve(other, one));
    assert.ok(await world.runUntil(() => one.trusts(other) && other.trusts(one), 20_000));
  };
  await world.runFor(2_000);
  await befriend(a, b);
  await befriend(a, friend);
  await befriend(b, friend);
  const place: Meeting = { pilot, beacons: [], a, b };
  for (const [one, other] of [
    [a, friend],
    [b, friend],
    [a, b],
  ] as const)
    await exchange(place, one, other, 5_000);
  await world.runFor(10_000);
  rendezvous.crash('power');
  await world.runFor(10_000);
  assert.ok((await exchange(place, a, b, 10_000)) < 10_000);
  assert.ok((await exchange(place, b, a, 10_000)) < 10_000);
  const row = a.daemon!.info().peer_list.find(({ node_id }) => node_id === b.node);
  assert.equal(row?.endpoint.split(':')[0], friend.host.address, 'by way of the friend');
});
