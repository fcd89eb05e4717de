import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SCOPES } from '../../../api/scopes.ts';
import { identity, type Reply, type TestRegistry, testRegistry } from '../../registry.testkit.ts';
import { village } from '../networks/networks.testkit.ts';

const HOUR = 3_600_000;
const from = { host: '203.0.113.9', port: 1 };

function ask(registry: TestRegistry, type: string, token: string, fields: object = {}): Promise<Reply> {
  return registry.connect().send({ type, admin_token: token, request_id: 1, ...fields });
}
async function make(registry: TestRegistry, fields: object, by = 'operator'): Promise<Reply> {
  return ask(registry, 'token_create', by, { name: 'x', scopes: ['audit:read'], ...fields });
}
async function made(registry: TestRegistry, fields: object, by = 'operator'): Promise<string> {
  const reply = await make(registry, fields, by);
  assert.equal(reply.type, 'token_create_ok', JSON.stringify(reply));
  return String(reply.token);
}

test('a token does what its scopes say, and nothing else', async () => {
  const { registry, people } = await village(1);
  const id = people[0]!.id;
  const requests: Readonly<Record<string, [string, object]>> = {
    'nodes:read': ['list_nodes', { network_id: 0 }],
    'nodes:write': ['set_polo_score', { node_id: id, polo_score: 1 }],
    'networks:write': ['create_network', { node_id: id, name: 'net' }],
    'audit:read': ['audit_head', {}],
    'webhooks:write': ['webhook_list', {}],
    'tokens:write': ['token_list', {}],
  };
  for (const scope of Object.keys(requests)) {
    const token = await made(registry, { scopes: [scope] });
    for (const [needed, [type, fields]] of Object.entries(requests)) {
      const reply = await ask(registry, type, token, fields);
      assert.equal(reply.type === 'error', needed !== scope, `${scope}: ${type} ${JSON.stringify(reply)}`);
      if (needed !== scope) assert.equal(reply.code, 'permission_denied');
    }
  }
});

test('a token counts until it is revoked or over', async () => {
  const registry = testRegistry({ adminToken: 'operator' });
  const at = registry.clock.wallNow();
  const short = await made(registry, { expires_at: at + HOUR });
  const long = await made(registry, {});
  const counts = async (token: string) => (await registry.service.authorize(token, from)) !== undefined;
  assert.deepEqual([await counts(short), await counts(long)], [true, true]);
  await registry.clock.advance(HOUR);
  assert.deepEqual([await counts(short), await counts(long)], [false, true]);
  const id = long.slice(4, 16);
  assert.equal((await ask(registry, 'token_revoke', 'operator', { id })).type, 'token_revoke_ok');
  assert.equal(await counts(long), false);
  assert.equal((await ask(registry, 'token_revoke', 'operator', { id })).code, 'not_found');
  assert.equal((await ask(registry, 'audit_head', long)).code, 'permission_denied');
});

test('the token itself is kept nowhere, and its id alone is worth nothing', async () => {
  const registry = testRegistry({ adminToken: 'operator' });
  const token = await made(registry, {});
  const listed = await ask(registry, 'token_list', 'operator');
  const kept = JSON.stringify([listed, await registry.store.tokens(9)]);
  assert.ok(!kept.includes(token.slice(17)));
  for (const wrong of [
    token.slice(0, 16),
    `${token.slice(0, -1)}g`,
    token.replace(/.$/, (c) => (c === '0' ? '1' : '0')),
  ])
    assert.equal(await registry.service.authorize(wrong, from), undefined, wrong);
  const unknown = `pat_000000000000_${token.slice(17)}`;
  assert.equal(await registry.service.authorize(unknown, from), undefined);
});

test('nobody gives more than he has: scopes, networks, time', async () => {
  const registry = testRegistry({ adminToken: 'operator' });
  const end = registry.clock.wallNow() + HOUR;
  const scopes = ['tokens:write', 'networks:write'];
  const lender = await made(registry, { scopes, networks: [1, 2], expires_at: end });
  const code = async (fields: object) => (await make(registry, fields, lender)).code;
  assert.equal(await code({ scopes: ['audit:read'] }), 'permission_denied');
  assert.equal(await code({ scopes, networks: [] }), 'permission_denied');
  assert.equal(await code({ scopes, networks: [1, 3] }), 'permission_denied');
  const reply = await make(
    registry,
    { scopes: ['networks:write'], networks: [2], expires_at: end * 2 },
    lender,
  );
  assert.deepEqual([reply.networks, reply.expires_at], [[2], end]);
  const inherited = await make(registry, { scopes: ['networks:write'] }, lender);
  assert.deepEqual([inherited.networks, inherited.expires_at], [[1, 2], end]);
  assert.match(String(inherited.created_by), /^token:/);
});

