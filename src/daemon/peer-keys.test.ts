import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { nodeCrypto } from '../platform/crypto.ts';
import type { PilotClient } from '../sdk/index.ts';
import { fingerprintOf } from '../wire/fingerprint.ts';
import { encodeKeyRotation, signKeyRotation } from '../wire/key-rotation.ts';
import { encodeNodeRecord, signNodeRecord } from '../wire/node-record.ts';
import { Place } from './daemon.testkit.ts';

const crypto = nodeCrypto();
const thief = crypto.signingKey(new Uint8Array(32).fill(9));
/** Judgements of the registry's word are used again for ten seconds. */
const LATER = 11_000;

/** Two nodes without trust; the second is public. */
async function strangers(): Promise<{ place: Place; a: PilotClient; b: PilotClient }> {
  const place = new Place();
  const a = await place.start('node-a');
  const b = await place.start('node-b', { public: true });
  await place.until('both records are published', () =>
    [1, 2].every((node) => place.registry.nodes.get(node)?.record !== undefined),
  );
  return { place, a, b };
}

const ping = (place: Place, client: PilotClient, target: string) =>
  place.during(client.pingOnce(target, { timeout: 3_000 }));
const codes = async (place: Place, client: PilotClient): Promise<string[]> =>
  (await place.during(client.info())).warnings.map(({ code }) => code);

describe('the key of a peer without trust', () => {
  test('is pinned at first use, not by looking, and outlives a restart', async () => {
    const { place, a } = await strangers();
    assert.equal((await place.during(a.lookup('node-b'))).identity, 'unpinned');
    await ping(place, a, 'node-b');
    await place.until('it is pinned', async () => (await a.lookup('node-b')).identity === 'pinned');
    const before = await place.during(a.lookup('node-b'));
    assert.equal(before.pinned?.by, 'use');
    assert.equal(before.record?.hostname, 'node-b');
    await place.stop('node-a');
    const again = await place.start('node-a');
    const after = await place.during(again.lookup('node-b'));
    assert.deepEqual(after.pinned, before.pinned);
  });

  test('that changes silently is refused and told, until the user forgets the old one', async () => {
    const { place, a } = await strangers();
    await ping(place, a, 'node-b');
    await place.clock.advance(LATER);
    const { sig: _, key: __, ...members } = JSON.parse(place.registry.nodes.get(2)!.record!);
    const record = encodeNodeRecord(signNodeRecord(thief, { ...members, seq: members.seq + 1 }));
    place.registry.lies.set(2, { publicKey: thief.publicKey, record });
    await place.stop('node-a');
    const again = await place.start('node-a');
    await assert.rejects(ping(place, again, 'node-b'), { code: 'identity_changed' });
    await assert.rejects(place.during(again.dial('node-b', 7, { timeout: 3_000 })), {
      code: 'identity_changed',
    });
    assert.deepEqual(await codes(place, again), ['peer.identity_changed']);
    const shown = await place.during(again.lookup('node-b'));
    assert.equal(shown.identity, 'changed');
    assert.equal(shown.fingerprint, fingerprintOf(crypto, thief.publicKey));
    assert.notEqual(shown.pinned?.fingerprint, shown.fingerprint);
    place.registry.lies.clear();
    await place.clock.advance(LATER);
    await ping(place, again, 'node-b');
    assert.deepEqual(await codes(place, again), [], 'the registry tells the truth again');
  });

  test('can be forgotten, which lets the next one in', async () => {
    const { place, a, b } = await strangers();
    await assert.rejects(place.during(a.identity.forgetKey('node-b')), { code: 'not_found' });
    await ping(place, a, 'node-b');
    await place.stop('node-b');
    // Set up anew at the same address, without the old key.
    place.storage('node-b').files.delete('identity.json');
    place.registry.nodes.delete(2);
    b.close();
    await place.start('node-b', { public: true });
    await place.clock.advance(LATER);
    await assert.rejects(ping(place, a, '2'), { code: 'identity_changed' });
    await place.during(a.identity.forgetKey('2'));
    assert.equal((await ping(place, a, '2')).node_id, 2);
    assert.deepEqual(await codes(place, a), []);
  });

  test('follows the rotations its owner signed, also several at once', async () => {
    const { place, a, b } = await strangers();
    await ping(place, a, 'node-b');
    await place.during(b.identity.rotateKey());
    await place.during(b.identity.rotateKey());
    await place.clock.advance(LATER);
    const shown = await place.during(a.lookup('node-b'));
    assert.equal(shown.identity, 'pinned');
    assert.equal(shown.epoch, 2);
    assert.deepEqual(
      shown.rotations.map(({ epoch, to }) => [epoch, to]),
      [
        [1, shown.rotations[1]!.from],
        [2, shown.fingerprint],
      ],
    );
    assert.equal(shown.pinned?.fingerprint, shown.fingerprint);
    assert.ok(place.events.some(({ who, name }) => who === 'node-a' && name === 'peer.key_rotated'));
    assert.deepEqual(await codes(place, a), []);
  });

  test('does not follow a rotation the old key did not sign', async () => {
    const { place, a } = await strangers();
    await ping(place, a, 'node-b');
    const forged = signKeyRotation(thief, crypto.signingKey(new Uint8Array(32).fill(8)), {
      node: 2,
      epoch: 1,
      at: 1,
    });
    const { key } = place.registry.nodes.get(2)!;
    const text = encodeKeyRotation({ ...forged, old_key: Buffer.from(key).toString('base64') });
    place.registry.lies.set(2, {
      publicKey: new Uint8Array(crypto.signingKey(new Uint8Array(32).fill(8)).publicKey),
      rotations: [text],
    });
    await place.clock.advance(LATER);
    assert.equal((await place.during(a.lookup('node-b'))).identity, 'changed');
    assert.deepEqual(await codes(place, a), ['peer.identity_changed']);
  });

  test('goes back neither with an old record nor with an old key', async () => {
    const { place, a, b } = await strangers();
    const old = { ...place.registry.nodes.get(2)! };
    await ping(place, a, 'node-b');
    await place.during(b.setTags(['new']));
    await place.until('it is published', () => place.registry.nodes.get(2)!.record !== old.record);
    await place.during(a.lookup('node-b'));
    place.registry.lies.set(2, { record: old.record! });
    assert.equal((await place.during(a.lookup('node-b'))).record, null);
    assert.deepEqual(await codes(place, a), ['registry.record_rolled_back']);
    place.registry.lies.clear();
    assert.deepEqual((await place.during(a.lookup('node-b'))).record?.tags, ['new']);
    assert.deepEqual(await codes(place, a), []);

    await place.during(b.identity.rotateKey());
    assert.equal((await place.during(a.lookup('node-b'))).epoch, 1);
    place.registry.lies.set(2, { publicKey: old.key, record: old.record!, rotations: [] });
    assert.equal((await place.during(a.lookup('node-b'))).identity, 'changed');
    assert.deepEqual(await codes(place, a), ['registry.record_rolled_back']);
  });

  test('is demanded by a fingerprint behind any kind of name', async () => {
    const { place, a, b } = await strangers();
    const { fingerprint, verified_name } = await place.during(b.info());
    assert.equal(verified_name, `node-b#${fingerprint}`);
    const wrong = `${fingerprint[0] === 'a' ? 'b' : 'a'}${fingerprint.slice(1)}`;
    for (const name of ['node-b', '2', '0:0000.0000.0002']) {
      assert.equal((await place.during(a.resolve(`${name}#${fingerprint}`))).node_id, 2);
      await assert.rejects(place.during(a.resolve(`${name}#${wrong}`)), { code: 'identity_changed' }, name);
      await assert.rejects(place.during(a.dial(`${name}#${wrong}`, 7)), { code: 'identity_changed' }, name);
      await assert.rejects(place.during(a.resolve(`${name}#short`)), { code: 'invalid_argument' }, name);
    }
    assert.equal((await place.during(a.lookup('2'))).pinned?.by, 'fingerprint');
    assert.equal((await place.during(b.resolve(verified_name))).node_id, 2, 'itself');
    await assert.rejects(place.during(b.resolve(`2#${wrong}`)), { code: 'identity_changed' });
    await assert.rejects(place.during(a.handshake(`node-b#${wrong}`)), { code: 'identity_changed' });
  });
});

