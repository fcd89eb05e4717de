import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ConnectionState, createRegistryService } from '../registry/index.ts';
import { encodeJsonFrame, JsonFrameReader } from '../wire/registry-frame.ts';
import { PORT, Scene } from './directory.testkit.ts';

/** A registry that lets nobody register before a time. */
async function startBusyRegistry(
  scene: Scene,
  until: number,
  asked: { challenge: number; register: number },
): Promise<void> {
  await scene.startRegistry((service) => ({
    ...service,
    handle: async (request, context) => {
      const { type } = request as { type?: unknown };
      if (type === 'challenge' || type === 'register') asked[type]++;
      const reply = await service.handle(request, context);
      const wait = Math.min(10_000, until - scene.world.now);
      return type === 'challenge' && wait > 0 ? { ...reply, wait } : reply;
    },
  }));
}

describe('the directory', () => {
  it('registers, asks, accepts, resolves and revokes', async () => {
    const scene = new Scene();
    await scene.startRegistry();
    const [a, b] = [scene.daemon('a'), scene.daemon('b')];
    const registered = await scene.run(a.register({ hostname: 'alpha' }));
    assert.deepEqual(registered, {
      node: 1,
      address: { network: 0, node: 1 },
      observed: `${a.host.address}:4000`,
      hostname: 'alpha',
      beacons: [
        { host: scene.registryHost.address, port: 9001 },
        { host: '203.0.113.9', port: 9001 },
        { host: 'beacon.example.net', port: 9001 },
      ],
    });
    await scene.run(b.register({ hostname: 'beta' }));
    assert.equal(await scene.refused(a.directory.resolve(2)), 'not_found');
    assert.equal(await scene.refused(a.directory.resolveHostname('beta')), 'not_found');
    for (const hostname of ['beta', 'nobody']) {
      await scene.run(
        a.directory.requestHandshake({ target: { hostname }, justification: 'hi', message: 'm1' }),
      );
    }
    const polled = await scene.run(b.directory.pollHandshakes());
    assert.deepEqual(
      polled.requests.map(({ from, hostname, justification, message }) => [
        from,
        hostname,
        justification,
        message,
      ]),
      [[1, 'alpha', 'hi', 'm1']],
    );
    assert.equal((await scene.run(b.directory.pollHandshakes())).requests.length, 0);
    await scene.run(b.directory.respondHandshake({ peer: 1, accept: true, message: 'm2' }));
    const answered = await scene.run(a.directory.pollHandshakes());
    assert.deepEqual(
      answered.responses.map(({ from, accept, message }) => [from, accept, message]),
      [[2, true, 'm2']],
    );
    assert.equal(await scene.run(a.directory.checkTrust(2)), true);
    assert.deepEqual(await scene.run(a.directory.resolve(2)), {
      endpoint: { host: b.host.address, port: 4000 },
      lan: [{ host: '192.168.1.5', port: 4000 }],
    });
    assert.equal((await scene.run(a.directory.resolveHostname('beta'))).node, 2);
    await scene.run(b.directory.revokeTrust(1, 'gone'));
    await scene.run(b.directory.revokeTrust(1));
    assert.equal(await scene.run(a.directory.checkTrust(2)), false);
    assert.deepEqual(
      (await scene.run(a.directory.pollHandshakes())).revocations.map(({ from, message }) => [from, message]),
      [[2, 'gone']],
    );
    assert.deepEqual(await scene.run(a.directory.heartbeat()), { next: 240_000 });
    assert.deepEqual(
      Buffer.from((await scene.run(a.directory.identityKey(2)))!),
      Buffer.from(b.identity.publicKey),
    );
    assert.equal(await scene.run(a.directory.identityKey(99)), undefined);
    assert.deepEqual(scene.pushes.sort(), [
      'a:handshake_response:2',
      'a:trust_changed:2',
      'a:trust_revoked:2',
      'b:handshake_request:1',
      'b:trust_changed:1',
    ]);
  });

  it('changes attributes, deregisters, and carries any other request', async () => {
    const scene = new Scene();
    await scene.startRegistry();
    const { directory, register } = scene.daemon('a');
    await scene.run(register());
    await scene.run(directory.setHostname('alpha'));
    await scene.run(directory.setVisibility(true));
    await scene.run(directory.setTags(['gpu']));
    const info = await scene.run(directory.lookup(1));
    assert.deepEqual(
      [info.hostname, info.public, info.tags, info.online, info.endpoint?.port],
      ['alpha', true, ['gpu'], true, 4000],
    );
    await scene.run(directory.call('set_task_exec', { node_id: 1, enabled: true }, { signed: true }));
    assert.equal((await scene.run(directory.lookup(1))).taskExec, true);
    assert.equal(
      await scene.refused(directory.call('set_task_exec', { node_id: 1, enabled: false })),
      'permission_denied',
    );
    assert.equal(await scene.refused(directory.call('no_such_thing', {})), 'invalid_argument');
    await scene.run(directory.deregister());
    assert.equal(await scene.refused(directory.lookup(1)), 'not_found');
  });

  it('comes back after the registry died, speaks for its node again and is pushed to', async () => {
    const scene = new Scene();
    await scene.startRegistry();
    const [a, b] = [scene.daemon('a'), scene.daemon('b')];
    await scene.run(a.register());
    await scene.run(b.register());
    scene.process!.kill('killed');
    await scene.world.runFor(5000);
    await scene.startRegistry();
    await scene.run(a.directory.requestHandshake({ target: { node: 2 }, justification: '', message: '' }));
    await scene.run(b.directory.heartbeat());
    assert.deepEqual(scene.pushes, ['b:handshake_request:1']);
    assert.deepEqual(
      scene.states.filter((state) => state.startsWith('a')),
      ['a:connected', 'a:disconnected', 'a:connected'],
    );
  });

  it('brings back with a new connection what was changed since, not what was registered first', async () => {
    const scene = new Scene();
    await scene.startRegistry();
    const { directory, register } = scene.daemon('a');
    await scene.run(register({ hostname: 'alpha', public: true, tags: ['gpu'] }));
    await scene.run(directory.setHostname('beta'));
    await scene.run(directory.setTags(['web']));
    await scene.run(directory.setVisibility(false));
    scene.process!.kill('killed');
    await scene.world.runFor(5000);
    await scene.startRegistry();
    await scene.run(directory.heartbeat());
    const { hostname, public: isPublic, tags } = (await scene.store.node(1))!;
    assert.deepEqual([hostname, isPublic, tags], ['beta', false, ['web']]);
  });

  it('stays private with a registry that could not be told so', async () => {
    const scene = new Scene();
    await scene.startRegistry();
    const { directory, register } = scene.daemon('a');
    await scene.run(register({ public: true }));
    scene.process!.kill('killed');
    assert.equal(await scene.refused(directory.setVisibility(false)), 'registry_unreachable');
    await scene.startRegistry();
    await scene.run(directory.heartbeat());
    assert.equal((await scene.store.node(1))!.public, false);
  });

  it('says all of itself with one request, and hears what waits for it', async () => {
    const scene = new Scene();
    const types: unknown[] = [];
    await scene.startRegistry((service) => ({
      ...service,
      handle: (request, context) => {
        types.push((request as { type?: unknown }).type);
        return service.handle(request, context);
      },
    }));
    const [a, b] = [scene.daemon('a'), scene.daemon('b')];
    const first = await scene.run(a.register({ public: true, tags: ['gpu'] }));
    assert.deepEqual([first.presence, first.waiting, first.heartbeat], [true, false, 240_000]);
    assert.deepEqual(types.splice(0), ['challenge', 'register']);
    const { public: isPublic, tags } = (await scene.store.node(1))!;
    assert.deepEqual([isPublic, tags], [true, ['gpu']]);
    await scene.run(b.register({ public: false }));
    await scene.run(b.directory.requestHandshake({ target: { node: 1 }, justification: '', message: '' }));
    await scene.world.runFor(100);
    assert.deepEqual(scene.pushes, ['a:handshake_request:2']);
    assert.equal((await scene.run(a.register({ public: true }))).waiting, true);
    assert.deepEqual(await scene.run(a.directory.heartbeat()), { next: 240_000 });
  });

  it('registers when the registry wants it to, and asks again when the time is up', async () => {
    const scene = new Scene();
    await scene.startRegistry();
    const { directory, register } = scene.daemon('a');
    await scene.run(register());
    scene.process!.kill('killed');
    const asked = { challenge: 0, register: 0 };
    await startBusyRegistry(scene, scene.world.now + 50_000, asked);
    await scene.world.runFor(45_000);
    assert.deepEqual([directory.state, asked.register], ['disconnected', 0]);
    await scene.world.runFor(15_000);
    assert.deepEqual([directory.state, asked.register], ['connected', 1]);
    assert.ok(asked.challenge >= 4 && asked.challenge <= 8, `${asked.challenge}`);
  });

  it('registers at once when a user waits, but not for every question of every user', async () => {
    const scene = new Scene();
    await scene.startRegistry();
    const { directory, register } = scene.daemon('a');
    await scene.run(register());
    const asked = { challenge: 0, register: 0 };
    for (let outage = 1; outage <= 4; outage++) {
      scene.process!.kill('killed');
      await startBusyRegistry(scene, scene.world.now + 1e9, asked);
      await scene.world.runFor(1500);
      directory.hurry();
      await scene.world.runFor(500);
      assert.equal(directory.state, outage <= 3 ? 'connected' : 'disconnected', `outage ${outage}`);
    }
    // The budget comes back with time.
    await scene.world.runFor(20_000);
    directory.hurry();
    await scene.world.runFor(500);
    assert.equal(directory.state, 'connected');
  });

  it('repeats what was under way when the connection broke', async () => {
    const scene = new Scene();
    let swallow = true;
    await scene.startRegistry((service) => ({
      ...service,
      handle(request, context) {
        if (!swallow || (request as { type?: string }).type !== 'set_hostname')
          return service.handle(request, context);
        swallow = false;
        // Done, but the answer is lost with the connection.
        return service.handle(request, context).then(async (reply) => {
          await scene.server!.close();
          scene.server = undefined;
          void scene.startRegistry();
          return reply;
        });
      },
    }));
    const { directory, register } = scene.daemon('a');
    await scene.run(register());
    await scene.run(directory.setHostname('alpha'));
    assert.equal((await scene.store.node(1))!.hostname, 'alpha');
    assert.equal(swallow, false);
  });

  it('says within ten seconds that the registry is away, and keeps trying', async () => {
    const scene = new Scene();
    const { directory, register } = scene.daemon('a');
    const before = scene.world.now;
    assert.equal(await scene.refused(register()), 'registry_unreachable');
    assert.equal(Math.round((scene.world.now - before) / 1000), 10);
    await scene.world.runFor(60_000);
    await scene.startRegistry();
    await scene.world.runFor(35_000);
    assert.equal(directory.state, 'connected');
    assert.equal((await scene.run(register())).node, 1);
  });

  it('gives up on a registry that stops answering, and connects anew', async () => {
    const scene = new Scene();
    const registry = await scene.startStuckRegistry();
    const { directory, register } = scene.daemon('a');
    await scene.run(register());
    registry.stuck = true;
    const result = scene.refused(directory.lookup(1));
    await scene.world.runFor(10_500);
    registry.stuck = false;
    assert.equal(await result, 'done');
  });

  it('works with any clock, also one that jumps', async () => {
    const scene = new Scene();
    await scene.startRegistry();
    const { directory, register, host } = scene.daemon('a', { skew: 3_600_000 * 24 * 365 });
    await scene.run(register());
    await scene.run(directory.setHostname('alpha'));
    host.skew = -3_600_000;
    await scene.run(directory.setHostname('beta'));
    host.skew = 3_600_000;
    await scene.run(register({ hostname: 'gamma' }));
    assert.equal((await scene.store.node(1))!.hostname, 'gamma');
  });

  it('registers with a new challenge when the first one has grown old', async () => {
    const scene = new Scene();
    await scene.startRegistry();
    const { directory, register } = scene.daemon('a');
    directory.start();
    await scene.world.runFor(120_000);
    assert.equal((await scene.run(register())).node, 1);
    const both = await scene.run(Promise.all([register(), register({ hostname: 'alpha' })]));
    assert.deepEqual(
      both.map(({ node }) => node),
      [1, 1],
    );
  });

  it('tries its addresses in turn', async () => {
    const scene = new Scene();
    await scene.startRegistry();
    const { register } = scene.daemon('a', { addresses: [{ host: '198.51.100.1', port: 1 }, scene.address] });
    assert.equal((await scene.run(register())).node, 1);
  });

  it('says at once when the certificate is not the pinned one', async () => {
    const scene = new Scene();
    const process = scene.registryHost.start();
    const tls = {
      certificate: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
      privateKey: '',
    };
    await process.net.listen({ host: '0.0.0.0', port: PORT }, () => {}, { tls });
    const { register } = scene.daemon('a', { tls: { fingerprint: '0'.repeat(64) } });
    const before = scene.world.now;
    assert.equal(await scene.refused(register()), 'fingerprint_mismatch');
    assert.equal(scene.world.now - before < 2000, true);
  });

  it('treats answers that make no sense as a protocol error', async () => {
    const scene = new Scene();
    let answer: object = {};
    await scene.startRegistry((service) => ({
      ...service,
      handle: async (request, context) => {
        const { type, request_id } = request as { type: string; request_id: number };
        return type === 'lookup' || type === 'resolve'
          ? { ...answer, request_id }
          : service.handle(request, context);
      },
    }));
    const { directory, register } = scene.daemon('a');
    await scene.run(register());
    for (answer of [
      {},
      { node_id: 'x' },
      { node_id: -1 },
      { node_id: 1, public_key: 'AAAA' },
      { node_id: 1, address: 'zz' },
    ]) {
      assert.equal(await scene.refused(directory.lookup(1)), 'protocol_error', JSON.stringify(answer));
    }
    answer = { real_addr: 'evil.example:4000', lan_addrs: [5, 'x', '10.0.0.1:0', '10.0.0.2:4000'] };
    assert.deepEqual(await scene.run(directory.resolve(1)), {
      endpoint: undefined,
      lan: [{ host: '10.0.0.2', port: 4000 }],
    });
  });

  it('refuses calls that need an id before it has one, and everything after close', async () => {
    const scene = new Scene();
    await scene.startRegistry();
    const { directory, register } = scene.daemon('a');
    assert.equal(await scene.refused(directory.heartbeat()), 'unavailable');
    await scene.run(register());
    directory.close();
    assert.equal(await scene.refused(directory.lookup(1)), 'registry_unreachable');
    assert.deepEqual(scene.states, ['a:connected', 'a:disconnected']);
  });
});

