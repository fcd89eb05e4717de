/** What every store must do, run on each of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type {
  HandshakeRequest,
  HandshakeResponse,
  Registration,
  RegistrationOutcome,
  Revocation,
  Store,
} from './store.ts';

export const T0 = 1_800_000_000_000;
const RELEASE = { unprovenSeenBefore: 0, anySeenBefore: 0 };

export function key(n: number): Uint8Array {
  return new Uint8Array(32).fill(n);
}
export function registration(n: number, changes: Partial<Registration> = {}): Registration {
  return {
    publicKey: key(n),
    proven: false,
    owner: '',
    endpoint: `203.0.113.${n}:4000`,
    lan: [],
    version: '',
    relayOnly: false,
    hostname: undefined,
    release: RELEASE,
    maxNodes: 1000,
    at: T0,
    ...changes,
  };
}
export function request(from: number, to: number, changes: Partial<HandshakeRequest> = {}): HandshakeRequest {
  return {
    from,
    to,
    justification: 'hi',
    message: `ask ${from}`,
    source: `10.0.0.${from}`,
    at: T0,
    replace: false,
    perTarget: 3,
    perSource: 2,
    ...changes,
  };
}
export function response(
  from: number,
  to: number,
  changes: Partial<HandshakeResponse> = {},
): HandshakeResponse {
  return {
    from,
    to,
    accept: true,
    message: `answer ${from}`,
    at: T0,
    deliverUnasked: false,
    askedAfter: T0 - 1000,
    perTarget: 3,
    ...changes,
  };
}
export function revocation(from: number, peer: number, changes: Partial<Revocation> = {}): Revocation {
  return { from, peer, message: '', at: T0, deliver: true, perTarget: 3, ...changes };
}

async function add(store: Store, n: number, changes: Partial<Registration> = {}): Promise<number> {
  return made(await store.register(registration(n, changes))).node.id;
}
function made(outcome: RegistrationOutcome) {
  assert.ok(outcome.kind === 'created' || outcome.kind === 'known', outcome.kind);
  return outcome;
}

export function storeContract(name: string, open: () => Promise<Store>): void {
  const check = (title: string, body: (store: Store) => Promise<void>): void => {
    test(`${name} store: ${title}`, async () => {
      const store = await open();
      try {
        await body(store);
      } finally {
        await store.close();
      }
    });
  };

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

  check('makes a pair from two reports, not from one', async (store) => {
    assert.equal(await store.reportTrust(1, 2, T0, 0), 'half');
    assert.equal(await store.reportTrust(1, 2, T0, 0), 'half');
    assert.equal(await store.trusted(1, 2), false);
    assert.equal(await store.reportTrust(2, 1, T0, 0), 'paired');
    assert.equal(await store.reportTrust(2, 1, T0, 0), 'paired');
    assert.equal(await store.trusted(1, 2), true);
    assert.equal(await store.trusted(2, 1), true);
    assert.deepEqual(await store.trustPeers(2, 10), [1]);
  });

  check('makes a pair from a request and its acceptance, and keeps both messages', async (store) => {
    assert.equal(await store.requestHandshake(request(1, 2)), 'stored');
    assert.deepEqual(await store.respondHandshake(response(2, 1)), { paired: true, delivered: true });
    assert.deepEqual(await store.trustProof(1, 2), { request: 'ask 1', accept: 'answer 2' });
    assert.deepEqual(await store.takeInbox(2), []);
    const [answer] = await store.takeInbox(1);
    assert.deepEqual(
      [answer?.kind, answer?.from, answer?.accept, answer?.message],
      ['response', 2, true, 'answer 2'],
    );
  });

  check('an acceptance still matches after the request was read', async (store) => {
    await store.requestHandshake(request(1, 2));
    assert.equal((await store.takeInbox(2)).length, 1);
    assert.equal((await store.respondHandshake(response(2, 1))).paired, true);
  });

  check('an acceptance nobody asked for makes no pair and is not delivered unless wanted', async (store) => {
    assert.deepEqual(await store.respondHandshake(response(2, 1)), { paired: false, delivered: false });
    assert.deepEqual(await store.respondHandshake(response(3, 1, { deliverUnasked: true })), {
      paired: false,
      delivered: true,
    });
    assert.equal(await store.trusted(1, 2), false);
    assert.deepEqual(
      (await store.takeInbox(1)).map(({ from }) => from),
      [3],
    );
  });

  check('a request too old to count is not matched', async (store) => {
    await store.requestHandshake(request(1, 2, { at: T0 - 5000 }));
    assert.deepEqual(await store.respondHandshake(response(2, 1)), { paired: false, delivered: false });
    assert.equal(await store.reportTrust(1, 2, T0, T0 - 1000), 'paired');
  });

  check('two requests alone make no pair', async (store) => {
    await store.requestHandshake(request(1, 2));
    await store.requestHandshake(request(2, 1));
    assert.equal(await store.trusted(1, 2), false);
    assert.equal(await store.reportTrust(1, 2, T0, T0 - 1000), 'paired');
  });

  check('a request to somebody who already accepted makes the pair', async (store) => {
    await store.respondHandshake(response(2, 1));
    await store.requestHandshake(request(1, 2));
    assert.deepEqual(await store.trustProof(1, 2), { request: 'ask 1', accept: 'answer 2' });
  });

  check('a rejection is delivered, forgets the request and keeps an existing pair', async (store) => {
    await store.requestHandshake(request(1, 2));
    assert.deepEqual(await store.respondHandshake(response(2, 1, { accept: false })), {
      paired: false,
      delivered: true,
    });
    assert.equal(await store.reportTrust(2, 1, T0, 0), 'half');
    await store.reportTrust(1, 2, T0, 0);
    assert.deepEqual(await store.respondHandshake(response(2, 1, { accept: false })), {
      paired: true,
      delivered: true,
    });
    assert.equal(await store.trusted(1, 2), true);
  });

  check('a revocation takes both words back and stays', async (store) => {
    await store.reportTrust(1, 2, T0, 0);
    await store.reportTrust(2, 1, T0, 0);
    assert.deepEqual(await store.revokeTrust(revocation(1, 2)), { existed: true, delivered: true });
    assert.deepEqual(await store.revokeTrust(revocation(1, 2)), { existed: false, delivered: false });
    assert.equal(await store.reportTrust(2, 1, T0, 0), 'half');
    assert.equal(await store.trusted(1, 2), false);
    const inbox = await store.pollInbox(2, 0, 10);
    assert.deepEqual(
      inbox.map(({ kind, from }) => [kind, from]),
      [['revocation', 1]],
    );
    assert.deepEqual(await store.takeInbox(2), []);
  });

  check('a revocation by somebody with no tie to the other reaches nobody', async (store) => {
    await store.reportTrust(1, 2, T0, 0);
    assert.deepEqual(await store.revokeTrust(revocation(1, 2)), { existed: true, delivered: false });
    assert.deepEqual(await store.pollInbox(2, 0, 10), []);
  });

  check('a revocation withdraws a request that waits', async (store) => {
    await store.requestHandshake(request(1, 2));
    await store.revokeTrust(revocation(1, 2));
    assert.deepEqual(await store.pollInbox(2, 0, 10), []);
  });

  check('bounds the inbox per sender, per source and per target', async (store) => {
    assert.equal(await store.requestHandshake(request(1, 9)), 'stored');
    assert.equal(await store.requestHandshake(request(1, 9)), 'pending');
    assert.equal(await store.requestHandshake(request(2, 9, { source: '10.0.0.1' })), 'stored');
    assert.equal(await store.requestHandshake(request(3, 9, { source: '10.0.0.1' })), 'full');
    assert.equal(await store.requestHandshake(request(4, 9)), 'stored');
    assert.equal(await store.requestHandshake(request(5, 9)), 'full');
    assert.equal(
      await store.requestHandshake(request(1, 9, { replace: true, justification: 'again' })),
      'stored',
    );
    const inbox = await store.pollInbox(9, 0, 10);
    assert.deepEqual(
      inbox.map(({ from, justification }) => [from, justification]),
      [
        [2, 'hi'],
        [4, 'hi'],
        [1, 'again'],
      ],
    );
  });

  check('takes any number of requests into the sink, and keeps few', async (store) => {
    for (let from = 1; from <= 20; from++)
      assert.equal(await store.requestHandshake(request(from, 0, { source: 'x' })), 'stored');
    assert.equal(await store.requestHandshake(request(1, 0, { replace: true })), 'stored');
    assert.equal(await store.trusted(0, 1), false);
  });

  check('keeps one answer per sender and the newest ones', async (store) => {
    const unasked = { deliverUnasked: true };
    for (const from of [2, 3, 4, 2, 5]) await store.respondHandshake(response(from, 1, unasked));
    assert.deepEqual(
      (await store.takeInbox(1)).map(({ from }) => from),
      [4, 2, 5],
    );
  });

  check('keeps entries until they are acknowledged, in order', async (store) => {
    await store.requestHandshake(request(2, 1));
    await store.requestHandshake(request(3, 1));
    await store.respondHandshake(response(4, 1, { deliverUnasked: true }));
    const first = await store.pollInbox(1, 0, 2);
    assert.deepEqual(
      first.map(({ from }) => from),
      [2, 3],
    );
    assert.deepEqual(await store.pollInbox(1, 0, 2), first);
    assert.deepEqual(
      (await store.pollInbox(1, first[0]!.sequence, 10)).map(({ from }) => from),
      [3, 4],
    );
    assert.deepEqual(await store.pollInbox(1, Number.MAX_SAFE_INTEGER, 10), []);
    assert.deepEqual(await store.takeInbox(1), []);
  });

  check('an acknowledgement touches no other inbox', async (store) => {
    await store.requestHandshake(request(2, 1));
    await store.requestHandshake(request(2, 3));
    await store.pollInbox(1, 1_000_000, 10);
    assert.equal((await store.pollInbox(3, 0, 10)).length, 1);
  });

  check('makes networks with members', async (store) => {
    const net = { name: 'net-a', joinRule: 'open', token: '', enterprise: false, creator: 1, at: T0 };
    assert.deepEqual(await store.createNetwork(net), {
      id: 1,
      name: 'net-a',
      joinRule: 'open',
      token: '',
      enterprise: false,
      createdAt: T0,
      members: 1,
    });
    assert.equal(await store.createNetwork(net), 'exists');
    assert.equal(await store.joinNetwork(1, 2), 'joined');
    assert.equal(await store.joinNetwork(1, 2), 'already');
    assert.equal(await store.joinNetwork(9, 2), 'no_network');
    assert.deepEqual(await store.members(1, 10), [
      { node: 1, role: 'owner' },
      { node: 2, role: 'member' },
    ]);
    assert.deepEqual(await store.networksOf(2), [1]);
    assert.equal((await store.network(1))!.members, 2);
    assert.equal(await store.network(2), undefined);
    assert.deepEqual(
      (await store.listNetworks(10)).map(({ id, members }) => [id, members]),
      [[1, 2]],
    );
    assert.equal(await store.leaveNetwork(1, 2), true);
    assert.equal(await store.leaveNetwork(1, 2), false);
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