describe('nodes found by what they publish', () => {
  test('are shown with what their signature is worth; false ones are left out', async () => {
    const { place, a, b } = await strangers();
    await place.during(b.setTags(['weather']));
    await place.until('it is published', () => place.registry.nodes.get(2)!.record!.includes('weather'));
    const find = () => place.during(a.identity.findNodes({ tag: '#weather' }));
    let page = await find();
    assert.deepEqual(
      page.nodes.map(({ node_id, verified, tags }) => [node_id, verified, tags]),
      [[2, 'signed', ['weather']]],
    );
    await ping(place, a, 'node-b');
    await place.until('it is pinned', async () => (await a.lookup('2')).identity === 'pinned');
    assert.equal((await find()).nodes[0]?.verified, 'pinned');

    const entry = place.registry.nodes.get(2)!;
    const good = entry.record!;
    entry.record = good.replace('"hostname":"node-b"', '"hostname":"node-z"');
    page = await find();
    assert.deepEqual([page.nodes.length, page.refused], [0, 1], 'changed after it was signed');
    const { sig: _, key: __, ...members } = JSON.parse(good);
    entry.record = encodeNodeRecord(signNodeRecord(thief, members));
    assert.equal((await find()).nodes[0]?.verified, 'changed');
    entry.record = undefined as never;
    assert.deepEqual((await place.during(a.identity.findNodes())).nodes[0]?.verified, 'unsigned');
  });
});
