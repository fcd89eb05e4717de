import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TunnelConfig } from './config.ts';
import { OldDaemon } from './old-daemon.testkit.ts';
import { BEACON, Internet, type NatKind, TestBeacon, TestDirectory, TestNode } from './tunnel.testkit.ts';

const NEW = 1;
const OLD = 2;

test('we contact an old daemon and both directions work', () => {
  const { internet, ours, old } = world('contact');
  ours.say(OLD, 'one');
  internet.run(500);
  assert.deepEqual(old.heard, ['one']);
  assert.deepEqual(ours.heard(), ['re: one']);
  assert.equal(ours.path(OLD), 'direct');
  assert.equal(old.exchanges, 1);
});

test('an old daemon, which resets its counters on every key exchange, is sent no more of them than needed', () => {
  const { internet, ours, old } = world('sparing', {}, 'none', 'none', true);
  let exchanges = 0;
  internet.tap = ({ from, data }) => {
    if (from.host === ours.local.host && data[3] === 0x41) exchanges++;
  };
  for (let i = 0; i < 600; i++) internet.at(internet.now + 1000 * i, () => ours.say(OLD, `m${i}`));
  internet.run(601_000);
  assert.equal(old.heard.length, 600);
  assert.ok(exchanges <= 2, `${exchanges} key exchange frames`);
  assert.equal(old.exchanges, 1);
});

test('an old daemon contacts us', () => {
  const { internet, ours, old } = world('contacted');
  old.say(NEW, 'one');
  internet.run(500);
  assert.deepEqual(ours.heard(), ['one']);
  ours.say(OLD, 're: one');
  internet.run(100);
  assert.deepEqual(old.heard, ['re: one']);
});

test('both contact each other at once', () => {
  const { internet, ours, old } = world('at once');
  old.say(NEW, 'from old');
  ours.say(OLD, 'from new');
  internet.run(500);
  assert.ok(ours.heard().includes('from old'));
  assert.ok(old.heard.includes('from new'));
});

test('the answer of an old daemon is lost: a changed key makes it answer again', () => {
  const { internet, ours, old } = world('lost answer');
  let lost = 0;
  internet.filter = ({ from, data }) => !(from.host === old.local.host && data[3] === 0x41 && lost++ === 0);
  ours.say(OLD, 'one');
  const took = internet.until(() => ours.tunnel.peer(OLD)?.established === true, 10_000);
  assert.ok(took < 3000, `${took} ms`);
  ours.say(OLD, 'two');
  internet.run(200);
  assert.ok(old.heard.includes('two'));
});

test('an old daemon restarts and we contact it: healed within seconds', () => {
  const { internet, ours, old } = world('restart');
  ours.say(OLD, 'one');
  internet.run(5000);
  old.restart();
  for (let i = 0; i < 30; i++) internet.at(internet.now + 200 * i, () => ours.say(OLD, `again ${i}`));
  const took = internet.until(() => old.heard.some((text) => text.startsWith('again')), 10_000);
  assert.ok(took < 3000, `${took} ms`);
});

test('an old daemon restarts and contacts us', () => {
  const { internet, ours, old } = world('restart and call');
  ours.say(OLD, 'one');
  internet.run(5000);
  old.restart();
  old.say(NEW, 'back');
  internet.run(500);
  assert.ok(ours.heard().includes('back'));
  ours.say(OLD, 're: back');
  internet.run(200);
  assert.ok(old.heard.includes('re: back'));
});

test('we restart and the old daemon contacts us under its old key', () => {
  const { internet, ours, old } = world('we restart');
  ours.say(OLD, 'one');
  internet.run(5000);
  ours.restart();
  for (let i = 0; i < 20; i++) internet.at(internet.now + 300 * i, () => old.say(NEW, `again ${i}`));
  const took = internet.until(() => ours.heard().some((text) => text.startsWith('again')), 10_000);
  assert.ok(took < 1500, `${took} ms`);
});

test('an old daemon that lost only our keys is given them again', () => {
  const { internet, ours, old } = world('one-sided');
  ours.say(OLD, 'one');
  internet.run(5000);
  old.forget(NEW);
  old.say(NEW, 'still there?');
  for (let i = 0; i < 20; i++) internet.at(internet.now + 500 * i, () => ours.say(OLD, `talk ${i}`));
  const took = internet.until(() => old.heard.some((text) => text.startsWith('talk')), 10_000);
  assert.ok(took < 2500, `${took} ms`);
});

