/** A private node exists for nobody who has nothing to do with it: equal answers, equal work. docs/decisions/0013 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { SigningKey } from '../../base/crypto.ts';
import type { NodeId } from '../../base/units.ts';
import { signedString } from '../../wire/registry-signatures.ts';
import { encodeTrustCertificate, signTrustCertificate } from '../../wire/trust-certificate.ts';
import { encodeTrustRevocation, signTrustRevocation } from '../../wire/trust-revocation.ts';
import {
  identity,
  keyText,
  legacySignature,
  ManualClock,
  type Reply,
  rotation,
  type TestConnection,
  testRegistry,
} from '../registry.testkit.ts';
import { memoryStore } from '../store/memory.ts';
import type { Store } from '../store/store.ts';

const [alice, bob, mallory, oldie, nobody] = [
  identity(1),
  identity(2),
  identity(3),
  identity(4),
  identity(9),
];
/** Registered with proof, never proven, registered no more; and one nobody has. */
const HIDDEN: readonly NodeId[] = [2, 3, 6];
const MISSING: NodeId = 8;
const [MALLORY, OLDIE, FRIEND] = [4, 5, 7] as const;

/** What a registry is asked, with the calls of its store written down. */
async function scene() {
  const calls: string[] = [];
  const inner = memoryStore();
  const store = new Proxy(inner, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name);
      if (typeof method !== 'function') return method;
      return (...args: unknown[]): unknown => {
        calls.push(String(name));
        return Reflect.apply(method, target, args);
      };
    },
  }) as Store;
  const clock = new ManualClock();
  const registry = testRegistry({}, clock, store);
  // So that no node has the number of the network.
  await registry.connect().registerProven(identity(20));
  await registry.connect().registerProven(alice, { hostname: 'alpha' });
  await registry.connect().registerOld(bob, { hostname: 'betaa' });
  const stranger = registry.connect();
  await stranger.registerProven(mallory);
  await stranger.signed(mallory, {
    type: 'create_network',
    node_id: MALLORY,
    name: 'strangers',
    join_rule: 'invite',
  });
  const old = registry.connect();
  await old.registerOld(oldie);
  const gone = registry.connect();
  const left = await gone.registerProven(identity(5));
  await gone.signed(identity(5), { type: 'deregister', node_id: left });
  // Somebody who has to do with them all, so that there is something to find.
  await registry.connect().registerProven(identity(6));
  for (const id of [2, 3])
    await inner.certifyTrust({ a: id, b: FRIEND, serial: 1, notAfter: undefined, text: 'c' });
  const anonymous = registry.connect();
  return { registry, store: inner, calls, stranger, old, anonymous };
}

type Scene = Awaited<ReturnType<typeof scene>>;
type Question = (scene: Scene, about: NodeId) => Promise<Reply>;

function legacy(connection: TestConnection, key: SigningKey, text: string, request: object): Promise<Reply> {
  return connection.send({ ...request, signature: legacySignature(key, text) });
}

function certificate(a: NodeId, b: NodeId, keyA: SigningKey, keyB: SigningKey): string {
  const swap = a > b;
  const party = (node: NodeId, key: SigningKey) => ({ node, key: key.publicKey, offers: { ports: '*' } });
  const unsigned = {
    serial: 7,
    a: swap ? party(b, keyB) : party(a, keyA),
    b: swap ? party(a, keyA) : party(b, keyB),
    notBefore: 1_800_000_000,
    reason: '',
  };
  const half = signTrustCertificate(keyA, a, unsigned);
  return encodeTrustCertificate(signTrustCertificate(keyB, b, half));
}

const names = new Map<NodeId, string>([
  [2, 'alpha'],
  [3, 'betaa'],
  [6, 'gamma'],
  [MISSING, 'delta'],
]);

