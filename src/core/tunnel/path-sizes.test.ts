import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LocalLink } from '../../base/local-link.ts';
import { LARGEST_DATAGRAM, payloadOf } from '../path/sizes.ts';
import { OldDaemon } from './old-daemon.testkit.ts';
import { type Pair, pair, type TestNode, textPacket } from './tunnel.testkit.ts';

const ETHERNET: LocalLink = {
  address: '192.0.2.9',
  bits: 32,
  mtu: 1_500,
  loopback: false,
  leadsOut: true,
};

test('a direct path grows to what the link carries, and tells the streams', () => {
  const world = between('sizes grow', 1_472);
  busy(world, 5_000);
  assert.equal(size(world.a), 1_472);
  assert.deepEqual(world.a.payloadLimits, [payloadOf(1_472, false)]);
  assert.deepEqual(
    world.a.events.filter(({ name }) => name === 'tunnel.size_changed'),
    [{ name: 'tunnel.size_changed', peer: 2, path: 'direct', bytes: 1_472, before: 1_222 }],
  );
  assert.ok(world.largest <= 1_472);
  assert.equal(world.a.tunnel.largestPayload(2), payloadOf(1_472, false));
});

test('an idle pair, and one that says little, sends no probes of sizes', () => {
  const world = between('sizes idle', 1_472);
  for (let i = 0; i < 20; i++) {
    world.a.say(2, 'little');
    world.internet.run(1_000);
  }
  const { largest } = world;
  world.internet.run(700_000);
  assert.ok(largest < 300, `${largest}`);
  assert.equal(world.largest, largest);
});

test('when the path shrinks under a sender, packets fit again within two seconds', () => {
  const world = between('sizes shrink', 1_472);
  busy(world, 5_000);
  world.mtu = 1_300;
  const from = world.internet.now;
  const payload = (): number => world.a.payloadLimit;
  while (payload() > payloadOf(1_300, false) && world.internet.now - from < 20_000) busy(world, 20);
  assert.ok(world.internet.now - from <= 2_000, `${world.internet.now - from} ms`);
  busy(world, 20_000);
  assert.ok(size(world.a) >= 1_252 && size(world.a) <= 1_300, `${size(world.a)}`);
});

test('when somebody suspects the size, it is tested at once and the outcome told in any case', () => {
  const world = between('sizes suspected', 1_472);
  busy(world, 5_000);
  const told = world.a.payloadLimits.length;
  world.a.say(2, 'x'.repeat(1_300));
  world.a.tunnel.doubtSize(2, world.internet.now);
  world.internet.run(200);
  assert.deepEqual(world.a.payloadLimits.slice(told), [payloadOf(1_472, false)]);
});

test('a relayed path grows no further than its own half would tell', () => {
  const world = between('sizes relayed', 9_000, { relayed: true, mtu: 9_000 });
  busy(world, 10_000);
  assert.equal(world.a.path(2), 'relay');
  assert.equal(size(world.a), 1_472);
  assert.equal(world.a.payloadLimit, payloadOf(1_472, true));
});

test('nobody tries what our own link does not carry', () => {
  const world = between('sizes own link', 65_507, { mtu: 1_400 });
  busy(world, 5_000);
  assert.equal(size(world.a), 1_372);
  assert.ok(world.largest <= 1_372);
});

test('what our own system refuses is not sent again', () => {
  const world = between('sizes refused', 65_507, { mtu: 9_000 });
  busy(world, 20_000);
  assert.equal(size(world.a), 8_972);
  world.a.tunnel.refusedSize(world.b.local, 8_972, world.internet.now);
  world.a.drain();
  assert.ok(world.a.payloadLimit < payloadOf(8_972, false));
  world.largest = 0;
  busy(world, 20_000);
  assert.ok(world.largest < 8_972);
});

test('two on one machine use what the loopback carries', () => {
  const loopback = {
    ...ETHERNET,
    address: '127.0.0.1',
    bits: 8,
    mtu: 65_536,
    loopback: true,
    leadsOut: false,
  };
  const world = between('sizes loopback', 65_507);
  const own = [loopback, { ...ETHERNET, address: world.b.local.host }];
  world.a.tunnel.setLinks({ all: own, oversize: 'cut' });
  busy(world, 60_000);
  assert.equal(size(world.a), LARGEST_DATAGRAM);
});

test('an old peer is never asked, and gets packets of the old size', () => {
  const world = pair('sizes old', { b: 'blocked' });
  const { internet, directory, a } = world;
  const old = new OldDaemon({ internet, directory, node: 9, local: { host: '198.51.100.9', port: 4000 } });
  directory.register(9, old.local);
  a.tunnel.setLinks({ all: [ETHERNET], oversize: 'refused' });
  let largest = 0;
  internet.tap = ({ data }) => {
    largest = Math.max(largest, data.length);
  };
  a.say(9, 'hello');
  internet.run(2_000);
  for (let i = 0; i < 1_000; i++) {
    a.say(9, 'x'.repeat(1_152));
    internet.run(10);
  }
  assert.ok(largest <= 1_231, `${largest}`);
  assert.deepEqual(a.payloadLimits, []);
});

interface Sized extends Pair {
  mtu: number;
  largest: number;
}

/** Two nodes with a path that swallows what is larger than `carries`; `mtu`: of both of their links. */
function between(
  seed: string,
  carries: number,
  { relayed = false, mtu = 1_500 }: { relayed?: boolean; mtu?: number } = {},
): Sized {
  const kind = relayed ? 'symmetric' : 'none';
  const world: Sized = {
    ...pair(seed, { a: kind, b: kind, ...(relayed && { config: { relayOnly: true } }) }),
    mtu: carries,
    largest: 0,
  };
  const { internet, a, b } = world;
  internet.filter = ({ data }) => data.length <= world.mtu;
  internet.tap = ({ data }) => {
    world.largest = Math.max(world.largest, data.length);
  };
  for (const node of [a, b]) node.tunnel.setLinks({ all: [{ ...ETHERNET, mtu }], oversize: 'refused' });
  a.say(2, 'hello');
  internet.run(2_000);
  return world;
}

/** Full packets from a to b, one each 10 ms. */
function busy({ internet, a }: Sized, duration: number): void {
  for (let at = 0; at < duration; at += 10) {
    a.tunnel.send(2, textPacket(1, 2, 'x'.repeat(a.payloadLimit)), internet.now);
    a.drain();
    internet.run(10);
  }
}

function size(node: TestNode): number {
  return node.tunnel.peer(2)!.selected!.size;
}
