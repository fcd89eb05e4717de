/** What every store must do with nodes. */
import assert from 'node:assert/strict';
import { add, type Check, key, made, RELEASE, registration, T0 } from './fixtures.testkit.ts';

export function nodesContract(check: Check): void {
  check('gives ids from 1 upward and finds nodes by id, key and hostname', async (store) => {
    assert.equal(
      await add(store, 1, { hostname: 'alpha', owner: 'me', version: 'v1', lan: ['10.0.0.1:4000'] }),
      1,
    );
    assert.equal(await add(store, 2), 2);
    const node = (await store.nodeByHostname('alpha'))!;
    assert.deepEqual(node, {
      id: 1,
      publicKey: key(1),
      owner: 'me',
      endpoint: '203.0.113.1:4000',
      lan: ['10.0.0.1:4000'],
      public: false,
      hostname: 'alpha',
      tags: [],
      poloScore: 0,
      taskExec: false,
      version: 'v1',
      relayOnly: false,
      proven: false,
      registered: true,
      lastSeen: T0,
      keyCreatedAt: T0,
      keyRotatedAt: undefined,
      keyRotations: 0,
      keyExpiresAt: undefined,
    });
    assert.deepEqual(await store.node(1), node);
    assert.deepEqual(await store.nodeByKey(key(1)), node);
    assert.equal(await store.node(3), undefined);
    assert.equal(await store.node(0), undefined);
    assert.equal(await store.nodeByHostname(''), undefined);
    assert.deepEqual(
      (await store.listNodes(0, 10)).map(({ id }) => id),
      [1, 2],
    );
    assert.deepEqual(
      (await store.listNodes(1, 10)).map(({ id }) => id),
      [2],
    );
    assert.deepEqual(await store.counts(), { nodes: 2, networks: 0 });
  });

  check('keeps the record of a known key and says whether it moved', async (store) => {
    await add(store, 1, { owner: 'me', version: 'v1', hostname: 'alpha', lan: ['10.0.0.1:1'] });
    await store.patchNode(1, { public: true, tags: ['a', 'b'], taskExec: true }, T0);
    const same = made(
      await store.register(registration(1, { lan: ['10.0.0.1:1'], owner: 'other', at: T0 + 5 })),
    );
    assert.deepEqual([same.kind, same.moved], ['known', false]);
    const moved = made(await store.register(registration(1, { endpoint: '198.51.100.1:9', at: T0 + 6 })));
    assert.equal(moved.moved, true);
    const { owner, version, endpoint, lan, hostname, tags, taskExec, lastSeen } = moved.node;
    assert.deepEqual(
      { owner, version, endpoint, lan, hostname, tags, taskExec, lastSeen, public: moved.node.public },
      {
        owner: 'me',
        version: 'v1',
        endpoint: '198.51.100.1:9',
        lan: [],
        hostname: 'alpha',
        tags: ['a', 'b'],
        taskExec: true,
        lastSeen: T0 + 6,
        public: true,
      },
    );
  });

  check('accepts nothing unproven for a key that was proven once', async (store) => {
    await add(store, 1);
    await add(store, 1, { proven: true });
    assert.deepEqual(await store.register(registration(1, { endpoint: '198.51.100.66:6' })), {
      kind: 'proof_required',
    });
    assert.equal((await store.node(1))!.endpoint, '203.0.113.1:4000');
  });

  check('is full at the limit but still knows its own', async (store) => {
    await add(store, 1, { maxNodes: 1 });
    assert.deepEqual(await store.register(registration(2, { maxNodes: 1 })), { kind: 'full' });
    assert.equal(made(await store.register(registration(1, { maxNodes: 1 }))).kind, 'known');
  });

  check('keeps a record through deregistration and gives the same id back', async (store) => {
    await add(store, 1, { hostname: 'alpha', proven: true });
    assert.equal(await store.deregister(1), true);
    assert.equal(await store.deregister(1), false);
    assert.equal(await store.deregister(9), false);
    assert.equal((await store.node(1))!.registered, false);
    const back = made(await store.register(registration(1, { proven: true })));
    assert.deepEqual(
      [back.kind, back.node.id, back.node.hostname, back.node.registered],
      ['known', 1, 'alpha', true],
    );
  });

  check('gives a hostname to one node only', async (store) => {
    await add(store, 1, { hostname: 'alpha' });
    const second = made(await store.register(registration(2, { hostname: 'alpha' })));
    assert.equal(second.hostnameHolder?.id, 1);
    assert.equal(second.node.hostname, '');
    const taken = await store.setHostname(2, 'alpha', RELEASE);
    assert.ok(typeof taken === 'object' && taken.holder.id === 1);
    assert.equal(await store.setHostname(1, 'alpha', RELEASE), 'set');
    assert.equal(await store.setHostname(1, 'gamma', RELEASE), 'set');
    assert.equal(await store.setHostname(2, 'alpha', RELEASE), 'set');
    assert.equal(await store.setHostname(2, '', RELEASE), 'set');
    assert.equal(await store.setHostname(1, '', RELEASE), 'set');
    assert.equal(await store.nodeByHostname('alpha'), undefined);
    assert.equal(await store.setHostname(7, 'x', RELEASE), 'no_node');
  });

  check('takes a hostname from a holder that is gone, but not from a proven one too soon', async (store) => {
    await add(store, 1, { hostname: 'old', at: T0 });
    await add(store, 2, { hostname: 'ours', at: T0, proven: true });
    await add(store, 3);
    const release = { unprovenSeenBefore: T0 + 1, anySeenBefore: 0 };
    assert.equal(await store.setHostname(3, 'old', release), 'set');
    assert.equal((await store.node(1))!.hostname, '');
    assert.equal(typeof (await store.setHostname(3, 'ours', release)), 'object');
    await store.deregister(2);
    assert.equal(typeof (await store.setHostname(3, 'ours', release)), 'object');
    assert.equal(await store.setHostname(3, 'ours', { unprovenSeenBefore: 0, anySeenBefore: T0 + 1 }), 'set');
    assert.equal((await store.nodeByHostname('ours'))!.id, 3);
  });

  check('a sign of life of an id nobody has says nothing of the node that gets it', async (store) => {
    store.touch(1, T0 + 50);
    const made = await store.register(registration(1));
    assert.ok(made.kind === 'created');
    assert.equal(made.node.lastSeen, T0);
    assert.equal((await store.node(1))?.lastSeen, T0);
  });

  check('remembers heartbeats', async (store) => {
    await add(store, 1);
    store.touch(1, T0 + 50);
    store.touch(1, T0 + 20);
    store.touch(9, T0);
    assert.equal((await store.node(1))!.lastSeen, T0 + 50);
  });

  check('changes attributes and nothing else', async (store) => {
    await add(store, 1);
    assert.equal((await store.patchNode(1, { poloScore: -5 }, T0 + 1))!.poloScore, -5);
    assert.equal((await store.patchNode(1, { keyExpiresAt: T0 + 9 }, T0))!.keyExpiresAt, T0 + 9);
    assert.equal((await store.patchNode(1, { keyExpiresAt: null }, T0))!.keyExpiresAt, undefined);
    assert.deepEqual((await store.patchNode(1, { tags: [] }, T0))!.tags, []);
    assert.equal((await store.node(1))!.lastSeen, T0 + 1);
    assert.equal(await store.patchNode(9, { public: true }, T0), undefined);
  });

  check('rotates keys, each used by one node', async (store) => {
    await add(store, 1);
    await add(store, 2);
    assert.equal(await store.rotateKey(1, key(2), T0), 'key_in_use');
    assert.equal(await store.rotateKey(9, key(9), T0), 'no_node');
    const rotated = await store.rotateKey(1, key(3), T0 + 7);
    assert.ok(typeof rotated === 'object');
    assert.deepEqual([rotated.keyRotations, rotated.keyRotatedAt, rotated.keyCreatedAt], [1, T0 + 7, T0]);
    assert.equal(await store.nodeByKey(key(1)), undefined);
    assert.equal((await store.nodeByKey(key(3)))!.id, 1);
  });

  check('concurrent changes are each atomic', async (store) => {
    const outcomes = await Promise.all(
      Array.from({ length: 30 }, (_, n) => store.register(registration(n + 1, { hostname: 'same' }))),
    );
    assert.deepEqual(
      outcomes.map((outcome) => made(outcome).node.id).sort((a, b) => a - b),
      Array.from({ length: 30 }, (_, n) => n + 1),
    );
    assert.equal(outcomes.filter((outcome) => made(outcome).node.hostname === 'same').length, 1);
  });
}
