/** Attacks on trust at the registry (spec/11 'Weaknesses' 1, 2, 6, 8, 9, 11) and on its memory (spec/10 weakness 12). */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PilotError } from '../../api/errors.ts';
import { signedString } from '../../wire/registry-signatures.ts';
import {
  crypto,
  identity,
  legacySignature,
  type Reply,
  random,
  TestConnection,
  testRegistry,
} from '../registry.testkit.ts';
import { createRegistryService } from './service.ts';

const [alice, bob, mallory] = [identity(1), identity(2), identity(3)];

async function trusted(connection: TestConnection, a: number, b: number): Promise<unknown> {
  return (await connection.send({ type: 'check_trust', node_id: a, peer_id: b })).trusted;
}
function poll(connection: TestConnection, key = alice, node = 1, ack = 0): Promise<Reply> {
  return connection.signed(key, { type: 'poll_handshakes', node_id: node, ack });
}

describe('trust at the registry', () => {
  it('does not come from one side, neither by report nor by acceptance', async () => {
    const { connect } = testRegistry();
    const [a, m] = [connect(), connect()];
    await a.registerProven(alice);
    await m.registerProven(mallory);
    assert.equal((await m.signed(mallory, { type: 'report_trust', node_id: 2, peer_id: 1 })).trusted, false);
    await m.signed(mallory, { type: 'respond_handshake', node_id: 2, peer_id: 1, accept: true });
    assert.equal(await trusted(a, 1, 2), false);
    assert.equal(
      (await m.signed(mallory, { type: 'resolve', node_id: 1, requester_id: 2 })).code,
      'not_found',
    );
  });

  it('an acceptance nobody asked for is not handed to old daemons, which would believe it', async () => {
    const { connect } = testRegistry();
    const [old, m] = [connect(), connect()];
    await old.registerOld(alice);
    await m.registerProven(mallory);
    const reply = await m.signed(mallory, {
      type: 'respond_handshake',
      node_id: 2,
      peer_id: 1,
      accept: true,
    });
    assert.equal(reply.type, 'respond_handshake_ok');
    const inbox = await old.send({
      type: 'poll_handshakes',
      node_id: 1,
      signature: legacySignature(alice, signedString.pollHandshakes(1)),
    });
    assert.deepEqual(inbox, { type: 'poll_handshakes_ok', requests: [], responses: [] });
  });

  it('of old daemons works as they do it: ask, poll, report, answer, poll', async () => {
    const { connect } = testRegistry();
    const [a, b] = [connect(), connect()];
    await a.registerOld(alice);
    await b.registerOld(bob);
    const old = (
      connection: TestConnection,
      key: typeof alice,
      request: object,
      text: string,
    ): Promise<Reply> => connection.send({ ...request, signature: legacySignature(key, text) });
    await old(
      a,
      alice,
      { type: 'request_handshake', from_node_id: 1, to_node_id: 2, justification: 'hi' },
      signedString.requestHandshake(1, 2),
    );
    const asked = await old(b, bob, { type: 'poll_handshakes', node_id: 2 }, signedString.pollHandshakes(2));
    assert.deepEqual(Object.keys((asked.requests as Reply[])[0]!), [
      'from_node_id',
      'justification',
      'timestamp',
    ]);
    assert.equal('revocations' in asked, false);
    await old(b, bob, { type: 'report_trust', node_id: 2, peer_id: 1 }, signedString.reportTrust(2, 1));
    await old(
      b,
      bob,
      { type: 'respond_handshake', node_id: 2, peer_id: 1, accept: true },
      signedString.respondHandshake(2, 1),
    );
    const answered = await old(
      a,
      alice,
      { type: 'poll_handshakes', node_id: 1 },
      signedString.pollHandshakes(1),
    );
    assert.deepEqual(
      (answered.responses as Reply[]).map(({ from_node_id, accept }) => [from_node_id, accept]),
      [[2, true]],
    );
    assert.equal(await trusted(a, 1, 2), true);
    assert.equal(await trusted(connect(), 1, 2), false);
    const resolved = await old(
      a,
      alice,
      { type: 'resolve', node_id: 2, requester_id: 1 },
      signedString.resolve(1, 2),
    );
    assert.deepEqual(resolved, {
      type: 'resolve_ok',
      node_id: 2,
      real_addr: '198.51.100.7:4000',
      key_age_days: 0,
    });
  });

  it('that was withdrawn does not come back by the word of the other side', async () => {
    const { connect } = testRegistry();
    const [a, b] = [connect(), connect()];
    await a.registerProven(alice);
    await b.registerProven(bob);
    await a.signed(alice, { type: 'request_handshake', from_node_id: 1, to_node_id: 2 });
    await b.signed(bob, { type: 'respond_handshake', node_id: 2, peer_id: 1, accept: true });
    assert.equal(await trusted(a, 1, 2), true);
    assert.equal(
      (await a.signed(alice, { type: 'revoke_trust', node_id: 1, peer_id: 2, message: 'gone' })).type,
      'revoke_trust_ok',
    );
    for (let i = 0; i < 2; i++) await b.signed(bob, { type: 'report_trust', node_id: 2, peer_id: 1 });
    assert.equal(await trusted(a, 1, 2), false);
    const inbox = await poll(b, bob, 2);
    assert.deepEqual(
      (inbox.revocations as Reply[]).map(({ from_node_id, message }) => [from_node_id, message]),
      [[1, 'gone']],
    );
    assert.equal(
      (await a.signed(alice, { type: 'revoke_trust', node_id: 1, peer_id: 99 })).code,
      'not_found',
    );
  });

  it('messages stay until acknowledged, so that a lost answer loses nothing', async () => {
    const { connect } = testRegistry();
    const [a, b] = [connect(), connect()];
    await a.registerProven(alice);
    await b.registerProven(bob);
    await b.signed(bob, {
      type: 'request_handshake',
      from_node_id: 2,
      to_node_id: 1,
      justification: 'hi',
      message: '{"m":1}',
    });
    const first = await poll(a);
    const again = await poll(a);
    assert.deepEqual(again, first);
    assert.deepEqual(first.requests, [
      {
        from_node_id: 2,
        from_hostname: '',
        justification: 'hi',
        timestamp: 1_800_000_001,
        message: '{"m":1}',
      },
    ]);
    const empty = await poll(a, alice, 1, Number(first.cursor));
    assert.deepEqual([empty.requests, empty.cursor, empty.more], [[], first.cursor, false]);
    for (const ack of [-1, 0.5, 1e300, Number.NaN])
      assert.equal((await poll(a, alice, 1, ack)).type, 'poll_handshakes_ok');
  });

  it('tells subscribed nodes at once, and only with proof', async () => {
    const { connect, service } = testRegistry();
    const [a, b, spy] = [connect(), connect(), connect()];
    await a.registerProven(alice);
    await b.registerProven(bob);
    assert.equal((await spy.send({ type: 'subscribe', node_id: 1 })).type, 'error');
    assert.equal((await spy.signed(mallory, { type: 'subscribe', node_id: 1 })).type, 'error');
    assert.deepEqual(await a.signed(alice, { type: 'subscribe', node_id: 1 }), { type: 'subscribe_ok' });
    await b.signed(bob, { type: 'request_handshake', from_node_id: 2, to_node_id: 1 });
    await a.signed(alice, { type: 'respond_handshake', node_id: 1, peer_id: 2, accept: true });
    await b.registerProven(bob, { listen_addr: '192.0.2.1:9' });
    await b.signed(bob, { type: 'revoke_trust', node_id: 2, peer_id: 1 });
    assert.deepEqual(
      a.pushed,
      ['handshake_request', 'trust_changed', 'peer_moved', 'trust_revoked'].map((event) => ({
        type: 'push',
        event,
        node_id: 1,
        from: 2,
      })),
    );
    assert.deepEqual(spy.pushed, []);
    service.disconnected(a.state);
    await b.signed(bob, { type: 'request_handshake', from_node_id: 2, to_node_id: 1 });
    assert.equal(a.pushed.length, 4);
  });

  it('an inbox holds a hundred requests, half of them from one place, one per sender', async () => {
    const { connect } = testRegistry();
    const a = connect();
    await a.registerProven(alice);
    const outcomes: unknown[] = [];
    for (let n = 0; n < 120; n++) {
      const connection = connect(n < 60 ? '198.51.100.66' : `203.0.113.${n}`);
      const key = identity(100 + n);
      const id = await connection.registerProven(key);
      const ask = { type: 'request_handshake', from_node_id: id, to_node_id: 1, request_id: 1 };
      outcomes.push((await connection.signed(key, ask)).status);
    }
    // Strangers are not told whether it was kept.
    assert.ok(outcomes.every((outcome) => outcome === 'delivered'));
    const { requests, more } = await poll(a);
    const senders = (requests as Reply[]).map(({ from_node_id }) => Number(from_node_id));
    assert.deepEqual([senders.length, senders.filter((id) => id <= 61).length, more], [100, 50, false]);
  });
});

