import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { nodeCrypto } from '../platform/crypto.ts';
import type { PilotClient } from '../sdk/index.ts';
import { Place } from './daemon.testkit.ts';

const thief = nodeCrypto().signingKey(new Uint8Array(32).fill(9));

async function friends(): Promise<{ place: Place; a: PilotClient; b: PilotClient }> {
  const place = new Place();
  const a = await place.start('node-a');
  const b = await place.start('node-b');
  await place.during(a.handshake('node-b', 'hello'));
  await place.until('the request arrives', async () => (await b.pending()).length === 1);
  await place.during(b.approve('node-a'));
  await place.until('both trust', async () => (await a.trusted()).length === 1);
  await ping(place, a, '2');
  return { place, a, b };
}

const ping = (place: Place, client: PilotClient, target: string) =>
  place.during(client.pingOnce(target, { timeout: 5_000 }));
const codes = async (place: Place, client: PilotClient): Promise<string[]> =>
  (await place.during(client.info())).warnings.map(({ code }) => code);

/** The peer's key here is the newest one, it is trusted, and both reach each other. */
async function allIsWell(place: Place, a: PilotClient, b: PilotClient): Promise<void> {
  const { fingerprint, key_epoch } = await place.during(b.info());
  await place.until('the rotation is followed', async () => {
    const seen = await a.lookup('2');
    return seen.pinned?.fingerprint === fingerprint && seen.epoch === key_epoch;
  });
  const seen = await place.during(a.lookup('2'));
  assert.deepEqual([seen.identity, seen.pinned?.by], ['pinned', 'trust']);
  const [row] = await place.during(a.trusted());
  assert.equal(row?.public_key, (await place.during(b.info())).public_key);
  await ping(place, a, '2');
  await ping(place, b, '1');
  assert.deepEqual(await codes(place, a), []);
  assert.deepEqual(await codes(place, b), []);
}

describe('the key of a trusted peer', () => {
  test('is followed at once while it is online, again and again', async () => {
    const { place, a, b } = await friends();
    for (let turn = 0; turn < 3; turn++) {
      await place.during(b.identity.rotateKey());
      await allIsWell(place, a, b);
    }
    assert.deepEqual(
      (await place.during(a.lookup('2'))).rotations.map(({ epoch }) => epoch),
      [1, 2, 3],
    );
  });

  test('is followed after both sides rotated at the same time', async () => {
    const { place, a, b } = await friends();
    await Promise.all([place.during(a.identity.rotateKey()), place.during(b.identity.rotateKey())]);
    await allIsWell(place, a, b);
  });

  test('is followed when the push was missed, and by whom it first writes to', async () => {
    const { place, a, b } = await friends();
    await place.stop('node-a');
    await place.during(b.identity.rotateKey());
    await place.during(b.identity.rotateKey());
    await place.stop('node-b');
    const [again, later] = [await place.start('node-a'), await place.start('node-b')];
    a.close();
    b.close();
    await allIsWell(place, again, later);
  });

  test('stays what it was when the registry says otherwise, and the user is told', async () => {
    const { place, a, b } = await friends();
    place.registry.lies.set(2, { publicKey: thief.publicKey });
    await place.stop('node-a');
    a.close();
    const again = await place.start('node-a');
    await place.until('it is told', async () =>
      (await codes(place, again)).includes('peer.identity_changed'),
    );
    await ping(place, again, '2');
    const [row] = await place.during(again.trusted());
    assert.equal(row?.public_key, (await place.during(b.info())).public_key);
    await assert.rejects(place.during(again.identity.forgetKey('2')), { code: 'invalid_argument' });
    place.registry.lies.clear();
    await place.until('the warning ends', async () => (await codes(place, again)).length === 0);
  });
});