describe('the directory at an old registry', () => {
  /** Answers in order, knows nothing of ours, and shows the requests it got. */
  async function oldRegistry() {
    const scene = new Scene();
    const process = scene.registryHost.start();
    const { net, clock, random, crypto, log } = process;
    const service = createRegistryService({ store: scene.store, clock, random, crypto, log });
    const OURS = new Set(['request_id', 'ts', 'nonce', 'sig', 'challenge', 'ack', 'message']);
    const seen: Record<string, unknown>[] = [];
    await net.listen({ host: '0.0.0.0', port: PORT }, (pipe) => {
      const reader = new JsonFrameReader();
      const connection = new ConnectionState(pipe.remote);
      let turn = Promise.resolve();
      pipe.onData((data) => {
        reader.push(data);
        for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
          const request = frame;
          seen.push({ ...request });
          turn = turn.then(async () => {
            const known = Object.fromEntries(Object.entries(request).filter(([name]) => !OURS.has(name)));
            const type = request.type === 'challenge' ? 'unheard_of' : request.type;
            pipe.write(
              encodeJsonFrame(await service.handle({ ...known, type }, { remote: pipe.remote, connection })),
            );
          });
        }
      });
    });
    return { scene, seen };
  }

  it('signs the old strings, takes answers in order and reads the inbox once', async () => {
    const { scene, seen } = await oldRegistry();
    const [a, b] = [scene.daemon('a'), scene.daemon('b')];
    await scene.run(a.register({ hostname: 'alpha' }));
    await scene.run(b.register({ hostname: 'beta' }));
    await scene.run(b.directory.setVisibility(true));
    const [first, second] = await scene.run(Promise.all([a.directory.lookup(1), a.directory.lookup(2)]));
    assert.deepEqual([first.hostname, second.hostname], ['alpha', 'beta']);
    await scene.run(a.directory.heartbeat());
    await scene.run(
      a.directory.requestHandshake({ target: { hostname: 'beta' }, justification: 'hi', message: 'm' }),
    );
    assert.deepEqual(
      (await scene.run(b.directory.pollHandshakes())).requests.map(({ from, message }) => [from, message]),
      [[1, '']],
    );
    await scene.run(b.directory.respondHandshake({ peer: 1, accept: true, message: '' }));
    assert.equal((await scene.run(a.directory.pollHandshakes())).responses.length, 1);
    assert.equal(await scene.run(a.directory.checkTrust(2)), true);
    assert.equal((await scene.run(b.directory.resolve(1))).endpoint?.port, 4000);
    assert.equal(await scene.refused(a.directory.setHostname('BAD')), 'invalid_argument');
    assert.equal(await scene.refused(a.directory.setHostname('beta')), 'already_exists');
    await scene.run(a.directory.deregister());
    assert.equal(await scene.refused(b.directory.lookup(1)), 'not_found');
    assert.ok(seen.every((request) => !('sig' in request)));
    assert.equal(seen.filter(({ type }) => type === 'subscribe').length, 0);
  });
});
