/** A node takes another key; peers that don't trust it learn of that only when it speaks to them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeCrypto } from '../platform/crypto.ts';
import type { PilotClient } from '../sdk/index.ts';
import { fingerprintOf } from '../wire/fingerprint.ts';
import { Place } from './daemon.testkit.ts';

const PORT = 4000;
const crypto = nodeCrypto();

/** Nodes 1 and 2, private, without trust, in one network; no push about keys reaches anybody. */
async function members(): Promise<{ place: Place; a: PilotClient; b: PilotClient }> {
  const place = new Place();
  const a = await place.start('node-a');
  const b = await place.start('node-b');
  place.registry.networks.enter(place.registry.networks.add('lab', 'open', 1), 2);
  await place.clock.advance(100);
  for (const client of place.registry.clients) {
    const push = client.push.bind(client);
    client.push = (news) => {
      if (news.event !== 'key_rotated') push(news);
    };
  }
  for (const client of [a, b]) void echo(await client.listen(PORT));
  return { place, a, b };
}

async function echo(listener: Awaited<ReturnType<PilotClient['listen']>>): Promise<void> {
  for (let conn = await listener.accept(); conn !== undefined; conn = await listener.accept()) {
    await conn.close().catch(() => {});
  }
}

/** Milliseconds until the stream stands. */
async function reach(place: Place, from: PilotClient, target: string): Promise<number> {
  const since = place.clock.now();
  const conn = await place.during(from.dial(target, PORT, { timeout: 4_000 }));
  const took = place.clock.now() - since;
  await place.during(conn.close());
  return took;
}

test('a member that took another key reaches the others within a second, time and again', async () => {
  const { place, a, b } = await members();
  await reach(place, a, '1:0001.0000.0002');
  for (let turn = 0; turn < 3; turn++) {
    await place.during(a.identity.rotateKey());
    for (const target of ['1:0001.0000.0002', '2']) {
      const took = await reach(place, a, target);
      assert.ok(took <= 1_000, `turn ${turn}, ${target}: ${took} ms`);
    }
    const back = await reach(place, b, '1');
    assert.ok(back <= 1_000, `turn ${turn}, back: ${back} ms`);
    await place.clock.advance(3_000);
  }
  const { fingerprint } = await place.during(a.info());
  const shown = await place.during(b.lookup('1'));
  assert.deepEqual([shown.identity, shown.pinned?.fingerprint], ['pinned', fingerprint]);
});

test('it is reached by members that knew the old key', async () => {
  const { place, a, b } = await members();
  await reach(place, b, '1');
  await place.during(a.identity.rotateKey());
  const took = await reach(place, b, '1');
  assert.ok(took <= 1_000, `${took} ms`);
});

async function trusting(): ReturnType<typeof members> {
  const it = await members();
  const { place, a, b } = it;
  await place.during(a.handshake('2'));
  await place.during(b.handshake('1'));
  await place.until('both trust', async () => (await b.trusted()).length + (await a.trusted()).length === 2);
  return it;
}

test('trusted peers follow as fast where no push tells them', async () => {
  const { place, a, b } = await trusting();
  await reach(place, a, '2');
  for (let turn = 0; turn < 3; turn++) {
    await place.during(a.identity.rotateKey());
    const [from, to] = turn === 1 ? [b, '1'] : [a, '2'];
    const took = await reach(place, from, to);
    assert.ok(took <= 1_000, `turn ${turn}: ${took} ms`);
    await place.clock.advance(3_000);
  }
});

test('after trust is over the key that it followed last counts', async () => {
  const { place, a, b } = await trusting();
  await reach(place, a, '2');
  await place.during(a.identity.rotateKey());
  await reach(place, a, '2');
  await place.during(b.untrust('1'));
  await place.clock.advance(3_000);
  const took = await reach(place, a, '1:0001.0000.0002');
  assert.ok(took <= 1_000, `${took} ms`);
});

test('where a key was pinned at use the word of the registry alone changes nothing', async () => {
  const { place, a, b } = await members();
  await reach(place, b, '1');
  await place.until('it is pinned', async () => (await b.lookup('1')).identity === 'pinned');
  const { fingerprint } = await place.during(a.info());
  const entry = place.registry.nodes.get(1)!;
  place.registry.lies.set(1, { publicKey: entry.key, rotations: [] });
  await place.during(a.identity.rotateKey());
  await assert.rejects(reach(place, a, '1:0001.0000.0002'));
  place.registry.lies.set(1, { publicKey: entry.key, rotations: [] });
  await assert.rejects(reach(place, a, '1:0001.0000.0002'));
  const shown = await place.during(b.lookup('1'));
  assert.deepEqual([shown.identity, shown.pinned?.fingerprint], ['changed', fingerprint]);
  assert.notEqual(fingerprintOf(crypto, entry.key), fingerprint);
  place.registry.lies.clear();
  const took = await reach(place, a, '1:0001.0000.0002');
  assert.ok(took <= 3_000, `${took} ms`);
});
