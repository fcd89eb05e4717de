/** Signed records, key rotations and finding nodes, and what attackers try with them. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { SigningKey } from '../../base/crypto.ts';
import type { NodeId } from '../../base/units.ts';
import {
  encodeNodeRecord,
  type NodeRecordMembers,
  type ServiceEntry,
  signNodeRecord,
} from '../../wire/node-record.ts';
import {
  identity,
  keyText,
  legacySignature,
  type Reply,
  rotation,
  type TestConnection,
  testRegistry,
} from '../registry.testkit.ts';

const [alice, bob, mallory, alice2, alice3] = [
  identity(1),
  identity(2),
  identity(3),
  identity(11),
  identity(12),
];
const NOW = 1_800_000_001;

function record(key: SigningKey, node: NodeId, changes: Partial<NodeRecordMembers> = {}): string {
  const members = {
    node,
    epoch: 0,
    seq: 1,
    hostname: '',
    public: false,
    tags: [],
    features: ['certificates1'],
    suites: ['pilot1'],
    services: [],
    issued: NOW,
    expires: NOW + 3600,
  };
  return encodeNodeRecord(signNodeRecord(key, { ...members, ...changes }));
}
function publish(connection: TestConnection, key: SigningKey, node: NodeId, text: string): Promise<Reply> {
  return connection.signed(key, { type: 'publish_record', node_id: node, record: text });
}

describe('a signed record', () => {
  it('is kept beside the node and handed to whoever may know it', async () => {
    const { connect } = testRegistry();
    const [a, b] = [connect(), connect()];
    await a.registerProven(alice, { hostname: 'alpha' });
    const b2 = await b.registerProven(bob);
    const text = record(alice, 1, { hostname: 'alpha' });
    assert.deepEqual(await publish(a, alice, 1, text), { type: 'publish_record_ok', node_id: 1, seq: 1 });
    assert.equal((await publish(a, alice, 1, text)).type, 'publish_record_ok');
    await a.signed(alice, { type: 'set_visibility', node_id: 1, public: true });
    const looked = await b.send({ type: 'lookup', node_id: 1, request_id: 1 });
    assert.deepEqual([looked.record, looked.epoch, looked.rotations], [text, 0, []]);
    const named = { type: 'resolve_hostname', hostname: 'alpha', requester_id: b2 };
    const found = await b.signed(bob, named);
    assert.deepEqual([found.record, found.public_key], [text, keyText(alice)]);
    // Old clients get what they know.
    assert.equal('record' in (await b.send({ type: 'lookup', node_id: 1 })), false);
    assert.equal('record' in (await b.send({ type: 'resolve_hostname', hostname: 'alpha' })), false);
  });

  it('is refused when it is old, of another node or key, or has expired', async () => {
    const { connect, store } = testRegistry();
    const [a, m] = [connect(), connect()];
    await a.registerProven(alice);
    await m.registerProven(mallory);
    const good = record(alice, 1, { seq: 5 });
    await publish(a, alice, 1, good);
    const attempts: [string, Promise<Reply>][] = [
      ['replayed older', publish(a, alice, 1, record(alice, 1, { seq: 4 }))],
      ['same number, other text', publish(a, alice, 1, record(alice, 1, { seq: 5, tags: ['x'] }))],
      ['epoch ahead', publish(a, alice, 1, record(alice, 1, { seq: 6, epoch: 1 }))],
      ['of another node', publish(a, alice, 1, record(alice, 2, { seq: 6 }))],
      ['under another key', publish(a, alice, 1, record(mallory, 1, { seq: 6 }))],
      ['carried by another', publish(m, mallory, 1, record(alice, 1, { seq: 6 }))],
      ['into its own entry', publish(m, mallory, 2, good)],
      ['expired', publish(a, alice, 1, record(alice, 1, { seq: 6, issued: 1, expires: NOW }))],
      [
        'from the future',
        publish(a, alice, 1, record(alice, 1, { seq: 6, issued: NOW + 90_000, expires: NOW + 99_999 })),
      ],
      ['flipped', publish(a, alice, 1, record(alice, 1, { seq: 6 }).replace('"seq":6', '"seq":7'))],
      ['not a record', publish(a, alice, 1, '{}')],
      ['too large', publish(a, alice, 1, 'x'.repeat(5000))],
      ['unsigned', a.send({ type: 'publish_record', node_id: 1, record: record(alice, 1, { seq: 6 }) })],
    ];
    for (const [name, reply] of attempts) assert.equal((await reply).type, 'error', name);
    assert.equal((await store.nodeDocuments(1)).record, good);
  });
});

describe('a key rotation', () => {
  it('of a proven node brings the document of both keys, which peers can follow', async () => {
    const { connect, store } = testRegistry();
    const [a, b] = [connect(), connect()];
    await a.registerProven(alice, { hostname: 'alpha' });
    await b.registerProven(bob);
    await store.certifyTrust({ a: 1, b: 2, serial: 1, notAfter: undefined, text: 'c' });
    await b.signed(bob, { type: 'subscribe', node_id: 2 });
    await publish(a, alice, 1, record(alice, 1));
    const first = rotation(alice, alice2, 1, 1);
    const second = rotation(alice2, alice3, 1, 2);
    assert.equal((await a.signed(alice, first)).type, 'rotate_key_ok');
    assert.equal((await a.signed(alice2, second)).type, 'rotate_key_ok');
    const looked = await b.send({ type: 'lookup', node_id: 1, request_id: 1 });
    assert.deepEqual(
      [looked.public_key, looked.epoch, looked.rotations, looked.record, looked.hostname],
      [keyText(alice3), 2, [first.rotation, second.rotation], undefined, 'alpha'],
    );
    assert.deepEqual(
      b.pushed.map((push) => (push as Reply).event),
      ['key_rotated', 'key_rotated'],
    );
    // What was signed before counts no more.
    assert.equal((await publish(a, alice3, 1, record(alice, 1, { seq: 9 }))).type, 'error');
    assert.equal((await publish(a, alice3, 1, record(alice3, 1, { seq: 9 }))).type, 'error');
    assert.equal((await publish(a, alice3, 1, record(alice3, 1, { epoch: 2 }))).type, 'publish_record_ok');
    assert.equal(await connect().registerProven(alice3), 1);
  });

  it('can be repeated after a lost answer, by whoever has its document, to no effect', async () => {
    const { connect, store } = testRegistry();
    const a = connect();
    await a.registerProven(alice);
    const first = rotation(alice, alice2, 1, 1);
    await a.signed(alice, first);
    const before = await store.node(1);
    assert.equal((await a.signed(alice, first)).type, 'rotate_key_ok');
    assert.equal((await a.signed(alice2, first)).type, 'rotate_key_ok');
    assert.deepEqual(await store.node(1), before);
    await a.signed(alice2, rotation(alice2, alice3, 1, 2));
    assert.equal((await a.signed(alice, first)).type, 'error');
  });

  it('is refused without the right document and without the old key', async () => {
    const { connect, store } = testRegistry();
    const [a, b, m] = [connect(), connect(), connect()];
    await a.registerProven(alice);
    await b.registerProven(bob);
    await m.registerProven(mallory);
    const good = rotation(alice, alice2, 1);
    const attempts: [string, Promise<Reply>][] = [
      ['no document', a.signed(alice, { ...good, rotation: undefined })],
      ['an old signature', a.send({ ...good, signature: legacySignature(alice, 'rotate:1') })],
      ['document of a thief', a.signed(alice, { ...rotation(mallory, alice2, 1) })],
      ['by a thief', m.signed(mallory, good)],
      ['another new key', a.signed(alice, { ...good, new_public_key: keyText(mallory) })],
      ['another node', a.signed(alice, rotation(alice, alice2, 2))],
      ['skipped epoch', a.signed(alice, rotation(alice, alice2, 1, 2))],
      ['to the key of another node', a.signed(alice, rotation(alice, bob, 1))],
      ['to itself', a.signed(alice, rotation(alice, alice, 1))],
    ];
    for (const [name, reply] of attempts) assert.equal((await reply).type, 'error', name);
    assert.equal(keyText((await store.node(1))!), keyText(alice));
  });

  it('retires the old key: nobody registers, rotates back or signs with it', async () => {
    const { connect } = testRegistry();
    const [a, b] = [connect(), connect()];
    await a.registerProven(alice);
    await b.registerProven(bob);
    await a.signed(alice, rotation(alice, alice2, 1));
    const thief = connect();
    assert.match(String((await thief.tryProven(alice)).error), /replaced by a rotation/);
    assert.match(String((await thief.registerOld(alice)).error), /replaced by a rotation/);
    assert.equal((await thief.signed(alice, rotation(alice, mallory, 1, 2))).type, 'error');
    assert.equal((await a.signed(alice2, rotation(alice2, alice, 1, 2))).type, 'error');
    assert.equal((await b.signed(bob, rotation(bob, alice, 2, 1))).type, 'error');
    assert.equal((await a.signed(alice, { type: 'set_tags', node_id: 1, tags: [] })).type, 'error');
  });

  it('comes a bounded number of times', async () => {
    const { connect, clock } = testRegistry({ rotationsPerNode: { burst: 2, perSecond: 1 } });
    const a = connect();
    await a.registerProven(alice);
    const keys = [alice, ...Array.from({ length: 4 }, (_, n) => identity(100 + n))];
    const rotate = (n: number): Promise<Reply> =>
      a.signed(keys[n - 1]!, rotation(keys[n - 1]!, keys[n]!, 1, n));
    for (const n of [1, 2]) assert.equal((await rotate(n)).type, 'rotate_key_ok');
    assert.equal((await rotate(3)).code, 'rate_limited');
    await clock.advance(1000);
    assert.equal((await rotate(3)).type, 'rotate_key_ok');
  });

  it('of a node that never proved its key goes on as old daemons do it', async () => {
    const { connect, store } = testRegistry();
    const old = connect();
    await old.registerOld(alice);
    const signature = legacySignature(alice, 'rotate:1');
    const request = { type: 'rotate_key', node_id: 1, new_public_key: keyText(alice2), signature };
    assert.equal((await old.send(request)).type, 'rotate_key_ok');
    assert.equal(keyText((await store.node(1))!), keyText(alice2));
  });
});

describe('finding nodes', () => {
  const service = (name: string, description = ''): ServiceEntry => ({ name, port: 80, description });
  const ids = (reply: Reply): unknown[] => (reply.nodes as Reply[]).map(({ node_id }) => node_id);

  async function directory() {
    const registry = testRegistry();
    const connection = registry.connect();
    for (let n = 1; n <= 6; n++) {
      const key = identity(20 + n);
      await connection.registerProven(key, { hostname: `host-${n}` });
      await connection.signed(key, { type: 'set_tags', node_id: n, tags: n % 2 === 0 ? ['even'] : ['odd'] });
      const services = [service('weather', n === 5 ? 'Rain in Göteborg' : 'sun')];
      const text = record(key, n, { tags: [`n${n}`], services });
      assert.equal((await publish(connection, key, n, text)).type, 'publish_record_ok');
      if (n !== 6) await connection.signed(key, { type: 'set_visibility', node_id: n, public: true });
    }
    const asker = registry.connect();
    await asker.registerProven(alice);
    const find = (fields: object = {}): Promise<Reply> =>
      asker.signed(alice, { type: 'find_nodes', node_id: 7, ...fields });
    return { ...registry, asker, find };
  }

  it('goes by tag, service and whole words, among public nodes, in pages', async () => {
    const { find } = await directory();
    assert.deepEqual(ids(await find()), [1, 2, 3, 4, 5]);
    assert.deepEqual(ids(await find({ tag: 'even' })), [2, 4]);
    assert.deepEqual(ids(await find({ tag: '#n3' })), [3]);
    assert.deepEqual(ids(await find({ service: 'weather', tag: 'odd' })), [1, 3, 5]);
    assert.deepEqual(ids(await find({ text: 'RAIN göteborg' })), [5]);
    assert.deepEqual(ids(await find({ text: 'host 4 even' })), [2, 4]);
    assert.deepEqual(ids(await find({ text: 'rai' })), []);
    assert.equal((await find({ text: '?!' })).code, 'invalid_argument');
    const first = await find({ tag: 'odd', limit: 2 });
    assert.deepEqual([ids(first), first.cursor], [[1, 3], 3]);
    const rest = await find({ tag: 'odd', limit: 2, after: first.cursor });
    assert.deepEqual([ids(rest), rest.cursor], [[5], undefined]);
    const [row] = (await find({ tag: 'n2' })).nodes as Reply[];
    assert.deepEqual(
      { ...row, record: typeof row!.record },
      {
        node_id: 2,
        address: '0:0000.0000.0002',
        hostname: 'host-2',
        tags: ['even', 'n2'],
        public: true,
        online: true,
        record: 'string',
      },
    );
  });

  it('shows members of a network to members only, private ones too', async () => {
    const { find, store } = await directory();
    await store.createNetwork({
      name: 'net',
      joinRule: 'open',
      tokenHash: '',
      enterprise: false,
      exprPolicy: '',
      creator: 6,
      at: 0,
      perOwner: 9,
      perNode: 9,
      lastId: 99,
    });
    const join = (node: NodeId) => store.joinNetwork({ network: 1, node, at: 0, perNetwork: 9, perNode: 9 });
    await join(2);
    const refused = { tag: 'even', network_id: 1 };
    assert.deepEqual(
      [(await find(refused)).code, (await find(refused)).error],
      ['permission_denied', 'not a member of network 1'],
    );
    assert.equal((await find({ network_id: 9 })).error, 'not a member of network 9');
    await join(7);
    assert.deepEqual(ids(await find(refused)), [2, 6]);
    assert.equal(((await find(refused)).nodes as Reply[])[1]!.address, '1:0001.0000.0006');
    assert.deepEqual(ids(await find({ network_id: 1, text: 'göteborg' })), []);
    await store.removeMember(1, 7, []);
    assert.equal((await find(refused)).code, 'permission_denied');
  });

  it('looks at a bounded number of nodes for one answer, and goes on from there', async () => {
    const { connect, store } = testRegistry();
    const asker = connect();
    await asker.registerProven(alice);
    for (let n = 2; n <= 1300; n++) {
      await store.register({
        publicKey: identityBytes(n),
        proven: true,
        owner: '',
        endpoint: '',
        lan: [],
        beacons: [],
        version: '',
        relayOnly: false,
        hostname: undefined,
        release: { unprovenSeenBefore: 0, anySeenBefore: 0 },
        maxNodes: 9999,
        at: 0,
      });
      await store.patchNode(n, { public: true, tags: n === 1250 ? ['common', 'rare'] : ['common'] }, 0);
    }
    const find = (fields: object): Promise<Reply> =>
      asker.signed(alice, { type: 'find_nodes', node_id: 1, ...fields });
    // Driven by the first thing asked for, so that the second is looked for among many.
    const first = await find({ tag: 'common', text: 'rare' });
    assert.deepEqual([ids(first), first.cursor], [[], 1001]);
    const second = await find({ tag: 'common', text: 'rare', after: first.cursor });
    assert.deepEqual([ids(second), second.cursor], [[1250], undefined]);
    assert.equal(((await find({ limit: 5000 })).nodes as Reply[]).length, 200);
  });

  it('needs a signature', async () => {
    const { asker } = await directory();
    assert.equal((await asker.send({ type: 'find_nodes', node_id: 7 })).type, 'error');
    assert.equal((await asker.signed(mallory, { type: 'find_nodes', node_id: 7 })).type, 'error');
  });
});

function identityBytes(n: number): Uint8Array {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setUint32(0, n);
  return bytes;
}
