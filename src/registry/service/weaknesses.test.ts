/** Every attack of spec/10 'Weaknesses worth improving' (1 to 7, 12) and spec/11 (1, 2, 6, 8, 9, 11), tried. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { signedString } from '../../wire/registry-signatures.ts';
import {
  identity,
  keyText,
  legacySignature,
  type Reply,
  rotation,
  testRegistry,
} from '../registry.testkit.ts';

const [alice, bob, mallory] = [identity(1), identity(2), identity(3)];
const NOT_PROVEN = 'signature required: this key was registered with proof of possession';

function codes(replies: readonly Reply[]): unknown[] {
  return replies.map(({ type, code, error }) => code ?? error ?? type);
}

describe('1: registration', () => {
  it('of a proven key by somebody else changes nothing', async () => {
    const { connect, store } = testRegistry();
    await connect('203.0.113.1').registerProven(alice);
    const before = await store.node(1);
    const thief = connect('198.51.100.66');
    assert.equal((await thief.registerOld(alice)).error, NOT_PROVEN);
    assert.equal((await thief.tryProven(mallory, { public_key: keyText(alice) })).type, 'error');
    const forwarded = await thief.send({ type: 'challenge' });
    assert.equal(typeof forwarded.nonce, 'string');
    assert.deepEqual(await store.node(1), before);
  });

  it('needs a challenge of this connection, unused and recent', async () => {
    const { connect, clock } = testRegistry();
    const [own, other] = [connect(), connect()];
    const register = { type: 'register', listen_addr: ':1', public_key: keyText(alice) };
    const ask = async (): Promise<unknown> => (await own.send({ type: 'challenge' })).nonce;
    assert.equal((await own.signed(alice, register)).error, 'invalid challenge: ask for a new one');
    const first = await ask();
    assert.equal((await other.signed(alice, { ...register, challenge: first })).type, 'error');
    assert.equal((await own.signed(alice, { ...register, challenge: first })).type, 'register_ok');
    assert.equal((await own.signed(alice, { ...register, challenge: first })).type, 'error');
    const late = await ask();
    await clock.advance(61_000);
    assert.equal((await own.signed(alice, { ...register, challenge: late })).type, 'error');
  });

  it('covers everything it says', async () => {
    const { connect } = testRegistry();
    const connection = connect();
    const { nonce } = await connection.send({ type: 'challenge' });
    const request = connection.sign(alice, {
      type: 'register',
      listen_addr: '203.0.113.1:1',
      public_key: keyText(alice),
      challenge: nonce,
    });
    const moved = await connection.send({ ...request, listen_addr: '198.51.100.66:1' });
    assert.deepEqual([moved.code, moved.error], ['permission_denied', 'signature verification failed']);
  });

  it('with a known owner takes nothing over', async () => {
    const { connect, store } = testRegistry();
    await connect().registerOld(alice, { owner: 'me@example.com' });
    const reply = await connect().registerOld(mallory, { owner: 'me@example.com' });
    assert.equal(reply.node_id, 2);
    assert.equal(keyText((await store.node(1))!), keyText(alice));
  });

  it('checks an old register signature when there is one', async () => {
    const { connect } = testRegistry();
    const signature = legacySignature(alice, `register::4000:${keyText(alice)}`);
    assert.equal((await connect().registerOld(alice, { signature })).type, 'register_ok');
    const wrong = legacySignature(mallory, `register::4000:${keyText(alice)}`);
    assert.equal((await connect().registerOld(alice, { signature: wrong })).error, 'request failed');
  });

  it('takes the host of an endpoint only from who proved the key, and never a useless one', async () => {
    const { connect, store } = testRegistry();
    const endpoint = async (id: number): Promise<string> => (await store.node(id))!.endpoint;
    await connect('203.0.113.1').registerOld(alice, { listen_addr: '192.0.2.9:4000' });
    assert.equal(await endpoint(1), '203.0.113.1:4000');
    for (const [claimed, kept] of [
      ['192.0.2.9:5', '192.0.2.9:5'],
      ['0.0.0.0:5', '203.0.113.1:5'],
      ['127.0.0.1:5', '203.0.113.1:5'],
      ['224.0.0.1:5', '203.0.113.1:5'],
      ['[::]:5', '203.0.113.1:5'],
      ['[fe80::1]:5', '203.0.113.1:5'],
      ['[::ffff:192.0.2.9]:5', '192.0.2.9:5'],
      ['[2001:db8::9]:5', '[2001:db8::9]:5'],
      ['evil.example:5', '203.0.113.1:5'],
    ]) {
      await connect('203.0.113.1').registerProven(bob, { listen_addr: claimed });
      assert.equal(await endpoint(2), kept, claimed);
    }
  });
});

describe('2: replay', () => {
  it('of a signed request is refused, on any connection', async () => {
    const { connect } = testRegistry();
    const connection = connect();
    const node = await connection.registerProven(alice);
    const captured = connection.sign(alice, { type: 'set_hostname', node_id: node, hostname: 'alpha' });
    assert.equal((await connection.send(captured)).type, 'set_hostname_ok');
    assert.equal((await connection.send(captured)).error, 'signature was used before');
    assert.equal((await connect().send(captured)).error, 'signature was used before');
  });

  it('with one changed field is refused', async () => {
    const { connect } = testRegistry();
    const connection = connect();
    const node = await connection.registerProven(alice);
    const captured = connection.sign(alice, { type: 'set_hostname', node_id: node, hostname: 'alpha' });
    for (const change of [
      { hostname: 'omega' },
      { type: 'deregister' },
      { nonce: '0'.repeat(32) },
      { ts: 5 },
      { extra: 1 },
    ]) {
      assert.equal((await connection.send({ ...captured, ...change })).type, 'error', JSON.stringify(change));
    }
    assert.equal((await connection.send(captured)).type, 'set_hostname_ok');
  });

  it('is refused once the time is five minutes off, either way', async () => {
    const { connect, clock } = testRegistry();
    const connection = connect();
    const node = await connection.registerProven(alice);
    await clock.advance(3_600_000);
    const at = async (skew: number): Promise<unknown> =>
      (
        await connection.signed(
          alice,
          { type: 'set_tags', node_id: node, tags: [] },
          { ts: clock.wallNow() + skew },
        )
      ).type;
    assert.deepEqual([await at(-300_000), await at(300_000)], ['set_tags_ok', 'set_tags_ok']);
    const late = await connection.signed(
      alice,
      { type: 'set_tags', node_id: node, tags: [] },
      { ts: clock.wallNow() - 300_001 },
    );
    assert.deepEqual([late.code, late.time], ['permission_denied', clock.wallNow()]);
    assert.match(String(late.error), /expired/);
    assert.equal(await at(300_001), 'error');
  });

  it('is refused after a restart, whatever the old process had seen', async () => {
    const registry = testRegistry();
    const connection = registry.connect();
    const node = await connection.registerProven(alice);
    const captured = connection.sign(alice, { type: 'deregister', node_id: node });
    await registry.clock.advance(1000);
    const after = registry.restart().connect();
    assert.match(String((await after.send(captured)).error), /expired/);
    assert.equal((await registry.store.node(node))!.registered, true);
  });

  it('works on when the clock of the registry is set back', async () => {
    const { connect, clock } = testRegistry();
    const connection = connect();
    const node = await connection.registerProven(alice);
    await clock.advance(10_000);
    clock.setBack(3_600_000);
    assert.equal(
      (await connection.signed(alice, { type: 'set_tags', node_id: node, tags: [] })).type,
      'set_tags_ok',
    );
  });

  it('at another server is refused when the request names its server', async () => {
    const { connect } = testRegistry({ fingerprint: 'aa' });
    const connection = connect();
    const node = await connection.registerProven(alice, { server: 'aa' });
    const tags = { type: 'set_tags', node_id: node, tags: [] };
    assert.equal((await connection.signed(alice, { ...tags, server: 'aa' })).type, 'set_tags_ok');
    assert.equal(
      (await connection.signed(alice, { ...tags, server: 'bb' })).error,
      'signature is for another server',
    );
  });

  it('of old signatures does not exist for a node that proved its key', async () => {
    const { connect, store } = testRegistry();
    await connect().registerProven(alice, { hostname: 'alpha' });
    await connect().registerProven(bob);
    const stranger = connect();
    const sig = (text: string): string => legacySignature(alice, text);
    const before = await store.node(1);
    const replies = [
      await stranger.send({ type: 'heartbeat', node_id: 1, signature: sig(signedString.heartbeat(1)) }),
      await stranger.send({
        type: 'resolve',
        node_id: 2,
        requester_id: 1,
        signature: sig(signedString.resolve(1, 2)),
      }),
      await stranger.send({
        type: 'punch',
        requester_id: 1,
        node_a: 1,
        node_b: 2,
        signature: sig(signedString.punch(1, 2)),
      }),
      await stranger.send({
        type: 'report_trust',
        node_id: 1,
        peer_id: 2,
        signature: sig(signedString.reportTrust(1, 2)),
      }),
      await stranger.send({
        type: 'revoke_trust',
        node_id: 1,
        peer_id: 2,
        signature: sig(signedString.revokeTrust(1, 2)),
      }),
      await stranger.send({
        type: 'request_handshake',
        from_node_id: 1,
        to_node_id: 2,
        signature: sig(signedString.requestHandshake(1, 2)),
      }),
      await stranger.send({
        type: 'respond_handshake',
        node_id: 1,
        peer_id: 2,
        accept: true,
        signature: sig(signedString.respondHandshake(1, 2)),
      }),
      await stranger.send({
        type: 'poll_handshakes',
        node_id: 1,
        signature: sig(signedString.pollHandshakes(1)),
      }),
      await stranger.send({
        type: 'set_visibility',
        node_id: 1,
        public: true,
        signature: sig(signedString.setVisibility(1)),
      }),
      await stranger.send({
        type: 'set_hostname',
        node_id: 1,
        hostname: '',
        signature: sig(signedString.setHostname(1)),
      }),
      await stranger.send({
        type: 'set_tags',
        node_id: 1,
        tags: ['x'],
        signature: sig(signedString.setTags(1)),
      }),
      await stranger.send({
        type: 'set_task_exec',
        node_id: 1,
        enabled: true,
        signature: sig(signedString.setTaskExec(1)),
      }),
      await stranger.send({
        type: 'set_key_expiry',
        node_id: 1,
        expires_at: 'never',
        signature: sig(signedString.setKeyExpiry(1)),
      }),
      await stranger.send({ type: 'deregister', node_id: 1, signature: sig(signedString.deregister(1)) }),
      await stranger.send({
        type: 'rotate_key',
        node_id: 1,
        new_public_key: keyText(mallory),
        signature: sig(signedString.rotateKey(1)),
      }),
      await stranger.send({
        type: 'join_network',
        node_id: 1,
        network_id: 1,
        signature: sig(signedString.joinNetwork(1, 1)),
      }),
      await stranger.send({
        type: 'leave_network',
        node_id: 1,
        network_id: 1,
        signature: sig(signedString.leaveNetwork(1, 1)),
      }),
      await stranger.send({ type: 'poll_invites', node_id: 1, signature: sig(signedString.pollInvites(1)) }),
    ];
    assert.deepEqual(
      codes(replies),
      replies.map(() => 'request failed'),
    );
    assert.deepEqual(await store.node(1), before);
  });

  it('costs bounded memory, and nothing old is accepted once the bound is passed', async () => {
    const { connect, clock } = testRegistry();
    const connection = connect();
    const node = await connection.registerProven(alice);
    const first = connection.sign(alice, { type: 'poll_handshakes', node_id: node, ack: 0 });
    await connection.send(first);
    for (let i = 0; i < 600; i++) {
      await clock.advance(1);
      await connection.signed(alice, { type: 'poll_handshakes', node_id: node, ack: 0 });
    }
    assert.equal((await connection.send(first)).error, 'signature was used before');
  });

  it('of a rotation cannot put another key in place', async () => {
    const { connect, store } = testRegistry();
    const connection = connect();
    const node = await connection.registerProven(alice);
    const rotate = connection.sign(alice, rotation(alice, bob, node));
    assert.equal((await connect().send({ ...rotate, new_public_key: keyText(mallory) })).type, 'error');
    assert.equal((await connection.send(rotate)).type, 'rotate_key_ok');
    assert.equal(keyText((await store.node(node))!), keyText(bob));
  });
});

describe('3: liveness', () => {
  it('is not to be had without a signature on another connection', async () => {
    const { connect, store, clock } = testRegistry();
    const [own, other] = [connect(), connect()];
    await own.registerOld(alice);
    const beat = { type: 'heartbeat', node_id: 1 };
    assert.equal((await own.send(beat)).error, 'signature required for authenticated node');
    assert.equal(
      (await own.send({ ...beat, signature: legacySignature(alice, 'heartbeat:1') })).type,
      'heartbeat_ok',
    );
    const seen = (await store.node(1))!.lastSeen;
    await clock.advance(10_000);
    assert.equal((await other.send(beat)).error, 'signature required for authenticated node');
    assert.equal((await store.node(1))!.lastSeen, seen);
    assert.equal((await own.send(beat)).type, 'heartbeat_ok');
  });

  it('of a proven node rides on its own connection only, and only under its current key', async () => {
    const { connect } = testRegistry();
    const [own, other] = [connect(), connect()];
    const node = await own.registerProven(alice);
    const beat = { type: 'heartbeat', node_id: node };
    assert.equal((await own.send(beat)).type, 'heartbeat_ok');
    assert.equal((await other.send(beat)).type, 'error');
    assert.equal((await other.signed(alice, rotation(alice, bob, node))).type, 'rotate_key_ok');
    assert.equal((await own.send(beat)).type, 'error');
  });

  it('ends with the key', async () => {
    const { connect, clock } = testRegistry();
    const own = connect();
    const node = await own.registerProven(alice);
    const expires = new Date(clock.wallNow() + 3_600_000).toISOString();
    assert.equal(
      (await own.signed(alice, { type: 'set_key_expiry', node_id: node, expires_at: expires })).type,
      'set_key_expiry_ok',
    );
    assert.equal((await own.send({ type: 'heartbeat', node_id: node })).key_expiry_warning, true);
    await clock.advance(3_600_001);
    assert.match(
      String((await own.send({ type: 'heartbeat', node_id: node })).error),
      /^node 1: key expired at \d{4}-/,
    );
  });
});

describe('4: reputation', () => {
  it('is written by the operator alone', async () => {
    const { connect, store } = testRegistry({ adminToken: 'secret' });
    const connection = connect();
    await connection.registerOld(alice);
    const writes = [
      { type: 'set_polo_score', node_id: 1, polo_score: 9 },
      { type: 'update_polo_score', node_id: 1, delta: 9 },
      { type: 'set_polo_score', node_id: 1, polo_score: 9, admin_token: 'guess' },
      {
        type: 'set_polo_score',
        node_id: 1,
        polo_score: 9,
        signature: legacySignature(alice, 'set_polo_score:1'),
      },
    ];
    for (const write of writes)
      assert.match(String((await connection.send(write)).error), /admin token required/);
    assert.equal((await store.node(1))!.poloScore, 0);
    assert.equal((await connection.send({ ...writes[0], admin_token: 'secret' })).polo_score, 9);
    assert.equal(
      (
        await connection.send({
          type: 'update_polo_score',
          node_id: 1,
          delta: 5_000_000,
          admin_token: 'secret',
        })
      ).error,
      'request failed',
    );
  });
});

describe('5: what strangers learn', () => {
  it('of a private node is nothing, by any way of asking', async () => {
    const { connect } = testRegistry();
    const own = connect('203.0.113.1');
    const a = await own.registerProven(alice, {
      hostname: 'alpha',
      version: 'v9',
      lan_addrs: ['10.0.0.1:1'],
    });
    await own.signed(alice, { type: 'set_tags', node_id: a, tags: ['gpu'] });
    const stranger = connect();
    const m = await stranger.registerProven(mallory);
    const asks = [
      await stranger.signed(mallory, { type: 'resolve', node_id: a, requester_id: m }),
      await stranger.signed(mallory, { type: 'punch', requester_id: m, node_a: m, node_b: a }),
      await stranger.send({ type: 'resolve_hostname', hostname: 'alpha' }),
      await stranger.send({ type: 'resolve_hostname', hostname: 'alpha', requester_id: a }),
      await stranger.signed(mallory, { type: 'resolve_hostname', hostname: 'alpha', requester_id: m }),
      await stranger.signed(mallory, { type: 'resolve_hostname', hostname: 'alpha', requester_id: a }),
      await stranger.send({ type: 'list_nodes', network_id: 0 }),
      await stranger.send({ type: 'lookup', node_id: a }),
      await stranger.signed(mallory, { type: 'lookup', node_id: a, requester_id: m }),
      await stranger.send({ type: 'get_key_info', node_id: a }),
      await stranger.send({ type: 'get_polo_score', node_id: a }),
    ];
    for (const reply of asks) {
      assert.equal(reply.type, 'error');
      assert.doesNotMatch(JSON.stringify(reply), /203\.0\.113|10\.0\.0\.1/);
    }
    const unknown = await stranger.signed(mallory, {
      type: 'resolve_hostname',
      hostname: 'nobody',
      requester_id: m,
    });
    assert.equal(String(asks[4]!.error).replace('alpha', 'x'), String(unknown.error).replace('nobody', 'x'));
    assert.equal((await own.send({ type: 'lookup', node_id: a })).hostname, 'alpha');
    assert.equal(
      (await own.signed(alice, { type: 'resolve_hostname', hostname: 'alpha', requester_id: a })).node_id,
      a,
    );
  });

  it('asking for trust by name is nothing: same answer for names that exist and names that do not', async () => {
    const { connect } = testRegistry();
    const own = connect();
    await own.registerProven(alice, { hostname: 'alpha' });
    const stranger = connect();
    const m = await stranger.registerProven(mallory);
    const ask = (to_hostname: unknown): Promise<Reply> =>
      stranger.signed(mallory, {
        type: 'request_handshake',
        from_node_id: m,
        to_hostname,
        justification: 'hi',
      });
    const delivered = { type: 'request_handshake_ok', status: 'delivered' };
    for (const name of ['alpha', 'nobody', 'alpha', 'nobody', '', 'BAD_', 'x'.repeat(5000)])
      assert.deepEqual(await ask(name), delivered, name);
    const inbox = await own.signed(alice, { type: 'poll_handshakes', node_id: 1, ack: 0 });
    assert.equal((inbox.requests as unknown[]).length, 1);
    const unsigned = await stranger.send({
      type: 'request_handshake',
      from_node_id: m,
      to_hostname: 'alpha',
      justification: 'hi',
    });
    assert.equal(unsigned.type, 'error');
  });

  it('a full inbox or a request already waiting is not told to who asked by name', async () => {
    const { connect } = testRegistry({ inboxPerTarget: 1, inboxPerSource: 1 });
    await connect().registerProven(alice, { hostname: 'alpha' });
    for (const seed of [10, 11, 12]) {
      const connection = connect();
      const id = await connection.registerProven(identity(seed));
      const reply = await connection.signed(identity(seed), {
        type: 'request_handshake',
        from_node_id: id,
        to_hostname: 'alpha',
      });
      assert.equal(reply.status, 'delivered');
    }
  });

  it('of a trust between others is nothing', async () => {
    const { connect, store } = testRegistry();
    const [a, b] = [connect(), connect()];
    await a.registerProven(alice);
    await b.registerOld(bob);
    await store.reportTrust(1, 2, 0, 0);
    await store.reportTrust(2, 1, 0, 0);
    const check = { type: 'check_trust', node_id: 1, peer_id: 2 };
    assert.deepEqual(await connect().send(check), { type: 'check_trust_ok', trusted: false });
    assert.equal((await a.send(check)).trusted, true);
    assert.equal((await b.send(check)).trusted, true);
    const c = connect();
    await c.registerProven(mallory);
    assert.equal((await c.send(check)).trusted, false);
  });

  it('who wants a taken name learns no id of a private node', async () => {
    const { connect } = testRegistry();
    await connect().registerProven(alice, { hostname: 'alpha' });
    const other = connect();
    const m = await other.registerProven(mallory);
    const reply = await other.signed(mallory, { type: 'set_hostname', node_id: m, hostname: 'alpha' });
    assert.deepEqual([reply.code, reply.error], ['already_exists', 'hostname "alpha" already in use']);
  });

  it('members of a network are shown to members', async () => {
    const { connect } = testRegistry({ adminToken: 'tok' });
    const [own, stranger] = [connect(), connect()];
    const a = await own.registerProven(alice, { hostname: 'alpha' });
    await stranger.registerProven(mallory);
    await own.send({ type: 'create_network', name: 'net', node_id: a, admin_token: 'tok' });
    assert.equal((await stranger.send({ type: 'list_nodes', network_id: 1 })).type, 'error');
    assert.equal(((await own.send({ type: 'list_nodes', network_id: 1 })).nodes as unknown[]).length, 1);
  });
});

describe('6 and 7: records', () => {
  it('of two agents of one owner live side by side', async () => {
    const { connect, store } = testRegistry();
    for (let round = 0; round < 3; round++) {
      assert.equal(await connect().registerProven(alice, { owner: 'me' }), 1);
      assert.equal(await connect().registerProven(bob, { owner: 'me' }), 2);
    }
    assert.equal((await store.counts()).nodes, 2);
  });

  it('survive a long outage and a deregistration whole', async () => {
    const { connect, clock, store } = testRegistry({ adminToken: 'tok' });
    const own = connect();
    const node = await own.registerProven(alice, { hostname: 'alpha' });
    await own.signed(alice, { type: 'set_visibility', node_id: node, public: true });
    await own.signed(alice, { type: 'set_tags', node_id: node, tags: ['gpu'] });
    await own.send({ type: 'create_network', name: 'net', node_id: node, admin_token: 'tok' });
    await clock.advance(24 * 3_600_000);
    assert.equal((await connect().send({ type: 'lookup', node_id: node })).hostname, 'alpha');
    await own.signed(alice, { type: 'deregister', node_id: node });
    assert.equal((await connect().send({ type: 'lookup', node_id: node })).error, 'node 1: node not found');
    const thief = connect();
    const m = await thief.registerProven(mallory);
    assert.equal(
      (await thief.signed(mallory, { type: 'set_hostname', node_id: m, hostname: 'alpha' })).code,
      'already_exists',
    );
    await own.registerProven(alice);
    const { hostname, public: isPublic, tags } = (await store.node(node))!;
    assert.deepEqual({ hostname, isPublic, tags }, { hostname: 'alpha', isPublic: true, tags: ['gpu'] });
    assert.deepEqual(await store.networksOf(node), [1]);
  });

  it('of old nodes give their name up when they are gone, as in old registries', async () => {
    const { connect, clock } = testRegistry();
    await connect().registerOld(alice, { hostname: 'alpha' });
    await clock.advance(6 * 60_000);
    const reply = await connect().registerOld(bob, { hostname: 'alpha' });
    assert.equal(reply.hostname, 'alpha');
  });

  it('of old nodes keep their name in the minutes after a start, when nobody could be heard of', async () => {
    const registry = testRegistry();
    await registry.connect().registerOld(alice, { hostname: 'alpha' });
    await registry.clock.advance(3_600_000);
    const reply = await registry.restart().connect().registerOld(bob, { hostname: 'alpha' });
    assert.equal(reply.hostname_error, 'hostname "alpha" already in use');
  });
});
