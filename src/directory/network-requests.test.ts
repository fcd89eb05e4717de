import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PilotError } from '../api/errors.ts';
import type { SigningKey } from '../base/crypto.ts';
import { identity, type TestConnection, testRegistry } from '../registry/registry.testkit.ts';
import type { JsonObject } from '../wire/json.ts';
import { NetworkRequests } from './network-requests.ts';
import { refusedBy } from './refused.ts';
import type { Ask, Requests } from './requests.ts';

/** Requests that reach a registry service without a network between. */
function over(connection: TestConnection, key: SigningKey): Requests {
  const requests: Pick<Requests, 'ask' | 'session'> = {
    async ask({ type, fields, action, signed }: Ask) {
      const message = { ...fields, type, request_id: 1 };
      const reply = signed === undefined ? connection.send(message) : connection.signed(key, message);
      const answer: JsonObject = await reply;
      const refused = refusedBy(answer, action);
      if (refused !== undefined) throw refused;
      return answer;
    },
    session: async () => ({ traits: { features: new Set(['networks']) } }) as never,
  };
  return requests as Requests;
}

async function people(count: number): Promise<NetworkRequests[]> {
  const registry = testRegistry();
  const made: NetworkRequests[] = [];
  for (let seed = 1; seed <= count; seed++) {
    const connection = registry.connect(`198.51.100.${seed}`);
    const node = await connection.registerProven(identity(seed));
    made.push(new NetworkRequests(over(connection, identity(seed)), () => node));
  }
  return made;
}

const code = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'done',
    (error: PilotError) => error.code,
  );

const POLICY = {
  version: 1,
  rules: [{ name: 'r', on: 'connect', match: 'port == 7', actions: [{ type: 'allow' }] }],
};

describe('requests about networks', () => {
  it('make, find, join, leave and delete networks', async () => {
    const [owner, member] = (await people(2)) as [NetworkRequests, NetworkRequests];
    const made = await owner.create({ name: 'team', joinRule: 'token', policy: POLICY });
    assert.equal(made.network, 1);
    assert.equal(made.token?.length, 32);
    assert.deepEqual(await owner.create({ name: 'hall', joinRule: 'open' }), { network: 2, name: 'hall' });
    assert.equal(await code(member.join({ network: 1 }, 'wrong')), 'permission_denied');
    assert.deepEqual(await member.join({ name: 'team' }, made.token), {
      network: 1,
      address: { network: 1, node: 2 },
    });
    assert.equal(await code(member.join({ network: 1 }, made.token)), 'already_exists');
    assert.deepEqual(
      (await member.list()).items.map(({ network, name, joinRule, members }) => [
        network,
        name,
        joinRule,
        members,
      ]),
      [
        [1, 'team', 'token', 2],
        [2, 'hall', 'open', 1],
      ],
    );
    const page = await member.list({ limit: 1 });
    assert.deepEqual([page.items.length, page.cursor], [1, 1]);
    assert.deepEqual((await member.list({ limit: 1, after: 1 })).items[0]!.name, 'hall');
    const [own] = await member.mine();
    assert.deepEqual(
      { ...own, since: 0 },
      {
        network: 1,
        name: 'team',
        joinRule: 'token',
        role: 'member',
        tags: [],
        ports: [],
        policy: POLICY,
        members: 2,
        maxMembers: 0,
        description: '',
        since: 0,
      },
    );
    const { items } = await owner.members(1);
    assert.deepEqual(
      items.map(({ node, address, role, online }) => [node, address.network, role, online]),
      [
        [1, 1, 'owner', true],
        [2, 1, 'member', true],
      ],
    );
    const token = await owner.rotateJoinToken(1);
    assert.notEqual(token, made.token);
    assert.equal(await owner.rotateJoinToken(1, 'chosen'), 'chosen');
    assert.equal(await code(owner.leave(1)), 'permission_denied');
    await member.leave(1);
    assert.deepEqual(await member.mine(), []);
    await owner.delete(1);
    assert.equal(await code(owner.delete(1)), 'not_found');
  });

  it('invite, and hand out roles, tags and policies', async () => {
    const [owner, member] = (await people(2)) as [NetworkRequests, NetworkRequests];
    const { network } = await owner.create({ name: 'team', joinRule: 'invite' });
    assert.equal(await owner.invite(network, 2), 'invited');
    assert.equal(await owner.invite(network, 2), 'already_invited');
    const [invite] = await member.invites();
    assert.deepEqual(
      [invite!.network, invite!.name, invite!.inviter, invite!.expires - invite!.timestamp],
      [network, 'team', 1, 30 * 24 * 60 * 60],
    );
    await member.respondInvite(network, true);
    assert.deepEqual(await member.invites(), []);
    await owner.promote(network, 2);
    assert.equal(await owner.role(network, 2), 'admin');
    await owner.setMemberTags(network, 2, ['service']);
    assert.deepEqual(await member.memberTags(network, 2), ['service']);
    const { shared } = await owner.relation(2);
    assert.deepEqual(
      shared.map((each) => ({ ...each, since: 0 })),
      [{ network, tags: ['service'], role: 'admin', since: 0 }],
    );
    assert.deepEqual(await owner.relation(77), { shared: [] });
    assert.deepEqual(await member.setPolicy(network, { ports: [80], description: 'd' }), {
      maxMembers: 0,
      ports: [80],
      description: 'd',
    });
    assert.deepEqual((await owner.policy(network)).ports, [80]);
    await member.setExprPolicy(network, POLICY);
    assert.deepEqual(await owner.exprPolicy(network), POLICY);
    assert.equal(await code(member.setExprPolicy(network, { version: 1, rules: [] })), 'invalid_argument');
    await member.setExprPolicy(network, undefined);
    assert.equal(await owner.exprPolicy(network), undefined);
    await member.rename(network, 'crew');
    await owner.demote(network, 2);
    assert.equal(await code(member.rename(network, 'mine')), 'permission_denied');
    await owner.transfer(network, 2);
    await member.kick(network, 1);
    assert.deepEqual(
      (await member.mine()).map(({ name, members, role }) => [name, members, role]),
      [['crew', 1, 'owner']],
    );
  });

  it('read all of one’s networks, however many parts they come in', async () => {
    const entry = (id: number): object => ({ network_id: id, name: `n${id}`, role: 'member' });
    const networks = answering(['networks'], {
      my_networks: ({ after }) =>
        Number(after) < 3
          ? { networks: [entry(Number(after) + 1)], cursor: Number(after) + 1 }
          : { networks: [] },
    });
    assert.deepEqual(
      (await networks.mine()).map(({ network }) => network),
      [1, 2, 3],
    );
    const stuck = answering(['networks'], { my_networks: () => ({ networks: [entry(1)], cursor: 1 }) });
    assert.equal((await stuck.mine()).length, 2);
  });
});

