import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromUtf8 } from '../base/bytes.ts';
import { nodeCrypto } from '../platform/crypto.ts';
import { decodeBase64 } from '../wire/base64.ts';
import { fingerprintOf } from '../wire/fingerprint.ts';
import { decodeKeyRotation, followRotations } from '../wire/key-rotation.ts';
import { decodeNodeRecord, verifyNodeRecord } from '../wire/node-record.ts';
import { Place } from './daemon.testkit.ts';
import { IDENTITY_FILE, STAGED_FILE } from './identity.ts';

const crypto = nodeCrypto();

function publishedBy(place: Place, node: number) {
  const { record: text, key } = place.registry.nodes.get(node)!;
  const record = decodeNodeRecord(text ?? '');
  assert.ok(typeof record !== 'string', `record: ${record}`);
  assert.ok(verifyNodeRecord(crypto, record, key), 'signed by the key the registry has');
  return record;
}

const published = (place: Place, node: number): boolean =>
  place.registry.nodes.get(node)?.record !== undefined;
const home = (place: Place, name: string, file: string): string | undefined => {
  const found = place.storage(name).files.get(file);
  return found === undefined ? undefined : fromUtf8(found.data);
};

describe('the signed record of a daemon', () => {
  test('is published with the registration, and again with every change, under a higher number', async () => {
    const place = new Place();
    const client = await place.start('node-a');
    await place.until('it is published', () => published(place, 1));
    const first = publishedBy(place, 1);
    assert.equal(first.hostname, 'node-a');
    assert.equal(first.epoch, 0);
    assert.deepEqual(first.features, ['certificates1']);
    await place.during(client.setVisibility(true));
    await place.during(client.setTags(['weather']));
    await place.during(client.identity.addService({ name: 'forecast', port: 1001, description: 'rain' }));
    await place.during(client.setHostname('other'));
    await place.until('the last change is published', () => publishedBy(place, 1).hostname === 'other');
    const last = publishedBy(place, 1);
    assert.ok(last.seq > first.seq);
    assert.deepEqual(
      [last.public, last.tags, last.services],
      [true, ['weather'], [{ name: 'forecast', port: 1001, description: 'rain' }]],
    );
    const info = await place.during(client.info());
    assert.equal(info.record_seq, last.seq);
    assert.deepEqual(info.services, last.services);
  });

  test('has a number that never goes back, whatever the clock says after a restart', async () => {
    const place = new Place();
    await place.start('node-a');
    await place.until('it is published', () => published(place, 1));
    await place.stop('node-a');
    const file = JSON.parse(home(place, 'node-a', 'node.json')!) as { record_seq: number };
    assert.equal(file.record_seq, publishedBy(place, 1).seq);
    const ahead = { ...file, record_seq: file.record_seq + 1e9 };
    place.storage('node-a').files.set('node.json', { data: Buffer.from(JSON.stringify(ahead)), modified: 0 });
    await place.start('node-a');
    await place.until('it is published', () => publishedBy(place, 1).seq > ahead.record_seq);
    assert.equal(publishedBy(place, 1).seq, ahead.record_seq + 1);
  });

  test('is signed anew every day', async () => {
    const place = new Place();
    await place.start('node-a');
    await place.until('it is published', () => published(place, 1));
    const first = publishedBy(place, 1);
    for (let hour = 0; hour < 26; hour++) await place.clock.advance(3_600_000);
    assert.ok(publishedBy(place, 1).issued >= first.issued + 86_400);
  });

  test('that the registry does not take stops nothing, and is offered again', async () => {
    const place = new Place();
    place.registry.refused.add('publish_record');
    const client = await place.start('node-a');
    await place.clock.advance(5_000);
    assert.equal((await place.during(client.info())).registered, true);
    assert.equal((await place.during(client.info())).record_seq, null);
    place.registry.refused.clear();
    await place.until('it is published', () => published(place, 1));
  });

  test('offers services that can be listed and removed, within bounds', async () => {
    const place = new Place();
    const client = await place.start('node-a');
    const add = (name: string, description = '') =>
      place.during(client.identity.addService({ name, port: 80, description }));
    await assert.rejects(add('Bad Name'), { code: 'invalid_argument' });
    await assert.rejects(add('a', '\u001b[2J'), { code: 'invalid_argument' });
    for (let i = 0; i < 16; i++) await add(`s${i}`, 'x'.repeat(100));
    await assert.rejects(add('one-more'), { code: 'invalid_argument' });
    await assert.rejects(add('s0', '株'.repeat(200)), { code: 'too_large' });
    const { services } = await place.during(client.identity.removeService('s3'));
    assert.equal(services.length, 15);
    await assert.rejects(place.during(client.identity.removeService('s3')), { code: 'not_found' });
    await place.until('it is published', () => publishedBy(place, 1).services.length === 15);
  });
});