const QUESTIONS: Record<string, Question> = {
  lookup: ({ stranger }, id) => stranger.send({ type: 'lookup', node_id: id, request_id: 'q' }),
  'lookup by nobody': ({ anonymous }, id) => anonymous.send({ type: 'lookup', node_id: id }),
  'lookup by an old node': ({ old }, id) => old.send({ type: 'lookup', node_id: id }),
  'lookup with a wrong key': ({ stranger }, id) =>
    stranger.send({ type: 'lookup', node_id: id, public_key: keyText(nobody), request_id: 'q' }),
  'lookup, signed': ({ stranger }, id) =>
    stranger.signed(mallory, { type: 'lookup', node_id: id, requester_id: MALLORY }),
  'lookup in the name of the target': ({ stranger }, id) =>
    stranger.signed(mallory, { type: 'lookup', node_id: id, requester_id: id }),
  resolve: ({ stranger }, id) =>
    stranger.signed(mallory, { type: 'resolve', node_id: id, requester_id: MALLORY }),
  'resolve by an old node': ({ old }, id) =>
    legacy(old, oldie, signedString.resolve(OLDIE, id), {
      type: 'resolve',
      node_id: id,
      requester_id: OLDIE,
    }),
  'resolve in the name of the target': ({ anonymous }, id) =>
    anonymous.send({ type: 'resolve', node_id: MALLORY, requester_id: id, request_id: 'q' }),
  resolve_hostname: ({ stranger }, id) =>
    stranger.signed(mallory, {
      type: 'resolve_hostname',
      hostname: names.get(id),
      requester_id: MALLORY,
    }),
  'resolve_hostname by nobody': ({ anonymous }, id) =>
    anonymous.send({ type: 'resolve_hostname', hostname: names.get(id), requester_id: FRIEND }),
  punch: ({ stranger }, id) =>
    stranger.signed(mallory, { type: 'punch', requester_id: MALLORY, node_a: MALLORY, node_b: id }),
  check_trust: ({ stranger }, id) => stranger.send({ type: 'check_trust', node_id: MALLORY, peer_id: id }),
  'check_trust of others': ({ stranger }, id) =>
    stranger.send({ type: 'check_trust', node_id: FRIEND, peer_id: id }),
  get_key_info: ({ stranger }, id) => stranger.send({ type: 'get_key_info', node_id: id, request_id: 'q' }),
  get_polo_score: ({ stranger }, id) =>
    stranger.send({ type: 'get_polo_score', node_id: id, request_id: 'q' }),
  request_handshake: ({ stranger }, id) =>
    stranger.signed(mallory, { type: 'request_handshake', from_node_id: MALLORY, to_node_id: id }),
  'request_handshake by an old node': ({ old }, id) =>
    legacy(old, oldie, signedString.requestHandshake(OLDIE, id), {
      type: 'request_handshake',
      from_node_id: OLDIE,
      to_node_id: id,
    }),
  'request_handshake by name': ({ stranger }, id) =>
    stranger.signed(mallory, {
      type: 'request_handshake',
      from_node_id: MALLORY,
      to_hostname: names.get(id),
    }),
  respond_handshake: ({ stranger }, id) =>
    stranger.signed(mallory, { type: 'respond_handshake', node_id: MALLORY, peer_id: id, accept: true }),
  'respond_handshake, no': ({ stranger }, id) =>
    stranger.signed(mallory, { type: 'respond_handshake', node_id: MALLORY, peer_id: id, accept: false }),
  report_trust: ({ stranger }, id) =>
    stranger.signed(mallory, { type: 'report_trust', node_id: MALLORY, peer_id: id }),
  'report_trust with a certificate under another key': ({ stranger }, id) =>
    stranger.signed(mallory, {
      type: 'report_trust',
      node_id: MALLORY,
      peer_id: id,
      certificate: certificate(MALLORY, id, mallory, nobody),
    }),
  revoke_trust: ({ stranger }, id) =>
    stranger.signed(mallory, { type: 'revoke_trust', node_id: MALLORY, peer_id: id }),
  'revoke_trust with a document': ({ stranger }, id) =>
    stranger.signed(mallory, {
      type: 'revoke_trust',
      node_id: MALLORY,
      peer_id: id,
      revocation: encodeTrustRevocation(
        signTrustRevocation(mallory, { node: MALLORY, peer: id, serial: 3, at: 1, reason: '' }),
      ),
    }),
  trust_certificate: ({ stranger }, id) =>
    stranger.signed(mallory, { type: 'trust_certificate', node_id: MALLORY, peer_id: id }),
  relation: ({ stranger }, id) =>
    stranger.signed(mallory, { type: 'relation', node_id: MALLORY, peer_id: id }),
  invite_to_network: ({ stranger }, id) =>
    stranger.signed(mallory, {
      type: 'invite_to_network',
      inviter_id: MALLORY,
      network_id: 1,
      target_node_id: id,
    }),
  get_member_role: ({ stranger }, id) =>
    stranger.signed(mallory, {
      type: 'get_member_role',
      node_id: MALLORY,
      network_id: 1,
      target_node_id: id,
    }),
  kick_member: ({ stranger }, id) =>
    stranger.signed(mallory, { type: 'kick_member', node_id: MALLORY, network_id: 1, target_node_id: id }),
  find_nodes: ({ stranger }, id) =>
    stranger.signed(mallory, { type: 'find_nodes', node_id: MALLORY, after: id - 1, limit: 1 }),
  'find_nodes by name': ({ stranger }, id) =>
    stranger.signed(mallory, { type: 'find_nodes', node_id: MALLORY, text: names.get(id) }),
};

