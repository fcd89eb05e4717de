/** Which way frames go: punching, relaying, taking over, falling back, moving. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Endpoint, Millis } from '../../base/units.ts';
import {
  BEACON,
  chatter,
  type Datagram,
  Internet,
  type NatKind,
  type Pair,
  pair,
  TestBeacon,
  TestDirectory,
  TestNode,
} from './tunnel.testkit.ts';

const KINDS: readonly NatKind[] = ['none', 'full', 'address', 'port', 'symmetric'];

/** As NATs of these kinds allow: an address-dependent mapping needs a peer that does not filter by port. */
function directPossible(a: NatKind, b: NatKind): boolean {
  const strict = (kind: NatKind): boolean => kind === 'port' || kind === 'symmetric';
  return !((a === 'symmetric' && strict(b)) || (b === 'symmetric' && strict(a)));
}

for (const a of KINDS) {
  for (const b of KINDS) {
    const wanted = directPossible(a, b) ? 'direct' : 'relay';
    test(`${a} to ${b}: the first packet within 0.5 s, in the end ${wanted}`, () => {
      const world = pair(`matrix ${a} ${b}`, { a, b });
      world.a.say(2, 'hello');
      const first = world.internet.until(() => world.b.heard().length > 0, 5000);
      assert.ok(first <= 500, `${first} ms`);
      chatter(world, world.a, 2, 'more', 100, 40);
      chatter(world, world.b, 1, 'back', 100, 40);
      world.internet.run(5000);
      assert.equal(world.a.path(2), wanted);
      assert.equal(world.b.path(1), wanted);
      assert.equal(world.b.heard().filter((text) => text.startsWith('more')).length, 40);
    });
  }
}

test('port-restricted peers are direct within a second, at 50 ms each way', () => {
  const world = pair('slow punch', { a: 'port', b: 'port' });
  world.internet.link.delay = 50;
  world.a.say(2, 'hello');
  const took = world.internet.until(() => world.a.path(2) === 'direct', 5000);
  assert.ok(took <= 1000, `${took} ms`);
});

test('a relayed pair takes the direct path as soon as it opens', () => {
  const world = pair('upgrade', { a: 'port', b: 'port' });
  const { internet, a, b } = world;
  block(internet, ({ from, to }) => from.host !== BEACON.host && to.host !== BEACON.host);
  chatter(world, a, 2, 'x', 100, 300);
  internet.run(8000);
  assert.equal(a.path(2), 'relay');
  internet.filter = () => true;
  const took = internet.until(() => a.path(2) === 'direct' && b.path(1) === 'direct', 20_000);
  assert.ok(took < 10_000, `${took} ms`);
  internet.run(30_000);
  assert.equal(b.heard().length, 300);
});

test('the direct path dies under traffic: on the relay within 2 s', () => {
  for (const seed of ['x', 'y', 'z']) {
    const world = direct(`dies ${seed}`);
    const { internet, a, b } = world;
    chatter(world, a, 2, 'a', 50, 400);
    chatter(world, b, 1, 'b', 50, 400);
    internet.run(5000);
    block(internet, ({ from, to }) => from.host !== BEACON.host && to.host !== BEACON.host);
    const died = internet.now;
    internet.run(100);
    const heard = b.heard().length;
    internet.until(() => b.heard().length > heard + 1, 5000);
    assert.ok(internet.now - died <= 2000, `${internet.now - died} ms`);
    internet.run(1000);
    assert.equal(a.path(2), 'relay');
    internet.filter = () => true;
    internet.until(() => a.path(2) === 'direct', 5000);
  }
});

test('traffic in one direction only is enough to notice a dead path', () => {
  const world = direct('one way');
  const { internet, a, b } = world;
  chatter(world, a, 2, 'a', 50, 200);
  internet.run(3000);
  block(internet, ({ from, to }) => from.host !== BEACON.host && to.host !== BEACON.host);
  const died = internet.now;
  internet.run(100);
  const heard = b.heard().length;
  internet.until(() => b.heard().length > heard + 1, 5000);
  assert.ok(internet.now - died <= 2200, `${internet.now - died} ms`);
});

test('an idle direct path is kept open past the expiry of NAT mappings', () => {
  const world = direct('keep-alive');
  const { internet, a, b } = world;
  const gaps = new Map<string, number>();
  const last = new Map<string, number>();
  internet.tap = ({ from, to }) => {
    if (from.host === BEACON.host || to.host === BEACON.host) return;
    gaps.set(
      from.host,
      Math.max(gaps.get(from.host) ?? 0, internet.now - (last.get(from.host) ?? internet.now)),
    );
    last.set(from.host, internet.now);
  };
  internet.run(300_000);
  assert.equal(gaps.size, 2);
  for (const gap of gaps.values()) assert.ok(gap <= 21_000, `${gap} ms`);
  a.say(2, 'awake');
  internet.run(15);
  assert.ok(b.heard().includes('awake'));
});