describe('rotating the key', () => {
  const identity = (place: Place): string => {
    const { public_key } = JSON.parse(home(place, 'node-a', IDENTITY_FILE)!) as { public_key: string };
    return public_key;
  };

  test('gives a new key under the same address, with a chain others can follow', async () => {
    const place = new Place();
    const client = await place.start('node-a');
    const before = place.registry.nodes.get(1)!.key;
    const result = await place.during(client.identity.rotateKey());
    const { key, rotations } = place.registry.nodes.get(1)!;
    assert.equal(result.node_id, 1);
    assert.equal(result.epoch, 1);
    assert.equal(result.fingerprint, fingerprintOf(crypto, key));
    assert.equal(result.former_fingerprint, fingerprintOf(crypto, before));
    const chain = rotations!.map(decodeKeyRotation).filter((one) => typeof one !== 'string');
    assert.deepEqual(followRotations(crypto, 1, before, chain), { key: Uint8Array.from(key), epoch: 1 });
    assert.deepEqual(decodeBase64(identity(place)), Uint8Array.from(key));
    assert.equal(home(place, 'node-a', STAGED_FILE), undefined);
    const epoch = (): unknown => JSON.parse(place.registry.nodes.get(1)!.record!).epoch;
    await place.until('the record follows', () => epoch() === 1);
    assert.equal(publishedBy(place, 1).epoch, 1);
    const again = await place.during(client.identity.rotateKey());
    assert.equal(again.epoch, 2);
    await place.stop('node-a');
    const restarted = await place.start('node-a');
    const info = await place.during(restarted.info());
    assert.deepEqual([info.node_id, info.key_epoch, info.fingerprint], [1, 2, again.fingerprint]);
    assert.equal(place.registry.nodes.size, 1);
  });

  test('is refused without a registry, and changes nothing then', async () => {
    const place = new Place();
    const client = await place.start('node-a');
    const before = identity(place);
    place.registry.refused.add('rotate_key');
    await assert.rejects(place.during(client.identity.rotateKey()), { code: 'permission_denied' });
    assert.equal(identity(place), before);
    assert.equal(home(place, 'node-a', STAGED_FILE), undefined);
    assert.equal((await place.during(client.info())).key_rotation_open, false);
  });

  test('whose answer is lost is completed when the registry has the key', async () => {
    const place = new Place();
    const client = await place.start('node-a');
    place.registry.lostAnswers.add('rotate_key');
    const result = await place.during(client.identity.rotateKey());
    assert.equal(result.epoch, 1);
    assert.deepEqual(decodeBase64(identity(place)), Uint8Array.from(place.registry.nodes.get(1)!.key));
  });

  test('stays open while the registry is away, and is settled by itself', async () => {
    const place = new Place();
    const client = await place.start('node-a');
    place.registry.lostAnswers.add('rotate_key');
    place.registry.afterCall = (call) => {
      if (call === 'rotate_key') place.registry.leave();
    };
    await assert.rejects(place.during(client.identity.rotateKey()), { code: 'registry_unreachable' });
    assert.equal((await place.during(client.info())).key_rotation_open, true);
    place.registry.afterCall = () => {};
    place.registry.comeBack();
    await place.until('it is settled', async () => !(await client.info()).key_rotation_open);
    assert.deepEqual(decodeBase64(identity(place)), Uint8Array.from(place.registry.nodes.get(1)!.key));
    assert.equal((await place.during(client.info())).key_epoch, 1);
    assert.equal(place.registry.nodes.size, 1);
  });

  test('ends with one identity, the registry’s, whatever write the process dies at', async () => {
    for (let crashAt = 1; ; crashAt++) {
      const place = new Place();
      const client = await place.start('node-a');
      await place.until('it is published', () => published(place, 1));
      const storage = place.storage('node-a');
      let writes = 0;
      let died = false;
      const dying = (path: string): void => {
        if (died || ++writes < crashAt) return;
        died = true;
        throw new Error(`power cut at ${path}`);
      };
      const frozen = { replace: storage.replace.bind(storage), remove: storage.remove.bind(storage) };
      storage.replace = async (path, data) => {
        dying(path);
        if (died) return new Promise(() => {});
        return frozen.replace(path, data);
      };
      storage.remove = async (path) => {
        dying(path);
        if (died) return new Promise(() => {});
        return frozen.remove(path);
      };
      let outcome = 'under way';
      client.identity.rotateKey().then(
        () => {
          outcome = 'done';
        },
        () => {
          outcome = 'failed';
        },
      );
      for (let i = 0; i < 500 && outcome === 'under way' && !died; i++) await place.clock.advance(20);
      Object.assign(storage, frozen);
      const isOver = outcome === 'done' && !died;
      // What is on disk now is what the next process finds; the one that died says nothing more.
      const snapshot = new Map(storage.files);
      const place2 = place.after(snapshot);
      const restarted = await place2.start('node-a');
      await place2.until('it is registered', async () => (await restarted.info()).registered);
      const { key, rotations } = place2.registry.nodes.get(1)!;
      const info = await place2.during(restarted.info());
      const label = `died at write ${crashAt}`;
      assert.equal(place2.registry.nodes.size, 1, label);
      assert.equal(info.node_id, 1, label);
      assert.equal(info.fingerprint, fingerprintOf(crypto, key), label);
      assert.equal(info.key_epoch, rotations?.length ?? 0, label);
      const kept = place2.storage('node-a').files;
      const { public_key } = JSON.parse(fromUtf8(kept.get(IDENTITY_FILE)!.data)) as { public_key: string };
      assert.deepEqual(decodeBase64(public_key), Uint8Array.from(key), label);
      assert.equal(kept.get(STAGED_FILE), undefined, label);
      if (isOver) {
        assert.ok(crashAt > 4, `only ${crashAt - 1} places to die at`);
        return;
      }
    }
  });
});