/** Acting in the name of a node, without its key. */
for (const type of [
  'heartbeat',
  'subscribe',
  'poll_handshakes',
  'set_hostname',
  'set_tags',
  'set_visibility',
  'set_task_exec',
  'set_key_expiry',
  'deregister',
  'publish_record',
  'trust_certificate',
  'find_nodes',
  'my_networks',
  'poll_invites',
  'join_network',
  'leave_network',
  'create_network',
  'list_networks',
  'list_nodes',
  'relation',
]) {
  const request = (id: NodeId): object => ({
    type,
    node_id: id,
    peer_id: FRIEND,
    network_id: 1,
    request_id: 'q',
  });
  Object.assign(QUESTIONS, {
    [`${type} in its name, unsigned`]: (({ anonymous }, id) =>
      anonymous.send(request(id))) satisfies Question,
    [`${type} in its name, under an old signature`]: (({ anonymous }, id) =>
      legacy(anonymous, nobody, `${type}:${id}`, request(id))) satisfies Question,
    [`${type} in its name, under a malformed signature`]: (({ anonymous }, id) =>
      anonymous.send({ ...request(id), signature: '%' })) satisfies Question,
    [`${type} in its name, signed by another`]: (({ anonymous }, id) =>
      anonymous.signed(nobody, request(id))) satisfies Question,
  });
}
QUESTIONS['rotate_key in its name'] = ({ anonymous }, id) =>
  anonymous.signed(nobody, rotation(nobody, identity(10), id));

/** The reply with the id and name asked about blanked. */
function blanked(reply: Reply, id: NodeId): string {
  return JSON.stringify(reply)
    .replaceAll(names.get(id)!, 'NAME')
    .replaceAll(new RegExp(`(?<![0-9])${id}(?![0-9])`, 'g'), 'ID')
    .replace(/"time":\d+/, '"time":0');
}

describe('strangers cannot tell a private node from one that is not there', () => {
  for (const [name, ask] of Object.entries(QUESTIONS)) {
    it(`by ${name}`, async () => {
      const outcomes = [];
      for (const id of [...HIDDEN, MISSING]) {
        const place = await scene();
        const told: string[] = [];
        // Again: the first attempt must not have left anything to see either.
        for (let attempt = 0; attempt < 3; attempt++) {
          place.calls.length = 0;
          told.push(blanked(await ask(place, id), id), place.calls.join());
          await place.registry.clock.advance(10);
        }
        outcomes.push(told);
      }
      const missing = outcomes.pop();
      for (const [index, outcome] of outcomes.entries())
        assert.deepEqual(outcome, missing, `node ${HIDDEN[index]} differs from none`);
    });
  }
});

