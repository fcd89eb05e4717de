/** Weaknesses 5 and 7 of spec/12: everything about every network told to anybody, in lists without end. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { identity, type Reply } from '../../registry.testkit.ts';
import { network, type Person, village } from './networks.testkit.ts';

const READS = [
  'list_nodes',
  'get_member_role',
  'get_member_tags',
  'get_network_policy',
  'get_expr_policy',
] as const;
const POLICY = {
  version: 1,
  rules: [{ name: 'r', on: 'connect', match: 'port == 7', actions: [{ type: 'allow' }] }],
};

describe('what is told of a network', () => {
  it('is told to members and the operator, and to strangers nothing, however they ask', async () => {
    const { registry, people } = await village(3);
    const [owner, member, stranger] = people as [Person, Person, Person];
    for (const join_rule of ['open', 'token', 'invite']) {
      const network_id = await network(owner, [member], { name: join_rule, join_rule, token: 't' });
      await owner.must('set_member_tags', { network_id, target_node_id: member.id, tags: ['service'] });
      await owner.must('set_expr_policy', { network_id, expr_policy: POLICY });
      for (const type of READS) {
        const about = { network_id, target_node_id: member.id };
        await member.must(type, about);
        const operator = await registry.connect().send({ type, ...about, admin_token: 'operator' });
        assert.equal(operator.type, `${type}_ok`);
        const signed = await stranger.ask(type, about);
        const bare = await registry.connect().send({ type, ...about, request_id: 1 });
        const claimed = await stranger.connection.send({ type, ...about, node_id: member.id, request_id: 1 });
        for (const reply of [signed, bare, claimed]) {
          assert.equal(reply.type, 'error', `${type} of ${join_rule}`);
          if (join_rule !== 'open') assert.equal(reply.error, `network ${network_id}: network not found`);
        }
      }
    }
  });

  it('is the same as of a network that does not exist, unless anybody may join', async () => {
    const { people } = await village(2);
    const [owner, stranger] = people as [Person, Person];
    const hidden = await network(owner, [], { join_rule: 'invite' });
    const requests = (network_id: number): Promise<Reply>[] =>
      [
        ...READS.map((type) => ({ type, target_node_id: owner.id })),
        { type: 'join_network' },
        { type: 'leave_network' },
        { type: 'rename_network', name: 'x' },
        { type: 'delete_network' },
        { type: 'kick_member', target_node_id: owner.id },
        { type: 'set_network_policy', allowed_ports: [] },
        { type: 'invite_to_network', inviter_id: stranger.id, target_node_id: 9 },
        { type: 'respond_invite', accept: true },
      ].map(({ type, ...fields }) => stranger.ask(type, { ...fields, network_id }));
    const of = async (id: number): Promise<string[]> =>
      (await Promise.all(requests(id))).map(
        ({ error, code }) => `${code}: ${String(error).replace(String(id), 'N')}`,
      );
    const [real, missing] = [await of(hidden), await of(4711)];
    assert.deepEqual(real, missing);
  });

  it('lists open networks for all, and closed ones for who is in them', async () => {
    const { registry, people } = await village(3);
    const [owner, member, stranger] = people as [Person, Person, Person];
    for (const join_rule of ['open', 'token', 'invite']) {
      await network(owner, join_rule === 'open' ? [] : [member], {
        name: `n-${join_rule}`,
        join_rule,
        token: 't',
      });
    }
    const names = async (asked: Promise<Reply>): Promise<string[]> =>
      ((await asked).networks as { name: string }[]).map(({ name }) => name);
    assert.deepEqual(await names(registry.connect().send({ type: 'list_networks' })), ['backbone', 'n-open']);
    assert.deepEqual(await names(stranger.ask('list_networks', { limit: 100 })), ['n-open']);
    assert.deepEqual(await names(member.ask('list_networks', { limit: 100 })), [
      'n-open',
      'n-token',
      'n-invite',
    ]);
    const own = await names(member.connection.send({ type: 'list_networks' }));
    assert.deepEqual(own, ['backbone', 'n-open', 'n-token', 'n-invite']);
    const forged = { type: 'list_networks', node_id: member.id, limit: 100 };
    assert.equal((await stranger.connection.signed(stranger.key, forged)).type, 'error');
    assert.deepEqual(await names(stranger.connection.send(forged)), ['n-open']);
  });

  it('is not told by what is told of its members', async () => {
    const { registry, people } = await village(3);
    const [owner, member, stranger] = people as [Person, Person, Person];
    const hidden = await network(owner, [], { name: 'a', join_rule: 'invite' });
    const shared = await network(owner, [member], { name: 'b', join_rule: 'invite' });
    await owner.must('set_visibility', { public: true });
    const seenBy = async (connection: Person['connection'], fields: object = {}): Promise<unknown> =>
      (await connection.send({ type: 'lookup', node_id: owner.id, ...fields })).networks;
    assert.deepEqual(await seenBy(owner.connection), [0, hidden, shared]);
    assert.deepEqual(await seenBy(member.connection), [0, shared]);
    assert.deepEqual(await seenBy(stranger.connection), [0]);
    assert.deepEqual(await seenBy(registry.connect()), [0]);
    assert.deepEqual(await seenBy(registry.connect(), { admin_token: 'operator' }), [0, hidden, shared]);
  });

  it('comes in parts', async () => {
    const { registry, people } = await village(7, { membershipsPerNode: 500, networksPerNode: 500 });
    const [owner, ...members] = people as [Person, ...Person[]];
    const id = await network(owner, members);
    const seen: number[] = [];
    let after: unknown = 0;
    while (after !== undefined) {
      const page = await owner.must('list_nodes', { network_id: id, limit: 3, after });
      const nodes = page.nodes as { node_id: number; online: boolean }[];
      assert.ok(nodes.length <= 3 && nodes.every(({ online }) => online));
      seen.push(...nodes.map(({ node_id }) => node_id));
      after = page.cursor;
    }
    assert.deepEqual(seen, [1, 2, 3, 4, 5, 6, 7]);
    for (let i = 0; i < 120; i++) {
      await registry.store.createNetwork({
        name: `x${i}`,
        joinRule: 'invite',
        tokenHash: '',
        enterprise: false,
        exprPolicy: '',
        creator: owner.id,
        at: 0,
        perOwner: 500,
        perNode: 500,
        lastId: 0xffff,
      });
    }
    const first = await owner.must('my_networks');
    assert.equal((first.networks as unknown[]).length, 50);
    const last = await owner.must('my_networks', { after: 100 });
    assert.equal((last.networks as unknown[]).length, 21);
    assert.equal(last.cursor, undefined);
    const whole = (await owner.must('list_networks', { limit: 100_000 })).networks as unknown[];
    assert.equal(whole.length, 121);
    const few = await owner.must('get_member_tags', { network_id: id, limit: 2 });
    assert.deepEqual([few.members, few.cursor], [{ 1: [], 2: [] }, 2]);
  });

  it('and of the peers in it is read with one signed request, by oneself only', async () => {
    const { people } = await village(3);
    const [owner, member, stranger] = people as [Person, Person, Person];
    const network_id = await network(owner, [member], { join_rule: 'invite' });
    await owner.must('set_member_tags', { network_id, target_node_id: member.id, tags: ['service'] });
    const { shared } = await owner.must('relation', { peer_id: member.id });
    const [row] = shared as Reply[];
    assert.deepEqual({ ...row, since: 0 }, { network_id, tags: ['service'], role: 'member', since: 0 });
    for (const peer_id of [member.id, 4711, stranger.id]) {
      assert.deepEqual((await stranger.must('relation', { peer_id })).shared, []);
      const forged = { type: 'relation', node_id: owner.id, peer_id };
      assert.equal((await stranger.connection.signed(stranger.key, forged)).type, 'error');
      assert.equal((await stranger.connection.send(forged)).type, 'error');
      assert.equal((await stranger.connection.send({ ...forged, type: 'my_networks' })).type, 'error');
    }
  });

  it('is told to old daemons on the connection they registered on', async () => {
    const { registry, people } = await village(1);
    const [owner] = people as [Person];
    const old = registry.connect('203.0.113.1');
    const node_id = Number((await old.registerOld(identity(50))).node_id);
    const network_id = await network(owner, [], { join_rule: 'invite' });
    await owner.must('invite_to_network', { inviter_id: owner.id, network_id, target_node_id: node_id });
    await registry.store.acceptInvite(
      { network: network_id, node: node_id, at: 1, perNetwork: 9, perNode: 9 },
      0,
    );
    for (const type of READS) {
      const reply = await old.send({ type, network_id, target_node_id: owner.id });
      assert.equal(reply.type, `${type}_ok`);
      // A proven member has to be proved, whatever connection claims to be it.
      const claims = registry.connect('203.0.113.2');
      await claims.registerOld(owner.key);
      assert.equal((await claims.send({ type, network_id, target_node_id: owner.id })).type, 'error');
    }
  });
});
