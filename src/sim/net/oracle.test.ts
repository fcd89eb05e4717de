import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromUtf8, utf8 } from '../../base/bytes.ts';
import type { Endpoint } from '../../base/units.ts';
import type { UdpSocket } from '../../runtime/ports.ts';
import type { Host } from './host.ts';
import { NAT_PRESETS, type NatPreset } from './nat.ts';
import { directPathPossible } from './oracle.ts';
import type { Segment } from './topology.ts';
import { World } from './world.ts';

const PRESETS = Object.keys(NAT_PRESETS) as NatPreset[];
const SERVER_PORT = 3478;

/** The simplest program that punches: tells a server it exists, and talks to every endpoint it hears of. */
async function puncher(host: Host, server: Endpoint): Promise<{ heard: () => boolean }> {
  const process = host.start();
  const socket = await process.net.udp({ host: '0.0.0.0', port: 0 });
  const peers = new Map<string, Endpoint>();
  let heard = false;
  socket.onDatagram((data, from) => {
    const text = fromUtf8(data);
    if (text.startsWith('peer ')) {
      const [, address, port] = text.split(' ');
      peers.set(text, { host: address!, port: Number(port) });
    } else {
      peers.set(`seen ${from.host} ${from.port}`, from);
      // Only an answer proves both directions.
      if (text === 'heard you') heard = true;
      else socket.send(utf8('heard you'), from);
    }
  });
  const beat = (): void => {
    socket.send(utf8('hello'), server);
    for (const peer of peers.values()) socket.send(utf8('anyone?'), peer);
    process.clock.at(process.clock.now() + 300, beat);
  };
  beat();
  return { heard: () => heard };
}

/** Tells everyone about everyone else, as a beacon does. */
async function introducer(host: Host): Promise<Endpoint> {
  const socket: UdpSocket = await host.start().net.udp({ host: '0.0.0.0', port: SERVER_PORT });
  const seen = new Map<string, Endpoint>();
  socket.onDatagram((_data, from) => {
    seen.set(`${from.host} ${from.port}`, from);
    for (const [a, endpoint] of seen)
      for (const b of seen.keys()) if (a !== b) socket.send(utf8(`peer ${b}`), endpoint);
  });
  return { host: host.address, port: SERVER_PORT };
}

async function punches(world: World, a: Host, b: Host): Promise<boolean> {
  const server = await introducer(world.addHost('server', world.internet));
  const [left, right] = [await puncher(a, server), await puncher(b, server)];
  return world.runUntil(() => left.heard() && right.heard(), 20_000);
}

for (const left of PRESETS) {
  for (const right of PRESETS) {
    test(`the oracle is right about ${left} and ${right}`, async () => {
      const world = new World(`${left} ${right}`);
      const a = world.addHost('a', world.addNat('nat-a', NAT_PRESETS[left]).inside);
      const b = world.addHost('b', world.addNat('nat-b', NAT_PRESETS[right]).inside);
      const expected = directPathPossible(a, b);
      assert.equal(directPathPossible(b, a), expected);
      const actual = await punches(world, a, b);
      // This program makes no effort.
      if (expected !== 'depends on chance') assert.equal(actual, expected === 'yes');
    });
  }
}

test('a public host is reachable from behind any NAT', async () => {
  const world = new World(2);
  const a = world.addHost('a', world.addNat('nat-a', NAT_PRESETS.symmetric).inside);
  const b = world.addHost('b', world.internet);
  assert.equal(directPathPossible(a, b), 'yes');
  assert.equal(await punches(world, a, b), true);
});

test('hosts behind one carrier meet only where it hairpins', async () => {
  for (const hairpin of [true, false]) {
    const world = new World(`carrier ${hairpin}`);
    const carrier = world.addNat('carrier', { ...NAT_PRESETS['full-cone'], hairpin }, { prefix: '100.64' });
    const home = (name: string): Segment =>
      world.addNat(name, NAT_PRESETS['port-restricted'], { outside: carrier.inside }).inside;
    const [a, b] = [world.addHost('a', home('home-a')), world.addHost('b', home('home-b'))];
    assert.equal(directPathPossible(a, b), hairpin ? 'yes' : 'no');
    assert.equal(await punches(world, a, b), hairpin);
  }
});

test('where ports are not foreseen an effort helps, unless both sides draw them', () => {
  const DEPENDENT = 'address-and-port-dependent';
  const sequential = { ...NAT_PRESETS.symmetric, ports: 'sequential' } as const;
  const kinds = { random: NAT_PRESETS.symmetric, sequential, fixed: NAT_PRESETS['port-restricted'] };
  assert.equal(kinds.random.mapping, DEPENDENT);
  const between = (one: keyof typeof kinds, other: keyof typeof kinds): string => {
    const world = new World(`${one} ${other}`);
    const [a, b] = [one, other].map((kind) =>
      world.addHost(`in ${kind}`, world.addNat(`nat ${kind}`, kinds[kind as keyof typeof kinds]).inside),
    ) as [Host, Host];
    return directPathPossible(a, b);
  };
  assert.equal(between('random', 'fixed'), 'with effort');
  assert.equal(between('sequential', 'fixed'), 'with effort');
  assert.equal(between('sequential', 'sequential'), 'with effort');
  assert.equal(between('sequential', 'random'), 'no');
  assert.equal(between('random', 'random'), 'no');
});

test('hosts of one network need no NAT at all', () => {
  const world = new World(3);
  const { inside } = world.addNat('home', NAT_PRESETS.symmetric);
  assert.equal(directPathPossible(world.addHost('a', inside), world.addHost('b', inside)), 'yes');
});