test('a rekey with an old daemon takes effect although it keeps its key', () => {
  const { internet, ours, old } = world('rekey', { rekeyAfter: 20_000, rekeyAfterOldPeer: 30_000 });
  for (let i = 0; i < 100; i++) internet.at(internet.now + 1000 * i, () => ours.say(OLD, `${i}`));
  internet.run(110_000);
  const rekeys = ours.events.filter((event) => event.name === 'tunnel.rekeyed').length;
  assert.ok(rekeys >= 2 && rekeys <= 5, `${rekeys} rekeys`);
  assert.ok(old.heard.length >= 95, `${old.heard.length} of 100 arrived`);
});

test('an old daemon behind a symmetric NAT dials us behind another through the beacon', () => {
  const { internet, ours, old } = world('symmetric', {}, 'symmetric', 'symmetric');
  old.dial(NEW, 'one');
  internet.until(() => ours.heard().includes('one'), 15_000);
  ours.say(OLD, 're: one');
  internet.run(500);
  assert.ok(old.heard.includes('re: one'));
  assert.equal(ours.path(OLD), 'relay');
});

test('we dial an old daemon behind a symmetric NAT in under half a second', () => {
  const { internet, ours, old } = world('to symmetric', {}, 'symmetric', 'symmetric');
  ours.say(OLD, 'one');
  const took = internet.until(() => ours.heard().includes('re: one'), 15_000);
  assert.ok(took < 500, `${took} ms`);
  assert.deepEqual(old.heard, ['one']);
});

for (const ourNat of ['none', 'full', 'port', 'symmetric'] as const) {
  for (const oldNat of ['none', 'port', 'symmetric'] as const) {
    test(`${ourNat} dials an old daemon behind ${oldNat}: answered within 0.5 s`, () => {
      const { internet, ours, old } = world(`dial ${ourNat} ${oldNat}`, {}, ourNat, oldNat, true);
      ours.say(OLD, 'one');
      const took = internet.until(() => ours.heard().includes('re: one'), 15_000);
      assert.ok(took <= 500, `${took} ms`);
      for (let i = 0; i < 50; i++) internet.at(internet.now + 200 * i, () => ours.say(OLD, `m${i}`));
      internet.run(11_000);
      assert.equal(old.heard.filter((text) => text.startsWith('m')).length, 50);
      assert.equal(ours.heard().filter((text) => text.startsWith('re: m')).length, 50);
    });

    test(`an old daemon behind ${oldNat} dials ${ourNat}: heard by its first attempt through the beacon at the latest`, () => {
      const { internet, ours, old } = world(`dialled ${ourNat} ${oldNat}`, {}, ourNat, oldNat, true);
      old.dial(NEW, 'one');
      const took = internet.until(() => ours.heard().includes('one'), 15_000);
      assert.ok(took <= 7500, `${took} ms`);
      ours.say(OLD, 're: one');
      internet.run(500);
      assert.ok(old.heard.includes('re: one'));
    });
  }
}

test('lost frames in every place never leave an old daemon and us apart', () => {
  for (let seed = 0; seed < 60; seed++) {
    const { internet, ours, old } = world(`lossy ${seed}`);
    internet.link.loss = 0.3;
    internet.link.jitter = 20;
    const first =
      seed % 2 === 0 ? (i: number) => ours.say(OLD, `n${i}`) : (i: number) => old.say(NEW, `o${i}`);
    for (let i = 0; i < 40; i++) internet.at(internet.now + 500 * i, () => first(i));
    internet.run(10_000);
    internet.link.loss = 0;
    internet.run(10_000);
    ours.say(OLD, 'last');
    internet.run(1500);
    assert.ok(old.heard.includes('last') && ours.heard().includes('re: last'), `seed ${seed}`);
  }
});

function world(
  seed: string,
  config: Partial<TunnelConfig> = {},
  ourNat: NatKind = 'none',
  oldNat: 'none' | 'port' | 'symmetric' = 'none',
  withBeacon = ourNat !== 'none' || oldNat !== 'none',
): { internet: Internet; ours: TestNode; old: OldDaemon; beacon: TestBeacon } {
  const internet = new Internet(`old ${seed}`);
  const directory = new TestDirectory();
  const beacon = new TestBeacon(internet, BEACON);
  const beacons = withBeacon ? [BEACON] : [];
  const ours = new TestNode({
    internet,
    directory,
    node: NEW,
    local: ourNat === 'none' ? { host: '203.0.113.10', port: 4000 } : { host: '192.168.10.2', port: 4000 },
    nat: ourNat,
    publicHost: '203.0.113.10',
    beacons,
    config,
  });
  const old = new OldDaemon({
    internet,
    directory,
    node: OLD,
    local: oldNat === 'none' ? { host: '198.51.100.20', port: 4000 } : { host: '192.168.20.2', port: 4000 },
    nat: oldNat,
    publicHost: '198.51.100.20',
    ...(beacons.length > 0 && { beacon: BEACON }),
  });
  internet.run(200);
  return { internet, ours, old, beacon };
}
