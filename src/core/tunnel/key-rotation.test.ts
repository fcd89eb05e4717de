/** A node takes another identity key; its peers do not trust it, so only the directory tells them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodePila, pilaSignedBytes } from '../../wire/tunnel-frames.ts';
import { crypto, identityOf, type Pair, pair } from './tunnel.testkit.ts';

const MALLORY = { host: '203.0.113.66', port: 666 };

/** A talks to B, and both have used each other's key. */
function talking(seed: string): Pair {
  const world = pair(seed, { beacon: false });
  world.a.say(2, 'one');
  world.b.say(1, 'two');
  world.internet.run(2_000);
  assert.deepEqual([world.a.heard(), world.b.heard()], [['two'], ['one']]);
  return world;
}

function forge({ internet, b }: Pair, key: number): void {
  const identity = identityOf(key);
  const x25519 = crypto.agreementKey(new Uint8Array(32).fill(key)).publicKey;
  const signature = identity.sign(pilaSignedBytes(1, x25519));
  const data = encodePila({ node: 1, x25519, ed25519: identity.publicKey, signature });
  internet.inject({ from: MALLORY, to: b.local, data });
}

test('a node that took another key reaches a peer that knew the old one at once, as often as it does so', () => {
  const world = talking('rotated dials');
  const { internet, a, b } = world;
  for (let n = 0; n < 4; n++) {
    a.rotate(100 + n);
    a.say(2, `after ${n}`);
    const took = internet.until(() => b.heard().includes(`after ${n}`), 5_000);
    assert.ok(took <= 1_000, `${took} ms`);
    internet.run(1_000);
  }
});

test('a peer reaches a node that took another key at once, and what it sent meanwhile arrives', () => {
  for (const pause of [0, 700_000]) {
    const { internet, a, b } = talking(`rotated is dialed ${pause}`);
    a.rotate(100);
    // After long silence nobody knows anything of a session.
    a.tunnel.forget(2);
    b.tunnel.forget(1);
    internet.run(pause);
    b.say(1, 'after');
    const took = internet.until(() => a.heard().includes('after'), 5_000);
    assert.ok(took <= 1_000, `${took} ms`);
  }
});

test('the node that takes another key begins anew with its peers by itself', () => {
  const { internet, a, b } = talking('rotated offers');
  a.rotate(100);
  internet.run(1_000);
  assert.equal(a.tunnel.peer(2)?.established, true);
  assert.deepEqual(b.tunnel.keyOf(1), identityOf(100).publicKey);
  const { keys } = b.questions;
  b.say(1, 'hello');
  internet.run(50);
  assert.ok(a.heard().includes('hello'));
  assert.equal(b.questions.keys, keys);
});

test('a key that was pinned until now is the one that is known, and a newer one is found', () => {
  const { internet, a, b } = talking('unpinned');
  a.rotate(100);
  b.tunnel.pin(1, identityOf(100).publicKey);
  internet.run(1_000);
  b.tunnel.unpin(1, internet.now);
  assert.deepEqual(b.tunnel.keyOf(1), identityOf(100).publicKey);
  a.rotate(101);
  a.say(2, 'after');
  internet.run(1_000);
  assert.ok(b.heard().includes('after'));
});

test('a claimed key is never believed, costs one question a second, and disturbs no session', () => {
  const world = talking('claimed');
  const { internet, a, b } = world;
  const asked = b.questions.keys;
  const keyAt = b.tunnel.peer(1)!.keyAt;
  for (let i = 0; i < 200; i++) {
    internet.at(internet.now + 50 * i, () => forge(world, 200 + i));
  }
  internet.run(10_100);
  assert.ok(b.questions.keys - asked <= 11, `${b.questions.keys - asked} questions`);
  assert.deepEqual(b.tunnel.keyOf(1), identityOf(1).publicKey);
  assert.equal(b.tunnel.peer(1)!.keyAt, keyAt);
  // Meanwhile the truth gets through.
  for (let i = 0; i < 200; i++) {
    internet.at(internet.now + 50 * i, () => forge(world, 200 + i));
  }
  a.rotate(100);
  a.say(2, 'true');
  const took = internet.until(() => b.heard().includes('true'), 5_000);
  assert.ok(took <= 2_000, `${took} ms`);
});

test('a pinned key stays, whoever signs with another one', () => {
  const { internet, a, b } = talking('pinned');
  b.tunnel.pin(1, identityOf(1).publicKey);
  a.rotate(100);
  a.say(2, 'after');
  internet.run(3_000);
  assert.ok(!b.heard().includes('after'));
  assert.deepEqual(b.tunnel.keyOf(1), identityOf(1).publicKey);
});

test('while the directory is away the known key counts', () => {
  const world = talking('away');
  const { internet, a, b, directory } = world;
  directory.reachable = false;
  for (let i = 0; i < 20; i++) forge(world, 200 + i);
  internet.run(1_000);
  a.say(2, 'still');
  internet.run(500);
  assert.ok(b.heard().includes('still'));
});