test('a token for one network leaves the others alone', async () => {
  const { registry, people } = await village(2);
  const [a, b] = people as [(typeof people)[0], (typeof people)[0]];
  const one = Number((await a.must('create_network', { name: 'one' })).network_id);
  const two = Number((await a.must('create_network', { name: 'two' })).network_id);
  for (const network_id of [one, two]) await b.must('join_network', { network_id });
  const token = await made(registry, { scopes: ['networks:read', 'networks:write'], networks: [one] });
  const kick = (network_id: number) =>
    ask(registry, 'kick_member', token, { network_id, target_node_id: b.id });
  assert.equal((await kick(two)).code, 'permission_denied');
  assert.equal((await kick(one)).type, 'kick_member_ok');
  const list = (network_id: number) => ask(registry, 'list_nodes', token, { network_id });
  assert.equal((await list(one)).type, 'list_nodes_ok');
  assert.equal((await list(two)).type, 'error');
  const join = (network_id: number) => ask(registry, 'join_network', token, { network_id, node_id: b.id });
  assert.equal((await join(two)).type, 'error');
  assert.equal((await join(one)).type, 'join_network_ok');
  assert.equal((await ask(registry, 'network_audit', token, { network_id: one })).type, 'network_audit_ok');
  assert.equal((await ask(registry, 'network_audit', token, { network_id: two })).type, 'error');
  const create = await ask(registry, 'create_network', token, { node_id: b.id, name: 'three' });
  assert.equal(create.code, 'permission_denied');
});

test('guessing at the operator’s own token ends after some tries; made tokens still count from there', async () => {
  const registry = testRegistry({ adminToken: 'operator-token-of-old' });
  const token = await made(registry, {}, 'operator-token-of-old');
  for (let n = 0; n < 10; n++) assert.equal(await registry.service.authorize(`guess ${n}`, from), undefined);
  assert.equal(await registry.service.authorize('operator-token-of-old', from), undefined);
  assert.equal((await registry.service.authorize(token, from))?.name, `token:${token.slice(4, 16)}`);
  const elsewhere = { host: '203.0.113.10', port: 1 };
  const operator = await registry.service.authorize('operator-token-of-old', elsewhere);
  assert.deepEqual([...operator!.scopes], Object.keys(SCOPES));
  await registry.clock.advance(30_000);
  assert.equal((await registry.service.authorize('operator-token-of-old', from))?.name, 'operator');
});

test('without an operator’s token, only tokens made on the machine itself count', async () => {
  const registry = testRegistry();
  assert.equal(await registry.service.authorize('', from), undefined);
  assert.equal(await registry.service.authorize('undefined', from), undefined);
  assert.equal((await make(registry, {}, '')).code, 'permission_denied');
});

test('nonsense in a request for a token is refused', async () => {
  const registry = testRegistry({ adminToken: 'operator' });
  const at = registry.clock.wallNow();
  const wrong: object[] = [
    { name: '' },
    { name: 'x'.repeat(65) },
    { name: 'a\nb' },
    { scopes: [] },
    { scopes: ['all'] },
    { scopes: ['constructor'] },
    { networks: [0] },
    { networks: 'all' },
    { networks: Array.from({ length: 65 }, (_, i) => i + 1) },
    { expires_at: at },
    { expires_at: 'tomorrow' },
    { expires_at: Number.MAX_VALUE },
  ];
  for (const fields of wrong)
    assert.equal((await make(registry, fields)).code, 'invalid_argument', JSON.stringify(fields));
});

test('when a token was last used is known to the hour', async () => {
  const registry = testRegistry({ adminToken: 'operator' });
  const token = await made(registry, {});
  const used = async () => (await registry.store.tokens(1))[0]!.usedAt;
  const first = registry.clock.wallNow();
  await registry.service.authorize(token, from);
  await registry.clock.advance(1000);
  await registry.service.authorize(token, from);
  assert.equal(await used(), first);
  await registry.clock.advance(HOUR);
  await registry.service.authorize(token, from);
  assert.equal(await used(), first + 1000 + HOUR);
});

test('a node signs for itself beside a token that lacks the scope', async () => {
  const registry = testRegistry({ adminToken: 'operator' });
  const token = await made(registry, {});
  const connection = registry.connect();
  const id = await connection.registerProven(identity(1));
  const reply = await connection.signed(identity(1), {
    type: 'set_visibility',
    node_id: id,
    public: true,
    admin_token: token,
  });
  assert.equal(reply.type, 'set_visibility_ok');
});
