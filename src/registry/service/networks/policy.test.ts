/** Weakness 3 of spec/12 and the rules for what a network's policy may say. spec/12 §3, §6 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { network, type Person, village } from './networks.testkit.ts';

const rule = (changes: object = {}): object => ({
  name: 'r1',
  on: 'connect',
  match: 'port in [80, 443]',
  actions: [{ type: 'allow', params: {} }],
  ...changes,
});
const policy = (...rules: object[]): object => ({ version: 1, rules });

describe('an expression policy', () => {
  it('is refused when set if it could not be understood later', async () => {
    const { registry, people } = await village(1);
    const [owner] = people as [Person];
    const network_id = await network(owner, []);
    const bad: unknown[] = [
      'not json',
      '[]',
      42,
      true,
      { version: 2, rules: [rule()] },
      { version: 1 },
      policy(),
      policy(rule({ match: '' })),
      policy(rule({ match: 'port ==' })),
      policy(rule({ match: 'unknown_name == 1' })),
      policy(rule({ match: 'port' })),
      policy(rule({ match: 'port == "x"' })),
      policy(rule({ on: 'nothing' })),
      policy(rule({ actions: [] })),
      policy(rule({ actions: [{ type: 'explode' }] })),
      policy(rule(), rule()),
      policy(rule({ match: `port == 1${' or port == 1'.repeat(5000)}` })),
      policy(rule({ name: 'x'.repeat(20_000) })),
      `{"version":1,"rules":${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
      `{"version":1,"rules":${'['.repeat(8000)}${']'.repeat(8000)}}`,
    ];
    for (const expr_policy of bad) {
      const reply = await owner.ask('set_expr_policy', { network_id, expr_policy });
      assert.match(
        String(reply.code),
        /invalid_argument|too_large/,
        JSON.stringify(expr_policy).slice(0, 80),
      );
      const atCreation = await owner.ask('create_network', { name: 'other', expr_policy });
      assert.match(String(atCreation.code), /invalid_argument|too_large/);
    }
    assert.equal((await registry.store.network(network_id))!.exprPolicy, '');
    assert.equal(await registry.store.networkByName('other'), undefined);
    const placed = await owner.ask('set_expr_policy', {
      network_id,
      expr_policy: policy(rule({ match: 'port ==' })),
    });
    assert.match(String(placed.error), /rules\[0\]\.match/);
  });

  it('is kept as document, as text or object, told to members, and cleared', async () => {
    const { people } = await village(2);
    const [owner, member] = people as [Person, Person];
    const network_id = await network(owner, [member]);
    const document = policy(rule());
    for (const expr_policy of [document, JSON.stringify(document)]) {
      await owner.must('set_expr_policy', { network_id, expr_policy });
      assert.deepEqual((await member.must('get_expr_policy', { network_id })).expr_policy, document);
    }
    const { networks } = await member.must('my_networks');
    assert.deepEqual((networks as { expr_policy: object }[])[0]!.expr_policy, document);
    assert.equal((await owner.must('set_expr_policy', { network_id, expr_policy: '' })).cleared, true);
    assert.equal((await member.must('get_expr_policy', { network_id })).expr_policy, undefined);
    assert.equal(await owner.outcome('set_expr_policy', { network_id }), 'invalid_argument');
    const made = await owner.must('create_network', { name: 'other', expr_policy: document });
    const joined = await member.must('join_network', { network_id: made.network_id });
    assert.deepEqual(joined.expr_policy, document);
  });
});

describe('a network policy', () => {
  it('changes what is given, within its bounds', async () => {
    const { people } = await village(2);
    const [owner, member] = people as [Person, Person];
    const network_id = await network(owner, [member]);
    const set = (fields: object): Promise<unknown> =>
      owner.outcome('set_network_policy', { network_id, ...fields });
    for (const fields of [
      { max_members: -1 },
      { max_members: 10_001 },
      { max_members: 1.5 },
      { max_members: '5' },
      { max_members: 1 },
      { allowed_ports: [0] },
      { allowed_ports: [65_536] },
      { allowed_ports: ['80'] },
      { allowed_ports: 80 },
      { allowed_ports: Array.from({ length: 101 }, (_, i) => i + 1) },
      { description: 5 },
      { description: 'x'.repeat(257) },
      { allowed_ports: [80], description: 'x'.repeat(257) },
    ]) {
      assert.match(
        String(await set(fields)),
        /invalid_argument|too_large/,
        JSON.stringify(fields).slice(0, 60),
      );
    }
    await owner.must('set_network_policy', { network_id, allowed_ports: [443, 80, 443], max_members: 2 });
    const reply = await owner.must('set_network_policy', { network_id, description: 'ours' });
    const { max_members, allowed_ports, description } = reply;
    assert.deepEqual(
      { max_members, allowed_ports, description },
      {
        max_members: 2,
        allowed_ports: [443, 80],
        description: 'ours',
      },
    );
    await owner.must('set_network_policy', { network_id, allowed_ports: [] });
    assert.deepEqual((await member.must('get_network_policy', { network_id })).allowed_ports, []);
  });

  it('of the backbone restricts nothing and belongs to nobody', async () => {
    const { people } = await village(1);
    const [node] = people as [Person];
    assert.deepEqual((await node.must('get_network_policy', { network_id: 0 })).allowed_ports, []);
    for (const type of [
      'set_network_policy',
      'set_expr_policy',
      'rename_network',
      'delete_network',
      'leave_network',
      'join_network',
      'kick_member',
      'promote_member',
      'demote_member',
      'transfer_ownership',
      'set_member_tags',
      'invite_to_network',
    ]) {
      const fields = {
        network_id: 0,
        target_node_id: 9,
        new_owner_id: 9,
        inviter_id: node.id,
        name: 'x',
        expr_policy: '',
      };
      assert.equal(
        await node.outcome(type, { ...fields, admin_token: 'operator' }),
        'invalid_argument',
        type,
      );
    }
  });

  it('and member tags follow the rules for tags', async () => {
    const { people } = await village(2);
    const [owner, member] = people as [Person, Person];
    const network_id = await network(owner, [member]);
    const set = (tags: unknown[], target_node_id = member.id): Promise<unknown> =>
      owner.outcome('set_member_tags', { network_id, target_node_id, tags });
    for (const tags of [
      [''],
      ['UPPER'],
      ['#x'],
      ['x'.repeat(33)],
      Array.from({ length: 11 }, (_, i) => `t${i}`),
    ]) {
      assert.match(String(await set(tags)), /invalid_argument|too_large/);
    }
    assert.equal(await set(['x'], 4711), 'not_found');
    assert.equal(await set(['a', 'b', 5]), 'set_member_tags_ok');
    const about = { network_id, target_node_id: member.id };
    assert.deepEqual((await member.must('get_member_tags', about)).tags, ['a', 'b']);
  });
});
