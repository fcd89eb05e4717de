/** What every store must do with nodes. */
import assert from 'node:assert/strict';
import { add, type Check, key, made, RELEASE, registration, T0 } from './fixtures.testkit.ts';

export function nodesContract(check: Check): void {
  check('gives ids from 1 upward and finds nodes by id, key and hostname', async (store) => {
    assert.equal(
      await add(store, 1, {
        hostname: 'alpha',
        owner: 'me',
        version: 'v1',
        lan: ['10.0.0.1:4000'],
        beacons: ['203.0.113.9:9001'],
      }),
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
      beacons: ['203.0.113.9:9001'],
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

  check('counts who was heard of lately and did not say goodbye', async (store) => {
    await add(store, 1);
    await add(store, 2, { at: T0 + 10 });
    await add(store, 3, { at: T0 + 20 });
    assert.equal(await store.onlineCount(T0 - 1), 3);
    assert.equal(await store.onlineCount(T0), 2);
    store.touch(1, T0 + 30);
    assert.equal(await store.onlineCount(T0 + 15), 2);
    await store.deregister(1);
    await store.deregister(3);
    assert.equal(await store.onlineCount(0), 1);
    assert.equal((await store.node(1))!.lastSeen, T0 + 30);
    await add(store, 3, { at: T0 + 40 });
    assert.equal(await store.onlineCount(0), 2);
  });

  check('knows of an identity what the record says, after every change', async (store) => {
    assert.equal(await store.identity(1), undefined);
    await add(store, 1);
    await agree(1);
    await store.patchNode(1, { keyExpiresAt: T0 + 9 }, T0);
    await agree(1);
    await store.patchNode(1, { keyExpiresAt: null }, T0);
    await add(store, 1, { proven: true });
    await agree(1);
    await store.rotateKey(1, key(200), T0 + 1);
    await agree(1);
    await store.deregister(1);
    await agree(1);
    await store.register(registration(200, { proven: true }));
    await agree(1);

    async function agree(id: number): Promise<void> {
      // Asked twice: the second answer may come from what the first one left behind.
      for (let times = 0; times < 2; times++) {
        const [identity, node] = [(await store.identity(id))!, (await store.node(id))!];
        const { publicKey, proven, registered, keyExpiresAt } = node;
        assert.deepEqual(
          [identity.publicKey, identity.proven, identity.registered, identity.keyExpiresAt],
          [publicKey, proven, registered, keyExpiresAt],
        );
      }
    }
  });

  check('an identity asked for while it changes is the one before or the one after', async (store) => {
    await add(store, 1);
    await store.identity(1);
    const rotated = store.rotateKey(1, key(200), T0 + 1);
    const during = store.identity(1);
    await rotated;
    assert.ok([1, 200].includes((await during)!.publicKey[0]!));
    assert.equal((await store.identity(1))!.publicKey[0], 200);
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

  check('keeps the documents of rotations and retires the old keys for ever', async (store) => {
    await add(store, 1, { proven: true });
    await add(store, 2);
    assert.deepEqual(await store.nodeDocuments(1), { record: '', rotations: [] });
    assert.deepEqual(await store.nodeDocuments(9), { record: '', rotations: [] });
    await store.publishRecord(1, { sequence: 1, document: 'r', terms: [] });
    const rotated = await store.rotateKey(1, key(11), T0, 'first');
    assert.ok(typeof rotated === 'object');
    // Signed by the old key, so it is nobody's word any more.
    assert.deepEqual(await store.nodeDocuments(1), { record: '', rotations: ['first'] });
    assert.equal(await store.nodeByRetiredKey(key(1)), 1);
    assert.equal(await store.nodeByRetiredKey(key(11)), undefined);
    assert.deepEqual(await store.register(registration(1, { proven: true })), { kind: 'retired' });
    assert.equal(await store.rotateKey(1, key(1), T0, 'back'), 'key_in_use');
    assert.equal(await store.rotateKey(2, key(1), T0, 'theirs'), 'key_in_use');
    for (let n = 12; n < 80; n++) await store.rotateKey(1, key(n), T0, `to ${n}`);
    const { rotations } = await store.nodeDocuments(1);
    assert.deepEqual([rotations.length, rotations[0], rotations.at(-1)], [64, 'to 16', 'to 79']);
    assert.equal(await store.nodeByRetiredKey(key(1)), 1);
    assert.equal((await store.node(1))!.keyRotations, 69);
  });

  check('forgets the old key of a rotation without a document, as old registries do', async (store) => {
    await add(store, 1);
    await store.rotateKey(1, key(2), T0);
    assert.equal(await store.nodeByRetiredKey(key(1)), undefined);
    assert.equal(made(await store.register(registration(1))).kind, 'created');
  });

  check('replaces a record only by a newer one', async (store) => {
    await add(store, 1);
    const record = (sequence: number, document: string) => ({ sequence, document, terms: [] });
    assert.equal(await store.publishRecord(9, record(1, 'x')), 'no_node');
    assert.equal(await store.publishRecord(1, record(5, 'five')), 'stored');
    assert.equal(await store.publishRecord(1, record(5, 'five')), 'stored');
    assert.equal(await store.publishRecord(1, record(5, 'other five')), 'older');
    assert.equal(await store.publishRecord(1, record(4, 'four')), 'older');
    assert.equal((await store.nodeDocuments(1)).record, 'five');
    assert.equal(await store.publishRecord(1, record(6, 'six')), 'stored');
    await store.deregister(1);
    await add(store, 1);
    assert.equal((await store.nodeDocuments(1)).record, 'six');
  });

  check('finds public registered nodes by what they are now', async (store) => {
    const found = async (term: string, after = 0, limit = 10): Promise<number[]> =>
      (await store.findNodes(term, after, limit)).map(({ node }) => node.id);
    for (let n = 1; n <= 5; n++) await add(store, n, { hostname: `host-${n}` });
    for (const id of [5, 3, 1]) await store.patchNode(id, { public: true, tags: ['gpu'] }, T0);
    await store.patchNode(2, { tags: ['gpu'] }, T0);
    assert.deepEqual(await found(''), [1, 3, 5]);
    assert.deepEqual(await found('tag:gpu'), [1, 3, 5]);
    assert.deepEqual(await found('tag:gpu', 1, 1), [3]);
    assert.deepEqual(await found('word:host'), [1, 3, 5]);
    await store.patchNode(3, { tags: ['cpu'] }, T0);
    await store.deregister(5);
    assert.deepEqual(await found('tag:gpu'), [1]);
    await add(store, 5);
    assert.deepEqual(await found('tag:gpu'), [1, 5]);
    await store.patchNode(1, { public: false }, T0);
    assert.deepEqual(await found('tag:gpu'), [5]);
    await store.publishRecord(5, { sequence: 1, document: 'r', terms: ['service:ask', 'word:weather'] });
    await store.publishRecord(2, { sequence: 1, document: 'r', terms: ['service:ask'] });
    assert.deepEqual(await found('service:ask'), [5]);
    await store.setHostname(5, 'renamed', RELEASE);
    assert.deepEqual(await found('word:renamed'), [5]);
    assert.deepEqual(await found('word:host'), [3]);
    await store.publishRecord(5, { sequence: 2, document: 'r2', terms: [] });
    assert.deepEqual(await found('service:ask'), []);
    const [described] = await store.findNodes('', 3, 10);
    assert.deepEqual(
      [described?.node.id, described?.record, described?.terms],
      [5, 'r2', ['', 'tag:gpu', 'word:renamed', 'word:gpu']],
    );
  });

  check('describes registered nodes, public or not, in the order asked', async (store) => {
    for (let n = 1; n <= 3; n++) await add(store, n);
    await store.publishRecord(2, { sequence: 1, document: 'r', terms: ['service:x'] });
    await store.deregister(1);
    assert.deepEqual(
      (await store.describeNodes([3, 1, 2, 9])).map(({ node, record, terms }) => [node.id, record, terms]),
      [
        [3, '', ['']],
        [2, 'r', ['', 'service:x']],
      ],
    );
  });

  check('a hostname that is taken over is no longer found at the one who lost it', async (store) => {
    await add(store, 1, { hostname: 'alpha' });
    await add(store, 2);
    for (const id of [1, 2]) await store.patchNode(id, { public: true }, T0);
    assert.equal(
      await store.setHostname(2, 'alpha', { unprovenSeenBefore: T0 + 1, anySeenBefore: 0 }),
      'set',
    );
    assert.deepEqual(
      (await store.findNodes('word:alpha', 0, 9)).map(({ node }) => node.id),
      [2],
    );
  });
}