describe('a private node is there for', () => {
  const lookup = (connection: TestConnection, id: NodeId, fields: object = {}): Promise<Reply> =>
    connection.send({ type: 'lookup', node_id: id, request_id: 'q', ...fields });

  it('itself, a peer it trusts, a member of its network, and the operator', async () => {
    const { connect, store } = testRegistry({ adminToken: 'tok' });
    const [a, b, c] = [connect(), connect(), connect()];
    await a.registerProven(alice, { hostname: 'alpha' });
    await b.registerProven(bob);
    await c.registerProven(mallory);
    for (const connection of [b, c]) assert.equal((await lookup(connection, 1)).code, 'not_found');
    await store.certifyTrust({ a: 1, b: 2, serial: 1, notAfter: undefined, text: 'x' });
    await store.createNetwork({
      name: 'n',
      joinRule: 'open',
      tokenHash: '',
      enterprise: false,
      exprPolicy: '',
      creator: 1,
      at: 0,
      perOwner: 9,
      perNode: 9,
      lastId: 99,
    });
    await store.joinNetwork({ network: 1, node: 3, at: 0, perNetwork: 9, perNode: 9 });
    for (const connection of [a, b, c]) assert.equal((await lookup(connection, 1)).hostname, 'alpha');
    assert.equal((await lookup(connect(), 1, { admin_token: 'tok' })).hostname, 'alpha');
    await store.removeMember(1, 3, []);
    assert.equal((await lookup(c, 1)).code, 'not_found');
  });

  it('a peer until the certificate ends', async () => {
    const { connect, store, clock } = testRegistry();
    const [a, b] = [connect(), connect()];
    await a.registerProven(alice);
    await b.registerProven(bob);
    const notAfter = clock.wallNow() + 1000;
    await store.certifyTrust({ a: 1, b: 2, serial: 1, notAfter, text: 'x' });
    assert.equal((await b.signed(bob, { type: 'resolve', node_id: 1, requester_id: 2 })).type, 'resolve_ok');
    await clock.advance(1000);
    assert.equal((await b.signed(bob, { type: 'resolve', node_id: 1, requester_id: 2 })).code, 'not_found');
    assert.equal((await lookup(b, 1)).code, 'not_found');
  });

  it('whoever names its key, and no more than the key is told', async () => {
    const { connect } = testRegistry();
    await connect().registerProven(alice, { hostname: 'alpha', version: 'v1' });
    assert.deepEqual(await lookup(connect(), 1, { public_key: keyText(alice) }), {
      type: 'lookup_ok',
      node_id: 1,
      address: '0:0000.0000.0001',
      networks: [0],
      public_key: keyText(alice),
      public: false,
      polo_score: 0,
      online: true,
      epoch: 0,
      rotations: [],
      request_id: 'q',
    });
    assert.equal((await lookup(connect(), 1, { public_key: keyText(bob) })).code, 'not_found');
    const zeros = { public_key: keyText({ publicKey: new Uint8Array(32) }) };
    assert.equal((await lookup(connect(), 7, zeros)).code, 'not_found');
  });

  it('whomever it asked for, for ten minutes, and only its key', async () => {
    const asks: Readonly<Record<string, (connection: TestConnection) => Promise<Reply>>> = {
      resolve: (a) => a.signed(alice, { type: 'resolve', node_id: 2, requester_id: 1 }),
      punch: (a) => a.signed(alice, { type: 'punch', requester_id: 1, node_a: 1, node_b: 2 }),
      respond_handshake: (a) =>
        a.signed(alice, { type: 'respond_handshake', node_id: 1, peer_id: 2, accept: false }),
    };
    for (const [name, ask] of Object.entries(asks)) {
      const { connect, clock } = testRegistry();
      const [a, b, c] = [connect(), connect(), connect()];
      await a.registerProven(alice, { hostname: 'alpha' });
      await b.registerProven(bob, { hostname: 'beta' });
      await c.registerProven(mallory);
      assert.equal((await lookup(b, 1)).code, 'not_found');
      await ask(a);
      const seen = await lookup(b, 1);
      assert.deepEqual([seen.public_key, seen.hostname], [keyText(alice), undefined], name);
      const resolved = await b.signed(bob, { type: 'resolve', node_id: 1, requester_id: 2 });
      assert.equal(resolved.code, 'permission_denied');
      assert.equal((await lookup(c, 1)).code, 'not_found');
      await clock.advance(10 * 60_000);
      assert.equal((await lookup(b, 1)).code, 'not_found', name);
    }
  });

  it('whomever it asked for trust, until that is over, however late the question is read', async () => {
    const { connect, clock, restart } = testRegistry();
    const [a, b, c] = [connect(), connect(), connect()];
    await a.registerProven(alice, { hostname: 'alpha' });
    await b.registerProven(bob, { hostname: 'beta' });
    await c.registerProven(mallory);
    await a.signed(alice, { type: 'request_handshake', from_node_id: 1, to_hostname: 'beta' });
    await c.signed(mallory, { type: 'request_handshake', from_node_id: 3, to_node_id: 2 });
    await clock.advance(3 * 24 * 3600_000);
    const later = restart().connect();
    await later.registerProven(bob);
    assert.equal((await lookup(later, 1)).public_key, keyText(alice));
    assert.equal((await lookup(later, 1)).hostname, undefined);
    const polled = await later.signed(bob, { type: 'poll_handshakes', node_id: 2, ack: 0 });
    assert.equal((polled.requests as Reply[]).length, 2);
    // Rejected: the word is gone, and what was read lately ends ten minutes later.
    await later.signed(bob, { type: 'respond_handshake', node_id: 2, peer_id: 1, accept: false });
    assert.equal((await lookup(later, 1)).public_key, keyText(alice));
    assert.equal((await lookup(later, 3)).public_key, keyText(mallory));
    await clock.advance(10 * 60_000);
    assert.equal((await lookup(later, 1)).code, 'not_found');
    assert.equal((await lookup(later, 3)).public_key, keyText(mallory));
  });

  it('nobody by looking its callers up', async () => {
    const { connect } = testRegistry();
    const [a, m] = [connect(), connect()];
    await a.registerProven(alice);
    await m.registerProven(mallory);
    // A stranger calls; the private node checks who that is. The stranger must not learn that somebody did.
    await a.signed(alice, {
      type: 'lookup',
      node_id: 2,
      requester_id: 1,
      public_key: keyText(mallory),
    });
    assert.equal((await lookup(m, 1)).code, 'not_found');
  });
});