test('a path nobody uses for ten minutes is let go, and works again when it is used', () => {
  const world = direct('idle');
  const { internet, a, b } = world;
  internet.run(660_000);
  let sent = 0;
  internet.tap = ({ from, to }) => {
    if (from.host !== BEACON.host && to.host !== BEACON.host) sent++;
  };
  internet.run(600_000);
  assert.equal(sent, 0);
  internet.rebind(a);
  chatter(world, a, 2, 'awake', 100, 20);
  const took = internet.until(() => b.heard().some((text) => text.startsWith('awake')), 5000);
  assert.ok(took <= 1000, `${took} ms`);
});

test('we move to another network: a peer whose NAT lets us in follows at once', () => {
  const world = pair('roam', { a: 'port', b: 'full' });
  const { internet, a, b } = world;
  chatter(world, a, 2, 'a', 20, 500);
  chatter(world, b, 1, 'b', 20, 500);
  internet.run(5000);
  internet.rebind(a, '192.0.2.77');
  const took = internet.until(() => b.tunnel.peer(1)?.selected?.endpoint.host === '192.0.2.77', 5000);
  assert.ok(took <= 100, `${took} ms`);
  const heard = [a.heard().length, b.heard().length];
  internet.run(1000);
  assert.ok(a.heard().length >= heard[0]! + 49);
  assert.ok(b.heard().length >= heard[1]! + 49);
});

test('we move, and the peer must punch its NAT again: relayed, then direct within 2 s', () => {
  const world = direct('roam and punch');
  const { internet, a, b } = world;
  chatter(world, a, 2, 'a', 20, 500);
  chatter(world, b, 1, 'b', 20, 500);
  internet.run(5000);
  internet.rebind(a, '192.0.2.77');
  const took = internet.until(() => b.tunnel.peer(1)?.selected?.endpoint.host === '192.0.2.77', 5000);
  assert.ok(took <= 2000, `${took} ms`);
});

test('an idle host whose NAT forgets everything notices at its next registration', () => {
  const world = direct('idle rebind');
  const { internet, a, b } = world;
  internet.rebind(a, '192.0.2.77');
  internet.run(30_000);
  a.say(2, 'still here');
  internet.run(50);
  assert.ok(b.heard().includes('still here'));
  assert.equal(b.tunnel.peer(1)?.selected?.endpoint.host, '192.0.2.77');
});

test('both move at once: the relay carries on, then a new direct path', () => {
  const world = direct('both roam');
  const { internet, a, b } = world;
  chatter(world, a, 2, 'a', 50, 600);
  chatter(world, b, 1, 'b', 50, 600);
  internet.run(5000);
  internet.rebind(a, '192.0.2.77');
  internet.rebind(b, '192.0.2.88');
  const heard = b.heard().length;
  const took = internet.until(() => b.heard().length > heard + 2, 10_000);
  assert.ok(took <= 4000, `${took} ms`);
  internet.until(() => a.path(2) === 'direct' && b.path(1) === 'direct', 10_000);
});

test('hosts behind one NAT find their LAN path', () => {
  const { internet, a, b } = lan('203.0.113.50', '203.0.113.50', true);
  a.say(2, 'hello');
  internet.run(1500);
  assert.equal(a.path(2), 'lan');
  assert.equal(b.tunnel.peer(1)?.selected?.endpoint.host, '192.168.1.10');
});

test('equal private networks behind different routers are not mistaken for one', () => {
  const { internet, a } = lan('203.0.113.50', '198.51.100.60', false);
  let strays = 0;
  internet.tap = ({ to }) => {
    if (to.host.startsWith('192.168.')) strays++;
  };
  a.say(2, 'hello');
  internet.run(3000);
  assert.equal(a.path(2), 'direct');
  assert.equal(strays, 0);
});

test('a LAN address that leads nowhere costs nothing', () => {
  const world = lan('203.0.113.50', '203.0.113.50', true);
  const { internet, directory, a, b } = world;
  directory.register(2, { host: '203.0.113.50', port: 40_000 }, [{ host: '192.168.1.99', port: 4000 }]);
  a.say(2, 'hello');
  const took = internet.until(() => b.heard().includes('hello'));
  assert.ok(took <= 500, `${took} ms`);
});

test('the only beacon dies: direct peers do not notice, and it is reported lost', () => {
  const world = direct('beacon dies');
  const { internet, beacon, a, b } = world;
  beacon.alive = false;
  chatter(world, a, 2, 'a', 100, 500);
  internet.run(60_000);
  assert.equal(b.heard().filter((text) => text.startsWith('a ')).length, 500);
  assert.equal(a.events.filter((event) => event.name === 'beacon.lost').length, 1);
  assert.equal(a.tunnel.observed(), undefined);
  beacon.alive = true;
  internet.run(10_000);
  assert.ok(a.tunnel.observed() !== undefined);
});

