/** What strangers and recordings may not do. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { writeU32 } from '../../base/bytes.ts';
import type { Endpoint } from '../../base/units.ts';
import { encodePunchCommand, encodeRelayDeliver } from '../../wire/beacon.ts';
import { encodePila, encodePilk, encodePilt, pilaSignedBytes } from '../../wire/tunnel-frames.ts';
import {
  BEACON,
  chatter,
  crypto,
  type Datagram,
  identityOf,
  type Pair,
  pair,
  seeded,
  TestNode,
  textPacket,
} from './tunnel.testkit.ts';

const MALLORY: Endpoint = { host: '192.0.2.66', port: 6666 };
const PILA = 0x41;
const PILS = 0x53;

test('a replayed key exchange from elsewhere moves nothing, resets nothing and draws no data', () => {
  const { world, recorded } = recording('replay');
  const { internet, a, b } = world;
  const pila = recorded.find(({ from, data }) => from.host === a.local.host && data[3] === PILA)!;
  const before = b.tunnel.peer(1)!;
  let leaked = 0;
  internet.tap = ({ to, data }) => {
    if (to.host === MALLORY.host && data[3] === PILS && data.length > 80) leaked++;
  };
  for (let i = 0; i < 40; i++) {
    internet.at(internet.now + 50 * i, () =>
      internet.inject({ from: MALLORY, to: b.local, data: pila.data }),
    );
  }
  chatter(world, b, 1, 'secret '.repeat(10), 20, 100);
  internet.run(3000);
  const after = b.tunnel.peer(1)!;
  assert.deepEqual(after.selected?.endpoint, before.selected?.endpoint);
  assert.equal(after.keyAt, before.keyAt);
  assert.equal(leaked, 0);
  assert.equal(a.heard().filter((text) => text.startsWith('secret')).length, 100);
});

test('recorded frames of the running session are refused, wherever they come from', () => {
  const { world, recorded } = recording('replayed data');
  const { internet, a, b } = world;
  const heard = b.heard().length;
  for (const { data } of recorded) {
    for (const from of [MALLORY, a.local]) internet.inject({ from, to: b.local, data });
  }
  internet.run(1000);
  assert.equal(b.heard().length, heard);
  assert.ok(b.tunnel.drops().replayed! > 0);
  chatter(world, a, 2, 'on', 10, 20);
  internet.run(1000);
  assert.equal(b.heard().length, heard + 20);
});

test('recordings of an earlier session are worth nothing to either side, restarted or not', () => {
  for (const restarted of ['a', 'b'] as const) {
    const { world, recorded } = recording(`earlier ${restarted}`);
    const { internet, a, b } = world;
    world[restarted].restart();
    chatter(world, a, 2, 'new', 100, 20);
    internet.run(3000);
    assert.ok(b.heard().includes('new 19'));
    const [heardA, heardB] = [a.heard().length, b.heard().length];
    for (let round = 0; round < 3; round++) {
      for (const { from, to, data } of recorded) {
        internet.inject({ from: MALLORY, to, data });
        internet.inject({ from, to, data });
      }
      internet.run(200);
    }
    assert.equal(a.heard().length, heardA);
    assert.equal(b.heard().length, heardB);
    chatter(world, a, 2, 'still', 10, 20);
    chatter(world, b, 1, 'still', 10, 20);
    internet.run(2000);
    assert.equal(b.heard().length, heardB + 20);
    assert.equal(a.heard().length, heardA + 20);
  }
});

test('a recorded key exchange meets a peer that has no session: the real one gets through all the same', () => {
  const { world, recorded } = recording('no session');
  const { internet, a, b } = world;
  const pilas = recorded.filter(({ from, data }) => from.host === a.local.host && data[3] === PILA);
  a.restart();
  b.restart();
  for (let i = 0; i < 200; i++) {
    const { data } = pilas[i % pilas.length]!;
    internet.at(internet.now + 20 * i, () => internet.inject({ from: MALLORY, to: b.local, data }));
  }
  internet.run(100);
  b.say(1, 'hello');
  internet.until(() => a.heard().includes('hello'), 3000);
});

test('a forged frame with the highest counter does nothing', () => {
  const { world } = recording('highest counter');
  const { internet, a, b } = world;
  const forged = new Uint8Array(36);
  forged.set([0x50, 0x49, 0x4c, 0x53], 0);
  writeU32(forged, 4, 1);
  forged.fill(0xff, 8);
  for (const from of [MALLORY, a.local]) internet.inject({ from, to: b.local, data: forged });
  internet.run(50);
  assert.equal(b.tunnel.drops().counter_range, 2);
  chatter(world, a, 2, 'on', 10, 20);
  internet.run(1000);
  assert.ok(b.heard().includes('on 19'));
});

test('plaintext and anonymous frames are refused', () => {
  const { internet, a, b } = recording('plaintext').world;
  const heard = b.heard().length;
  internet.inject({ from: a.local, to: b.local, data: encodePilt(textPacket(1, 2, 'injected')) });
  const x25519 = crypto.agreementKey(new Uint8Array(32).fill(9)).publicKey;
  internet.inject({ from: a.local, to: b.local, data: encodePilk({ node: 1, x25519 }) });
  internet.run(100);
  assert.equal(b.heard().length, heard);
  assert.equal(b.tunnel.drops().plaintext_refused, 1);
  assert.equal(b.tunnel.drops().anonymous_refused, 1);
});

test('a peer can speak for itself only', () => {
  const { world } = recording('spoof');
  const { internet, a, b } = world;
  const heard = b.heard().length;
  a.tunnel.send(2, textPacket(3, 2, 'as somebody else'), internet.now);
  a.tunnel.send(2, textPacket(1, 3, 'to somebody else'), internet.now);
  a.drain();
  internet.run(100);
  assert.equal(b.heard().length, heard);
  assert.equal(b.tunnel.drops().inner_source, 1);
  assert.equal(b.tunnel.drops().inner_destination, 1);
});

test('a key exchange signed by another identity is refused, and a wrong signature costs no lookup', () => {
  const { world } = recording('identity');
  const { internet, b } = world;
  const x25519 = crypto.agreementKey(new Uint8Array(32).fill(9)).publicKey;
  const mallory = identityOf(66);
  const signature = mallory.sign(pilaSignedBytes(1, x25519));
  const keyAt = b.tunnel.peer(1)!.keyAt;
  const asked = b.questions.keys;
  internet.inject({
    from: MALLORY,
    to: b.local,
    data: encodePila({ node: 1, x25519, ed25519: mallory.publicKey, signature }),
  });
  internet.inject({
    from: MALLORY,
    to: b.local,
    data: encodePila({ node: 77, x25519, ed25519: mallory.publicKey, signature }),
  });
  internet.run(100);
  assert.equal(b.tunnel.drops().exchange_key_mismatch, 1);
  assert.equal(b.tunnel.drops().exchange_bad_signature, 1);
  // One, for the node may have taken another key.
  assert.equal(b.questions.keys, asked + 1);
  assert.equal(b.tunnel.peer(1)!.keyAt, keyAt);
});

test('a pinned key wins over what the directory says', () => {
  const { internet, a, b } = pair('pinned', { beacon: false });
  b.tunnel.pin(1, identityOf(99).publicKey);
  a.say(2, 'hello');
  internet.run(5000);
  assert.deepEqual(b.heard(), []);
  b.tunnel.unpin(1, internet.now);
  a.say(2, 'hello again');
  internet.run(5000);
  assert.ok(b.heard().includes('hello again'));
});

test('beacon messages count only from our beacons', () => {
  const { world, recorded } = recording('forged beacon', true);
  const { internet, a, b } = world;
  const sent: Datagram[] = [];
  internet.tap = (datagram) => {
    const toOthers = datagram.to.host !== a.local.host;
    if (datagram.from.host === b.local.host && toOthers) sent.push(datagram);
  };
  const frame = recorded.find(({ from }) => from.host === a.local.host)!.data;
  internet.inject({ from: MALLORY, to: b.local, data: encodePunchCommand({ host: '192.0.2.1', port: 53 }) });
  internet.inject({ from: MALLORY, to: b.local, data: encodeRelayDeliver(1, frame) });
  internet.run(50);
  assert.deepEqual(sent, []);
  assert.equal(b.tunnel.drops().not_beacon, 2);
});

test('relay deliveries with forged content do not pull a direct peer onto the relay', () => {
  const { world, recorded } = recording('forged relay', true);
  const { internet, a, b } = world;
  const frames = recorded.filter(({ from }) => from.host === a.local.host).map(({ data }) => data);
  const garbage = frames.map((data) => {
    const copy = data.slice();
    copy[copy.length - 1]! ^= 1;
    return copy;
  });
  for (const data of [...frames, ...garbage]) {
    internet.inject({ from: BEACON, to: b.local, data: encodeRelayDeliver(1, data) });
    internet.inject({ from: BEACON, to: b.local, data: encodeRelayDeliver(5, data) });
  }
  chatter(world, b, 1, 'on', 20, 50);
  internet.run(2000);
  assert.equal(b.path(1), 'direct');
  assert.ok(a.heard().includes('on 49'));
  assert.ok(b.tunnel.drops().relay_sender! > 0);
});

test('a beacon that commands punches endlessly gets few', () => {
  const { world } = recording('punches', true);
  const { internet, b } = world;
  let sent = 0;
  internet.tap = ({ from, to }) => {
    if (from.host === b.local.host && to.host.startsWith('192.0.2.')) sent++;
  };
  for (let i = 0; i < 5000; i++) {
    const target = { host: `192.0.2.${i % 200}`, port: 1 + (i % 7) };
    internet.inject({ from: BEACON, to: b.local, data: encodePunchCommand(target) });
  }
  internet.run(1000);
  assert.ok(sent <= 130, `${sent} packets`);
});

test('a flood of random frames stays bounded in memory, answers and time, and the session goes on', () => {
  const { world, recorded } = recording('flood');
  const { internet, a, b } = world;
  const random = seeded('flood');
  let answers = 0;
  internet.tap = ({ from, to }) => {
    if (from.host === b.local.host && to.host !== a.local.host) answers++;
  };
  const pilas = recorded.filter(({ from, data }) => from.host === a.local.host && data[3] === PILA);
  const began = process.cpuUsage();
  const frames = 50_000;
  for (let i = 0; i < frames; i++) {
    const from = { host: `192.0.${random.below(256)}.${random.below(256)}`, port: 1 + random.below(65_535) };
    const kind = i % 4;
    const data = kind < 3 ? random.bytes(kind === 0 ? 136 : 36 + random.below(100)) : pilas[0]!.data.slice();
    if (kind < 3) data.set([0x50, 0x49, 0x4c, kind === 0 ? PILA : PILS], 0);
    if (kind === 2) writeU32(data, 4, 1);
    b.tunnel.handleDatagram(from, data, internet.now);
    b.drain();
    if (i % 10 === 0) internet.run(1);
  }
  const { user, system } = process.cpuUsage(began);
  assert.ok((user + system) / frames < 200, `${(user + system) / frames} us per frame`);
  assert.ok(b.tunnel.peers().length <= 2);
  // The replayed key exchange has no more than its share of answers; random nodes get none.
  assert.ok(answers <= 200, `${answers} answers in 5 s`);
  assert.ok(b.questions.keys <= 200, `${b.questions.keys} lookups`);
  chatter(world, a, 2, 'on', 20, 50);
  internet.run(2000);
  assert.ok(b.heard().includes('on 49'));
});

test('under a flood of forged key exchanges a peer that restarts comes back, and a stranger gets in by the relay', () => {
  const { world } = recording('crowd', true);
  const { internet, directory, a, b } = world;
  const c = new TestNode({
    internet,
    directory,
    node: 3,
    local: { host: '203.0.113.30', port: 4000 },
    beacons: [BEACON],
  });
  internet.run(200);
  const random = seeded('crowd');
  for (let i = 0; i < 20_000; i++) {
    const from = { host: `192.0.${random.below(256)}.${random.below(256)}`, port: 1 + random.below(65_535) };
    const data = random.bytes(136);
    data.set([0x50, 0x49, 0x4c, PILA], 0);
    if (i % 3 > 0) writeU32(data, 4, 3 + (i % 3));
    internet.at(internet.now + i / 2, () => internet.inject({ from, to: b.local, data }));
  }
  internet.run(1000);
  a.restart();
  for (let i = 0; i < 20; i++) {
    internet.at(internet.now + 250 * i, () => a.say(2, `back ${i}`));
    internet.at(internet.now + 250 * i, () => c.say(2, `new ${i}`));
  }
  const back = internet.until(() => b.heard().some((text) => text.startsWith('back')), 8000);
  assert.ok(back < 1500, `${back} ms`);
  internet.until(() => b.heard().some((text) => text.startsWith('new')), 5000);
});

test('no datagram makes the tunnel throw', () => {
  const { world, recorded } = recording('damaged', true);
  const { internet, a, b } = world;
  const random = seeded('damage');
  const samples = [
    ...recorded.map(({ data }) => data),
    encodePunchCommand(a.local),
    encodeRelayDeliver(1, recorded[0]!.data),
  ];
  for (let i = 0; i < 20_000; i++) {
    const data =
      random.below(4) === 0
        ? random.bytes(random.below(200))
        : samples[random.below(samples.length)]!.slice();
    for (let n = random.below(4); n > 0 && data.length > 0; n--)
      data[random.below(data.length)] = random.u32();
    const cut = random.below(3) === 0 ? data.subarray(0, random.below(data.length + 1)) : data;
    b.tunnel.handleDatagram([MALLORY, a.local, BEACON][random.below(3)]!, cut, internet.now);
    b.drain();
    if (i % 20 === 0) internet.run(1);
  }
  chatter(world, a, 2, 'on', 20, 50);
  internet.run(5000);
  assert.ok(b.heard().includes('on 49'));
});

test('registered strangers that never prove a key are forgotten, oldest first', () => {
  const { internet, directory, a, b } = pair('strangers', { beacon: false, config: { maxStrangers: 16 } });
  a.say(2, 'hello');
  internet.run(200);
  const x25519 = crypto.agreementKey(new Uint8Array(32).fill(9)).publicKey;
  for (let node = 100; node < 300; node++) {
    directory.register(node, undefined);
    const identity = identityOf(node);
    const data = encodePila({
      node,
      x25519,
      ed25519: identity.publicKey,
      signature: identity.sign(pilaSignedBytes(node, x25519)),
    });
    internet.at(internet.now + 60 * (node - 100), () =>
      internet.inject({ from: { host: `192.0.2.${node - 100}`, port: node }, to: b.local, data }),
    );
  }
  internet.run(15_000);
  assert.equal(b.tunnel.peers().length, 17);
  assert.ok(b.tunnel.peer(1)?.established);
  assert.ok(b.tunnel.drops().peer_evicted! >= 180);
});

test('with every place taken a stranger is refused, and a wanted peer takes the place of the longest unused', () => {
  const { internet, directory, a, b } = pair('full table', { beacon: false, config: { maxPeers: 2 } });
  const others = [3, 4].map(
    (node) => new TestNode({ internet, directory, node, local: { host: `203.0.113.3${node}`, port: 4000 } }),
  );
  a.say(2, 'hello');
  internet.run(500);
  others[0]!.say(2, 'hello');
  internet.run(500);
  others[1]!.say(2, 'hello');
  internet.run(1000);
  assert.deepEqual(
    b.tunnel.peers().map((peer) => peer.node),
    [1, 3],
  );
  b.say(4, 'my turn');
  internet.run(1000);
  assert.ok(others[1]!.heard().includes('my turn'));
  assert.equal(b.tunnel.peers().length, 2);
});

function recording(seed: string, beacon = false): { world: Pair; recorded: Datagram[] } {
  const world = pair(`attack ${seed}`, { beacon });
  const recorded: Datagram[] = [];
  world.internet.tap = (datagram) => {
    if (datagram.data[0] === 0x50) recorded.push(datagram);
  };
  chatter(world, world.a, 2, 'first', 10, 20);
  world.internet.run(5000);
  world.internet.tap = () => {};
  assert.equal(world.b.heard().length, 20);
  return { world, recorded };
}