describe('what one client may make us keep', () => {
  it('strings and lists are cut or refused', async () => {
    const { connect, store } = testRegistry();
    const own = connect();
    await own.registerProven(alice, {
      owner: 'o'.repeat(100_000),
      version: 'v'.repeat(100_000),
      listen_addr: '1'.repeat(100_000),
      lan_addrs: [
        'junk',
        '10.0.0.1:1',
        '10.0.0.1:1',
        5,
        '1.2.3.4:0',
        'x'.repeat(9999),
        ...Array.from({ length: 5000 }, (_, n) => `10.0.${n >> 8}.${n & 255}:4000`),
      ],
    });
    const node = (await store.node(1))!;
    assert.deepEqual(
      [node.owner.length, node.version.length, node.lan.length, node.endpoint],
      [256, 64, 16, '198.51.100.7:50000'],
    );
    const refusals = [
      await own.signed(alice, {
        type: 'set_tags',
        node_id: 1,
        tags: Array.from({ length: 5000 }, () => 'a'),
      }),
      await own.signed(alice, { type: 'set_tags', node_id: 1, tags: ['a'.repeat(100_000)] }),
      await own.signed(alice, { type: 'set_hostname', node_id: 1, hostname: 'a'.repeat(100_000) }),
      await own.signed(alice, {
        type: 'request_handshake',
        from_node_id: 1,
        to_node_id: 1,
        justification: 'é'.repeat(513),
      }),
      await own.signed(alice, {
        type: 'request_handshake',
        from_node_id: 1,
        to_node_id: 1,
        message: 'm'.repeat(4097),
      }),
      await own.send({ type: 'x'.repeat(100_000), request_id: 1 }),
      await own.send({ type: 'resolve_hostname', hostname: 'h'.repeat(100_000) }),
    ];
    for (const reply of refusals) {
      assert.equal(reply.type, 'error');
      assert.ok(JSON.stringify(reply).length < 500, JSON.stringify(reply).slice(0, 200));
    }
  });

  it('one address makes only so many new nodes at once', async () => {
    const { connect, clock } = testRegistry({ newNodesPerHost: { burst: 3, perSecond: 1 } });
    const make = async (seed: number, host: string): Promise<unknown> =>
      (await connect(host).registerOld(identity(seed))).error ?? 'ok';
    const limited = 'rate limited: too many new nodes from this address';
    for (const seed of [10, 11, 12]) assert.equal(await make(seed, '198.51.100.1'), 'ok');
    assert.equal(await make(13, '198.51.100.1'), limited);
    assert.equal(await make(10, '198.51.100.1'), 'ok');
    assert.equal(await make(14, '198.51.100.2'), 'ok');
    await clock.advance(1000);
    assert.equal(await make(13, '198.51.100.1'), 'ok');
    assert.equal(await make(15, '198.51.100.1'), limited);
  });

  it('one address asks for only so many names that others have', async () => {
    const { connect, clock } = testRegistry();
    const owner = connect('203.0.113.1');
    await owner.registerProven(alice, { hostname: 'alpha' });
    const claim = async (host: string, hostname: string): Promise<unknown> => {
      const connection = connect(host);
      const id = await connection.registerProven(mallory);
      return (await connection.signed(mallory, { type: 'set_hostname', node_id: id, hostname })).code ?? 'ok';
    };
    for (let i = 0; i < 20; i++) assert.equal(await claim('2001:db8::1', 'alpha'), 'already_exists');
    assert.equal(await claim('2001:db8::2', 'alpha'), 'rate_limited');
    assert.equal(await claim('2001:db8::2', 'free'), 'rate_limited');
    assert.equal(await claim('2001:db8:0:1::1', 'free'), 'ok');
    await clock.advance(30_000);
    assert.equal(await claim('2001:db8::3', 'omega'), 'ok');
  });

  it('a full registry refuses new nodes and keeps serving its own', async () => {
    const { connect } = testRegistry({ maxNodes: 1 });
    await connect().registerProven(alice);
    assert.equal((await connect().registerOld(bob)).error, 'request failed');
    assert.equal((await connect().tryProven(alice)).type, 'register_ok');
  });

  it('subscriptions per connection, and connections told per node, are bounded', async () => {
    const { connect } = testRegistry();
    const shared = connect();
    const outcomes: unknown[] = [];
    for (let n = 0; n < 20; n++) {
      const key = identity(50 + n);
      const id = await shared.registerProven(key);
      outcomes.push((await shared.signed(key, { type: 'subscribe', node_id: id })).type);
    }
    assert.equal(outcomes.filter((type) => type === 'subscribe_ok').length, 16);
    const own = Array.from({ length: 6 }, () => connect());
    await own[0]!.registerProven(alice);
    for (const connection of own) await connection.signed(alice, { type: 'subscribe', node_id: 21 });
    const asker = connect();
    const id = await asker.registerProven(bob);
    await asker.signed(bob, { type: 'request_handshake', from_node_id: id, to_node_id: 21 });
    assert.deepEqual(
      own.map(({ pushed }) => pushed.length),
      [0, 0, 1, 1, 1, 1],
    );
  });

  it('beacons announce only their own address, and there are few', async () => {
    const { connect } = testRegistry({ adminToken: 'tok' });
    const beacon = connect('203.0.113.5');
    assert.equal(
      (await beacon.send({ type: 'beacon_register', beacon_id: 1, addr: '198.51.100.66:9001' })).type,
      'error',
    );
    assert.equal(
      (await beacon.send({ type: 'beacon_register', beacon_id: 0, addr: '203.0.113.5:9001' })).error,
      'beacon_id required',
    );
    for (let id = 1; id <= 300; id++)
      await beacon.send({ type: 'beacon_register', beacon_id: id, addr: '203.0.113.5:9001' });
    assert.equal(((await beacon.send({ type: 'beacon_list' })).beacons as unknown[]).length, 256);
    const vouched = { type: 'beacon_register', beacon_id: 1, addr: '198.51.100.66:9001', admin_token: 'tok' };
    assert.equal((await beacon.send(vouched)).type, 'beacon_register_ok');
  });

  it('when the store fails, clients learn that it did and nothing about it, and the log says it once', async () => {
    const { store, clock } = testRegistry();
    const logged: unknown[] = [];
    const failing = {
      ...store,
      node: () => Promise.reject(new PilotError('disk_full', 'Cannot use /secret/place: disk full')),
    };
    const service = createRegistryService({
      store: failing,
      clock,
      random,
      crypto,
      log: { event: (level, name, fields) => logged.push([level, name, fields?.code]) },
    });
    const connection = new TestConnection(service, clock, { host: '203.0.113.1', port: 1 });
    const ours = await connection.send({ type: 'lookup', node_id: 1, request_id: 7 });
    assert.deepEqual(
      [ours.code, ours.error, ours.request_id],
      ['unavailable', 'the registry cannot do that now', 7],
    );
    for (let i = 0; i < 5; i++) await connection.send({ type: 'lookup', node_id: 1 });
    assert.deepEqual(logged, [['error', 'registry.failed', 'disk_full']]);
    await clock.advance(10_000);
    await connection.send({ type: 'lookup', node_id: 1 });
    assert.equal(logged.length, 2);
  });

  it('any request whatever gets an answer', async () => {
    const { connect } = testRegistry();
    const connection = connect();
    await connection.registerOld(alice);
    const values = [undefined, null, true, -1, 1.5, 1e99, '', 'x', [], [1], {}, { a: { b: [] } }];
    const types = [
      'register',
      'lookup',
      'resolve',
      'poll_handshakes',
      'request_handshake',
      'set_tags',
      'subscribe',
      'join_network',
      'list_nodes',
      'beacon_register',
      'challenge',
      'set_key_expiry',
      '',
      'constructor',
      '__proto__',
    ];
    for (const type of types) {
      for (const value of values) {
        const fields = Object.fromEntries(
          [
            'node_id',
            'public_key',
            'sig',
            'ts',
            'nonce',
            'tags',
            'ack',
            'to_hostname',
            'network_id',
            'addr',
            'lan_addrs',
            'signature',
            'request_id',
          ].map((name) => [name, value]),
        );
        const reply = await connection.send({ type, ...fields });
        assert.equal(typeof reply.type, 'string');
        assert.notEqual(
          reply.error,
          'the registry cannot do that now',
          `${type} ${JSON.stringify(value)}: ${String(reply.error)}`,
        );
      }
    }
  });
});