describe('old daemons', () => {
  it('still get the key of whoever contacts them, on the connection that registered them', async () => {
    const { connect } = testRegistry();
    const [a, b, c] = [connect(), connect(), connect()];
    await a.registerOld(alice);
    await b.registerOld(bob);
    await c.registerOld(mallory);
    const resolve = { type: 'resolve', node_id: 2, requester_id: 1 };
    await legacy(a, alice, signedString.resolve(1, 2), resolve);
    assert.equal((await b.send({ type: 'lookup', node_id: 1 })).public_key, keyText(alice));
    assert.equal((await c.send({ type: 'lookup', node_id: 1 })).error, 'node 1: node not found');
    assert.equal((await connect().send({ type: 'lookup', node_id: 1 })).error, 'node 1: node not found');
  });

  it('keep each other, trusted, on a new connection', async () => {
    const { connect, restart } = testRegistry();
    const [a, b] = [connect(), connect()];
    await a.registerOld(alice);
    await b.registerOld(bob);
    for (const [connection, key, from, to] of [[a, alice, 1, 2] as const, [b, bob, 2, 1] as const]) {
      const report = { type: 'report_trust', node_id: from, peer_id: to };
      await legacy(connection, key, signedString.reportTrust(from, to), report);
    }
    const again = restart().connect();
    await again.registerOld(alice);
    assert.equal((await again.send({ type: 'lookup', node_id: 2 })).public_key, keyText(bob));
    assert.equal((await again.send({ type: 'check_trust', node_id: 1, peer_id: 2 })).trusted, true);
  });

  it('are refused where the operator wants proof', async () => {
    const { connect, restart } = testRegistry();
    await connect().registerOld(alice);
    const before = restart();
    const strict = testRegistry({ legacySignatures: false, adminToken: 'tok' }, before.clock, before.store);
    const old = strict.connect();
    const text = 'signature required: this registry accepts only requests signed over their whole content';
    assert.equal((await old.registerOld(alice)).error, text);
    assert.equal((await old.registerOld(bob)).error, text);
    for (const request of [
      { type: 'heartbeat', node_id: 1 },
      { type: 'heartbeat', node_id: 1, signature: legacySignature(alice, 'heartbeat:1') },
      { type: 'set_tags', node_id: 1, tags: [], signature: legacySignature(alice, 'set_tags:1') },
      { type: 'deregister', node_id: 1, signature: legacySignature(alice, 'deregister:1') },
      {
        type: 'rotate_key',
        node_id: 1,
        new_public_key: keyText(bob),
        signature: legacySignature(alice, 'rotate:1'),
      },
    ])
      assert.equal((await old.send(request)).error, text, request.type);
    assert.equal((await old.send({ type: 'lookup', node_id: 1 })).error, 'node 1: node not found');
    // The same key with proof, and the operator, go on.
    const proven = strict.connect();
    assert.equal(await proven.registerProven(alice), 1);
    assert.equal((await proven.send({ type: 'heartbeat', node_id: 1 })).type, 'heartbeat_ok');
    const tags = { type: 'set_tags', node_id: 1, tags: ['x'], admin_token: 'tok' };
    assert.equal((await old.send(tags)).type, 'set_tags_ok');
  });
});
