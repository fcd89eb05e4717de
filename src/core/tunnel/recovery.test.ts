/** Lost frames, restarts, rekeys: whatever happens, both ends talk again by themselves. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Datagram, TestNode } from './tunnel.testkit.ts';
import { chatter, type Pair, pair } from './tunnel.testkit.ts';

const PILA = 0x41;

test('both open at once: one session, both first packets arrive', () => {
  const { internet, a, b } = pair('simultaneous', { beacon: false });
  a.say(2, 'from a');
  b.say(1, 'from b');
  internet.run(500);
  assert.deepEqual(a.heard(), ['from b']);
  assert.deepEqual(b.heard(), ['from a']);
  assert.equal(count(a, 'tunnel.established'), 1);
  assert.equal(count(a, 'tunnel.rekeyed') + count(b, 'tunnel.rekeyed'), 0);
});

for (const [name, host] of [
  ['ours', '203.0.113.10'],
  ["the peer's", '198.51.100.20'],
] as const) {
  test(`the first key exchange frame of ${name} is lost`, () => {
    const { internet, a, b } = pair(`lost ${name}`, { beacon: false });
    let lost = 0;
    internet.filter = (datagram) => !(datagram.from.host === host && datagram.data[3] === PILA && lost++ < 2);
    a.say(2, 'hello');
    const took = internet.until(() => b.heard().includes('hello'));
    assert.ok(took <= 700, `${took} ms`);
    assert.ok(lost > 0);
  });
}

test('a peer restarts and we contact it', () => {
  const world = established('restart, we call');
  const { internet, a, b } = world;
  internet.run(60_000);
  b.restart();
  const start = internet.now;
  chatter(world, a, 2, 'again', 100, 50);
  internet.until(() => b.heard().some((text) => text.startsWith('again')));
  assert.ok(internet.now - start < 1000, `${internet.now - start} ms`);
});

test('a peer restarts and contacts us', () => {
  const { internet, a, b } = established('restart, it calls');
  b.restart();
  b.say(1, 'back');
  const took = internet.until(() => a.heard().includes('back'));
  assert.ok(took < 200, `${took} ms`);
  a.say(2, 'welcome');
  internet.run(100);
  assert.ok(b.heard().includes('welcome'));
});

test('a peer restarts while the directory is out of reach: a pinned key is enough', () => {
  const { internet, directory, a, b } = established('restart, no directory');
  b.restart();
  b.tunnel.pin(1, directory.key(1)!);
  directory.reachable = false;
  for (let i = 0; i < 40; i++) internet.at(internet.now + 100 * i, () => a.say(2, `again ${i}`));
  internet.until(() => b.heard().some((text) => text.startsWith('again')), 5000);
});

test('one side forgets the other: the next packet of either side heals it', () => {
  for (const caller of ['a', 'b'] as const) {
    const { internet, a, b } = established(`one-sided ${caller}`);
    internet.run(5000);
    b.tunnel.forget(1);
    const [from, to] = caller === 'a' ? [a, b] : [b, a];
    for (let i = 0; i < 20; i++) internet.at(internet.now + 100 * i, () => from.say(to.node, `again ${i}`));
    const took = internet.until(() => to.heard().some((text) => text.startsWith('again')));
    assert.ok(took < 1500, `${caller}: ${took} ms`);
  }
});

test('a rekey by age under traffic loses nothing', () => {
  const world = established('age', { rekeyAfter: 5_000 });
  const { internet, a, b } = world;
  chatter(world, a, 2, 'a', 10, 3000);
  chatter(world, b, 1, 'b', 10, 3000);
  internet.run(31_000);
  assert.equal(b.heard().filter((text) => text.startsWith('a ')).length, 3000);
  assert.equal(a.heard().filter((text) => text.startsWith('b ')).length, 3000);
  assert.ok(count(a, 'tunnel.rekeyed') >= 4, `${count(a, 'tunnel.rekeyed')} rekeys`);
});

test('a rekey by volume under traffic that is reordered and lost loses only what the link loses', () => {
  const world = established('volume', { rekeyPackets: 400 });
  const { internet, a, b } = world;
  internet.link.jitter = 30;
  let lost = 0;
  internet.filter = ({ data }) => {
    const drop = internet.random.fraction() < 0.05;
    if (drop && data.length > 80) lost++;
    return !drop;
  };
  chatter(world, a, 2, `a ${'x'.repeat(50)}`, 5, 4000);
  internet.run(25_000);
  const arrived = b.heard().filter((text) => text.startsWith('a ')).length;
  assert.ok(arrived >= 4000 - lost, `${arrived} arrived, ${lost} lost`);
  assert.ok(count(a, 'tunnel.rekeyed') >= 8, `${count(a, 'tunnel.rekeyed')} rekeys`);
});

test('both sides rekey at the same instant', () => {
  const world = established('both', { rekeyPackets: 200 });
  const { internet, a, b } = world;
  for (let i = 0; i < 1000; i++) {
    internet.at(internet.now + 10 * i, () => {
      a.say(2, `a ${i}`);
      b.say(1, `b ${i}`);
    });
  }
  internet.run(12_000);
  assert.equal(b.heard().filter((text) => text.startsWith('a ')).length, 1000);
  assert.equal(a.heard().filter((text) => text.startsWith('b ')).length, 1000);
  assert.ok(count(a, 'tunnel.rekeyed') >= 4);
});

test('a rekey whose frames are all lost leaves the old key in use and is tried again later', () => {
  const world = established('rekey lost', { rekeyAfter: 5_000 });
  const { internet, a, b } = world;
  internet.filter = ({ data }) => data[3] !== PILA;
  chatter(world, a, 2, 'a', 100, 2000);
  internet.run(100_000);
  assert.equal(count(a, 'tunnel.rekeyed'), 0);
  internet.filter = () => true;
  internet.run(101_000);
  assert.ok(count(a, 'tunnel.rekeyed') >= 1);
  assert.equal(b.heard().filter((text) => text.startsWith('a ')).length, 2000);
});

test('packets that wait are bounded in number and time', () => {
  const { internet, a } = pair('waiting', { beacon: false });
  internet.filter = () => false;
  for (let i = 0; i < 100; i++) assert.equal(a.say(2, `${i}`), 'queued');
  assert.equal(a.tunnel.drops().pending_full, 36);
  internet.run(6000);
  assert.equal(a.tunnel.drops().pending_expired, 64);
});

test('an unreachable peer is reported once, and attempts end when nobody wants it any more', () => {
  const { internet, a } = pair('unreachable', { beacon: false });
  internet.filter = () => false;
  a.say(2, 'anyone?');
  internet.run(70_000);
  assert.equal(count(a, 'tunnel.unreachable'), 1);
  let sent = 0;
  internet.tap = () => sent++;
  internet.run(600_000);
  assert.equal(sent, 0);
  assert.equal(a.tunnel.nextTimeout(), undefined);
});

test('a partition heals: both talk again soon after, without a restart', () => {
  const world = established('partition');
  const { internet, a, b } = world;
  chatter(world, a, 2, 'a', 500, 200);
  internet.run(5_000);
  internet.filter = () => false;
  internet.run(45_000);
  internet.filter = () => true;
  const before = b.heard().length;
  const took = internet.until(() => b.heard().length > before + 1);
  assert.ok(took < 1500, `${took} ms`);
});

test('any mix of loss, duplicates, reordering, restarts, forgetting and rebinding heals', () => {
  for (let seed = 0; seed < 100; seed++) {
    const nats = ['none', 'port', 'symmetric', 'full', 'address'] as const;
    const world = pair(`storm ${seed}`, {
      a: nats[seed % 5]!,
      b: nats[Math.floor(seed / 5) % 5]!,
      config: { rekeyAfter: 8_000 },
    });
    const { internet, a, b } = world;
    internet.tap = noPlaintext;
    Object.assign(internet.link, { loss: 0.1, duplicate: 0.05, jitter: 40 });
    for (let i = 0; i < 60; i++) {
      internet.at(internet.now + 500 * i, () => act(world, internet.random.below(12)));
    }
    internet.run(32_000);
    Object.assign(internet.link, { loss: 0, duplicate: 0, jitter: 0 });
    internet.filter = () => true;
    chatter(world, a, 2, 'healed', 250, 24);
    chatter(world, b, 1, 'healed', 250, 24);
    internet.run(7000);
    assert.ok(
      b.heard().some((text) => text.startsWith('healed')),
      `seed ${seed}: a to b`,
    );
    assert.ok(
      a.heard().some((text) => text.startsWith('healed')),
      `seed ${seed}: b to a`,
    );
    assert.ok(internet.crypto.sealed() > 0);
  }
});

function act({ internet, a, b }: Pair, choice: number): void {
  const one = internet.random.below(2) === 0 ? a : b;
  const other = one === a ? b : a;
  switch (choice) {
    case 0:
      one.restart();
      return;
    case 1:
      one.tunnel.forget(other.node);
      return;
    case 2:
      internet.rebind(one);
      return;
    case 3: {
      const back = internet.now + 3000;
      internet.filter = () => internet.now >= back;
      return;
    }
    case 4:
      one.tunnel.connect(other.node, internet.now);
      one.drain();
      return;
    default:
      for (let i = 0; i < choice; i++) one.say(other.node, `t${i}`);
  }
}

function noPlaintext({ data }: Datagram): void {
  assert.notEqual(String.fromCharCode(...data.subarray(0, 4)), 'PILT');
}

function established(seed: string, config = {}): Pair {
  const world = pair(seed, { beacon: false, config });
  world.a.say(2, 'first');
  world.internet.run(300);
  assert.deepEqual(world.b.heard(), ['first']);
  return world;
}

function count(node: TestNode, name: string): number {
  return node.events.filter((event) => event.name === name).length;
}