describe('registries that know less', () => {
  it('are asked for each network what they can say', async () => {
    const networks = answering([], {
      lookup: ({ node_id }) => ({
        node_id,
        public_key: 'A'.repeat(43).concat('='),
        networks: node_id === 1 ? [0, 3, 5] : [0, 3, 9],
      }),
      list_networks: () => ({
        networks: [
          { id: 0, name: 'backbone' },
          { id: 3, name: 'c', join_rule: 'open', members: 7, created: 1 },
        ],
      }),
      get_network_policy: ({ network_id }) => ({
        allowed_ports: network_id === 3 ? [80] : null,
        max_members: 0,
        description: '',
      }),
      get_expr_policy: ({ network_id }) => (network_id === 3 ? { expr_policy: POLICY } : {}),
      get_member_role: () => ({ role: 'admin' }),
      get_member_tags: () => ({ tags: ['x'] }),
    });
    const [third, fifth] = await networks.mine();
    assert.deepEqual(
      [third!.name, third!.ports, third!.policy, third!.role, third!.tags],
      ['c', [80], POLICY, 'admin', ['x']],
    );
    assert.deepEqual([fifth!.network, fifth!.name, fifth!.ports, fifth!.policy], [5, '', [], undefined]);
    assert.deepEqual(await networks.relation(2), {
      shared: [{ network: 3, role: 'admin', tags: ['x'], since: 0 }],
    });
  });

  it('may offer no roles, tags and policies at all, and not know a peer', async () => {
    const networks = answering([], {
      lookup: ({ node_id }) =>
        node_id === 1 ? { node_id, public_key: 'A'.repeat(43).concat('='), networks: [0, 3] } : 'not_found',
      list_networks: () => ({ networks: [] }),
      get_network_policy: () => ({ allowed_ports: [], max_members: 0, description: '' }),
    });
    const [own] = await networks.mine();
    assert.deepEqual([own!.network, own!.role, own!.tags, own!.policy], [3, 'member', [], undefined]);
    assert.deepEqual(await networks.relation(2), { shared: [] });
  });

  it('and those that answer nonsense are not believed', async () => {
    const nonsense: readonly JsonObject[] = [
      { networks: [{ network_id: 0 }] },
      { networks: [{ network_id: 70_000 }] },
      { networks: [{ network_id: 1, allowed_ports: ['80'] }] },
      { networks: [{ network_id: 1, allowed_ports: [1.5] }] },
      { networks: [{ network_id: 1, expr_policy: 'text' }] },
    ];
    for (const reply of nonsense) {
      const networks = answering(['networks'], { my_networks: () => reply });
      assert.equal(await code(networks.mine()), 'protocol_error', JSON.stringify(reply));
    }
    const empty = answering(['networks'], {
      relation: () => ({ shared: 'x' }),
      rotate_join_token: () => ({}),
    });
    assert.deepEqual(await empty.relation(2), { shared: [] });
    assert.equal(await code(empty.rotateJoinToken(1)), 'protocol_error');
  });
});

type Answer = (fields: JsonObject) => JsonObject | 'not_found';

/** A registry with the given answers; what it has none for it does not offer. */
function answering(features: readonly string[], answers: Readonly<Record<string, Answer>>): NetworkRequests {
  const requests = {
    async ask({ type, fields = {} }: Ask) {
      const answer = answers[type]?.(fields);
      if (answer === undefined) throw new PilotError('unavailable', `${type} is not offered`);
      if (answer === 'not_found') throw new PilotError('not_found', 'no such node');
      return answer;
    },
    session: async () => ({ traits: { features: new Set(features) } }) as never,
  };
  return new NetworkRequests(requests as unknown as Requests, () => 1);
}
