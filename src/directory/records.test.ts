import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { encodeKeyRotation, signKeyRotation } from '../wire/key-rotation.ts';
import { encodeNodeRecord, signNodeRecord } from '../wire/node-record.ts';
import { encodeTrustCertificate, signTrustCertificate } from '../wire/trust-certificate.ts';
import { encodeTrustRevocation, signTrustRevocation } from '../wire/trust-revocation.ts';
import { Scene } from './directory.testkit.ts';

/** A registry and daemons a and b, registered. */
async function pair() {
  const scene = new Scene();
  await scene.startRegistry();
  const [a, b] = [scene.daemon('a'), scene.daemon('b')];
  await scene.run(a.register({ hostname: 'alpha' }));
  await scene.run(b.register({ hostname: 'beta' }));
  const now = (): number => Math.floor(a.host.start().clock.wallNow() / 1000);
  return { scene, a, b, now };
}

describe('the directory of records', () => {
  it('publishes a record, finds it, and hands it to those who may see it', async () => {
    const { scene, a, b, now } = await pair();
    const services = [{ name: 'weather', port: 80, description: 'rain and sun' }];
    const record = encodeNodeRecord(
      signNodeRecord(a.identity, {
        node: 1,
        epoch: 0,
        seq: 1,
        hostname: 'alpha',
        public: true,
        tags: ['gpu'],
        features: [],
        suites: [],
        services,
        issued: now(),
        expires: now() + 3600,
      }),
    );
    await scene.run(a.directory.records.publishRecord(record));
    assert.deepEqual(await scene.run(b.directory.records.findNodes()), { nodes: [] });
    await scene.run(a.directory.setVisibility(true));
    const row = {
      node: 1,
      address: { network: 0, node: 1 },
      hostname: 'alpha',
      tags: ['gpu'],
      public: true,
      online: true,
      record,
    };
    for (const query of [{}, { tag: 'gpu' }, { service: 'weather' }, { text: 'rain' }])
      assert.deepEqual(await scene.run(b.directory.records.findNodes(query)), { nodes: [row] });
    const [first] = (await scene.run(b.directory.records.findNodes({ limit: 1 }))).nodes;
    assert.equal(first?.node, 1);
    const info = await scene.run(b.directory.lookup(1));
    assert.deepEqual([info.record, info.epoch, info.rotations], [record, 0, []]);
    const named = await scene.run(b.directory.resolveHostname('alpha'));
    assert.deepEqual([named.record, named.publicKey], [record, Uint8Array.from(a.identity.publicKey)]);
    assert.equal(await scene.refused(b.directory.records.findNodes({ network: 3 })), 'permission_denied');
  });

  it('rotates the key and goes on under the new one, also when the answer is lost', async () => {
    for (const loses of [false, true]) {
      const scene = new Scene();
      let swallow = loses;
      await scene.startRegistry((service) => ({
        ...service,
        handle(request, context) {
          if (!swallow || (request as { type?: string }).type !== 'rotate_key')
            return service.handle(request, context);
          swallow = false;
          return service.handle(request, context).then(async (reply) => {
            await scene.server!.close();
            scene.server = undefined;
            void scene.startRegistry();
            return reply;
          });
        },
      }));
      const a = scene.daemon('a');
      await scene.run(a.register({ hostname: 'alpha' }));
      const renewed = scene.world.crypto.signingKey(new Uint8Array(32).fill(7));
      const rotation = encodeKeyRotation(
        signKeyRotation(a.identity, renewed, { node: 1, epoch: 1, at: 1_800_000_000 }),
      );
      await scene.run(a.directory.records.rotateKey(renewed, rotation));
      assert.equal(swallow, false);
      assert.equal((await scene.store.counts()).nodes, 1, 'no second node was made');
      await scene.run(a.directory.setTags(['after']));
      await scene.run(a.directory.heartbeat());
      const info = await scene.run(a.directory.lookup(1));
      assert.deepEqual(
        [info.publicKey, info.epoch, info.rotations, info.tags],
        [Uint8Array.from(renewed.publicKey), 1, [rotation], ['after']],
      );
      // A new connection speaks for the node under the new key.
      scene.process!.kill('killed');
      await scene.world.runFor(5000);
      await scene.startRegistry();
      await scene.run(a.directory.setHostname('omega'));
      assert.equal((await scene.store.node(1))!.hostname, 'omega');
    }
  });

  it('reports certificates and revokes them', async () => {
    const { scene, a, b, now } = await pair();
    const party = (node: number, key: Uint8Array) => ({ node, key, offers: { ports: '*' } });
    const unsigned = {
      serial: 1,
      a: party(1, a.identity.publicKey),
      b: party(2, b.identity.publicKey),
      notBefore: now(),
      reason: '',
    };
    const half = signTrustCertificate(a.identity, 1, unsigned);
    const certificate = encodeTrustCertificate(signTrustCertificate(b.identity, 2, half));
    assert.deepEqual(await scene.run(b.directory.records.certificateWith(1)), { trusted: false });
    await scene.run(a.directory.reportTrust(2, certificate));
    assert.deepEqual(await scene.run(b.directory.records.certificateWith(1)), { trusted: true, certificate });
    await scene.run(b.directory.resolve(1));
    const revocation = encodeTrustRevocation(
      signTrustRevocation(b.identity, { node: 2, peer: 1, serial: 1, at: now(), reason: '' }),
    );
    await scene.run(b.directory.revokeTrust(1, 'gone', revocation));
    assert.deepEqual(await scene.run(a.directory.records.certificateWith(2)), { trusted: false, revocation });
    assert.equal(await scene.refused(a.directory.reportTrust(2, certificate)), 'certificate_revoked');
    assert.equal(await scene.refused(a.directory.reportTrust(2, '{}')), 'certificate_invalid');
    // It lately asked for us, so we may know that it exists.
    assert.equal(await scene.refused(a.directory.resolve(2)), 'permission_denied');
  });

  it('tells the key of a private node to whoever names it', async () => {
    const { scene, a, b } = await pair();
    const { publicKey } = a.identity;
    assert.equal(await scene.run(b.directory.identityKey(1)), undefined);
    assert.equal(await scene.run(b.directory.identityKey(1, b.identity.publicKey)), undefined);
    assert.deepEqual(await scene.run(b.directory.identityKey(1, publicKey)), Uint8Array.from(publicKey));
  });

  it('says when a registry knows nothing of records', async () => {
    const scene = new Scene();
    await scene.startRegistry((service) => ({
      ...service,
      handle: async (request, context) => {
        const reply = await service.handle(request, context);
        return 'features' in reply ? { ...reply, features: ['sig'] } : reply;
      },
    }));
    const { directory, register } = scene.daemon('a');
    await scene.run(register());
    for (const ask of [
      () => directory.records.publishRecord('{}'),
      () => directory.records.findNodes(),
      () => directory.records.certificateWith(2),
    ])
      assert.equal(await scene.refused(ask()), 'unavailable');
  });
});