test('a relayed pair moves to another beacon when its own dies', () => {
  const second: Endpoint = { host: '203.0.113.2', port: 9001 };
  const world = pair('two beacons', { a: 'symmetric', b: 'symmetric', beacons: [BEACON, second] });
  const { internet, beacon, a, b } = world;
  new TestBeacon(internet, second);
  internet.run(1000);
  chatter(world, a, 2, 'a', 100, 400);
  internet.run(3000);
  assert.equal(a.path(2), 'relay');
  beacon.alive = false;
  internet.run(200);
  const heard = b.heard().length;
  const took = internet.until(() => b.heard().length > heard + 2, 10_000);
  assert.ok(took <= 3000, `${took} ms`);
});

test('a changed list of beacons takes effect for peers that are relayed', () => {
  const second: Endpoint = { host: '203.0.113.2', port: 9001 };
  const world = pair('new beacon', { a: 'symmetric', b: 'symmetric' });
  const { internet, beacon, a, b } = world;
  new TestBeacon(internet, second);
  chatter(world, a, 2, 'a', 100, 400);
  internet.run(3000);
  beacon.alive = false;
  for (const node of [a, b]) {
    node.tunnel.setBeacons([second], internet.now);
    node.drain();
  }
  internet.run(200);
  const heard = b.heard().length;
  internet.until(() => b.heard().length > heard + 2, 5000);
});

test('a node without a beacon and without an endpoint is reported unreachable, not retried for ever', () => {
  const { internet, directory, a } = pair('nowhere', { beacon: false });
  directory.register(9, undefined);
  assert.equal(a.say(9, 'hello?'), 'queued');
  internet.run(120_000);
  assert.ok(a.events.some((event) => event.name === 'tunnel.unreachable'));
});

test('a node that uses only relays sends nothing directly and hears nothing that comes so', () => {
  const internet = new Internet('relay only');
  const directory = new TestDirectory();
  const beacon = new TestBeacon(internet, BEACON);
  const shared = { internet, directory, beacons: [BEACON] };
  const a = new TestNode({
    ...shared,
    node: 1,
    local: { host: '203.0.113.10', port: 4000 },
    config: { relayOnly: true, relayAfter: 0 },
  });
  const b = new TestNode({ ...shared, node: 2, local: { host: '198.51.100.20', port: 4000 } });
  internet.run(100);
  let direct = 0;
  internet.tap = ({ from, to }) => {
    if (from.host === a.local.host && to.host !== BEACON.host) direct++;
  };
  const world = { internet, directory, beacon, a, b };
  chatter(world, a, 2, 'a', 100, 50);
  chatter(world, b, 1, 'b', 100, 50);
  internet.run(10_000);
  assert.equal(a.path(2), 'relay');
  assert.equal(b.path(1), 'relay');
  assert.equal(direct, 0);
  assert.equal(a.heard().length, 50);
  assert.equal(b.heard().length, 50);
});

test('an established pair whose paths are all idle looks for a better one when it is told to connect', () => {
  const world = pair('connect', { a: 'port', b: 'port' });
  const { internet, a } = world;
  block(internet, ({ from, to }) => from.host !== BEACON.host && to.host !== BEACON.host);
  a.say(2, 'hello');
  internet.run(1000);
  assert.equal(a.path(2), 'relay');
  internet.filter = () => true;
  a.tunnel.connect(2, internet.now);
  a.drain();
  const took = internet.until(() => a.path(2) === 'direct', 5000);
  assert.ok(took <= 500, `${took} ms`);
});

test('round trips are measured per path', () => {
  const world = direct('rtt');
  const { a } = world;
  const selected = a.tunnel.peer(2)!.selected!;
  assert.ok(selected.rtt! >= 20 && selected.rtt! < 40, `${selected.rtt}`);
});

function direct(seed: string): Pair {
  const world = pair(seed, { a: 'port', b: 'port' });
  world.a.say(2, 'hello');
  world.b.say(1, 'hello');
  world.internet.run(3000);
  assert.equal(world.a.path(2), 'direct');
  assert.equal(world.b.path(1), 'direct');
  return world;
}

function block(internet: Internet, which: (datagram: Datagram) => boolean): void {
  internet.filter = (datagram) => !which(datagram);
}

function lan(publicA: string, publicB: string, same: boolean): Pair {
  const internet = new Internet(`lan ${publicA} ${publicB}`);
  const directory = new TestDirectory();
  const beacon = new TestBeacon(internet, BEACON);
  const shared = { internet, directory, beacons: [BEACON], nat: 'port' as const };
  const localA = { host: '192.168.1.10', port: 4000 };
  const localB = { host: same ? '192.168.1.11' : '192.168.1.10', port: 4000 };
  const a = new TestNode({ ...shared, node: 1, local: localA, publicHost: publicA });
  const b = new TestNode({ ...shared, node: 2, local: localB, publicHost: publicB });
  directory.register(1, undefined, [localA]);
  directory.register(2, undefined, [localB]);
  a.tunnel.setLocalEndpoints([localA]);
  b.tunnel.setLocalEndpoints([localB]);
  const settle: Millis = 200;
  internet.run(settle);
  return { internet, directory, beacon, a, b };
}
