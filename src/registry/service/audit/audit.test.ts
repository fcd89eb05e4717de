import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AUDIT_ACTIONS } from '../../../api/audit-actions.ts';
import { type AuditEntry, type ChainPoint, ChainVerifier } from '../../../wire/audit-entry.ts';
import { crypto, identity, type TestRegistry } from '../../registry.testkit.ts';
import { network, type Person, type Village, village } from '../networks/networks.testkit.ts';

const OPERATOR = { admin_token: 'operator', request_id: 1 };

interface LogReply {
  readonly entries: readonly AuditEntry[];
  readonly start: ChainPoint;
  readonly head: ChainPoint;
}

async function log(registry: TestRegistry, after = 0): Promise<LogReply> {
  const reply = await registry.connect().send({ type: 'audit_log', after, ...OPERATOR });
  assert.equal(reply.type, 'audit_log_ok', JSON.stringify(reply));
  return reply as unknown as LogReply;
}

const said = ({ action, by, node, target, network: net, details }: AuditEntry) =>
  [action, by, node ?? 0, target ?? 0, net ?? 0, details === undefined ? '' : JSON.stringify(details)].join(
    ' ',
  );

test('security-relevant changes are recorded with who made them, in a chain that verifies', async () => {
  const { registry, people } = await village(3);
  const [a, b, c] = people as [Person, Person, Person];
  await a.must('set_hostname', { hostname: 'alpha' });
  await a.must('set_hostname', { hostname: 'alpha' });
  await a.must('set_visibility', { public: true });
  await a.must('set_visibility', { public: true });
  await a.ask('report_trust', { peer_id: b.id });
  await b.ask('report_trust', { peer_id: a.id });
  await b.ask('report_trust', { peer_id: a.id });
  await b.ask('revoke_trust', { peer_id: a.id });
  const net = await network(a, [b, c], { name: 'lab', join_rule: 'token' });
  await a.must('promote_member', { network_id: net, target_node_id: b.id });
  await b.must('kick_member', { network_id: net, target_node_id: c.id });
  await a.must('transfer_ownership', { network_id: net, new_owner_id: b.id });
  await registry.connect().send({ type: 'set_hostname', node_id: c.id, hostname: 'gamma', ...OPERATOR });
  const { entries, start, head } = await log(registry);
  assert.deepEqual(entries.map(said), [
    'node.registered node:1 1 0 0 {"proven":true}',
    'node.registered node:2 2 0 0 {"proven":true}',
    'node.registered node:3 3 0 0 {"proven":true}',
    'hostname.changed node:1 1 0 0 {"hostname":"alpha","before":""}',
    'visibility.changed node:1 1 0 0 {"public":true}',
    'trust.created node:2 2 1 0 {"serial":0}',
    'trust.revoked node:2 2 1 0 {"serial":0}',
    'network.created node:1 1 0 1 {"name":"lab","join_rule":"token"}',
    'network.joined node:2 2 0 1 ',
    'network.joined node:3 3 0 1 ',
    'member.promoted node:1 0 2 1 ',
    'member.kicked node:2 0 3 1 ',
    'network.ownership_transferred node:1 0 2 1 {"before":1}',
    'hostname.changed operator 3 0 0 {"hostname":"gamma","before":""}',
  ]);
  assert.equal(entries[0]!.source, '198.51.100.1');
  const verifier = new ChainVerifier(crypto, { after: start });
  for (const entry of entries) assert.equal(verifier.add(entry), undefined);
  assert.deepEqual(verifier.head, head);
});

test('no entry holds a secret, and every action and detail is in the catalogue', async () => {
  const { registry, people } = await village(2);
  const [a, b] = people as [Person, Person];
  const net = await network(a, [b], { name: 'lab', join_rule: 'token', token: 'secret-join-token' });
  await a.must('rotate_join_token', { network_id: net, token: 'secret-new-token' });
  await a.must('set_expr_policy', {
    network_id: net,
    expr_policy: {
      version: 1,
      rules: [{ name: 'secret-rule', on: 'connect', match: 'port == 80', actions: [{ type: 'allow' }] }],
    },
  });
  const made = await registry
    .connect()
    .send({ type: 'token_create', name: 'ci', scopes: ['audit:read'], ...OPERATOR });
  assert.match(String(made.token), /^pat_/);
  const { entries } = await log(registry);
  const text = JSON.stringify(entries);
  assert.doesNotMatch(text, /secret|operator-|pat_/);
  for (const { action, details } of entries) {
    const spec: { details: readonly string[] } | undefined =
      AUDIT_ACTIONS[action as keyof typeof AUDIT_ACTIONS];
    assert.ok(spec !== undefined, action);
    for (const name of Object.keys(details ?? {}))
      assert.ok(spec.details.includes(name), `${action} ${name}`);
  }
});

test('records are chained a moment after the change, without anybody asking', async () => {
  const { registry } = await village(2);
  assert.equal((await registry.store.auditEntries({ after: 0, limit: 9 })).length, 0);
  await registry.clock.advance(100);
  assert.equal((await registry.store.auditEntries({ after: 0, limit: 9 })).length, 2);
});

test('a trust is recorded once, whichever word completes it, and its certificates by serial', async () => {
  const { registry, people } = await village(4);
  const [a, b, c, d] = people as [Person, Person, Person, Person];
  // Both at once, and again.
  await Promise.all([a.ask('report_trust', { peer_id: b.id }), b.ask('report_trust', { peer_id: a.id })]);
  await Promise.all([b.ask('report_trust', { peer_id: a.id }), b.ask('report_trust', { peer_id: a.id })]);
  // A word, then the question of the other side.
  await c.ask('report_trust', { peer_id: d.id });
  await d.connection.signed(d.key, { type: 'request_handshake', from_node_id: d.id, to_node_id: c.id });
  // A question, then its answer.
  await a.connection.signed(a.key, { type: 'request_handshake', from_node_id: a.id, to_node_id: c.id });
  await c.must('respond_handshake', { peer_id: a.id, accept: true });
  await c.must('respond_handshake', { peer_id: a.id, accept: true });
  const { entries } = await log(registry);
  const trust = entries.filter(({ action }) => action.startsWith('trust.'));
  assert.deepEqual(
    trust.map(({ action, node, target }) => [action, ...[node, target].sort()]),
    [
      ['trust.created', a.id, b.id],
      ['trust.created', c.id, d.id],
      ['trust.created', a.id, c.id],
    ],
  );
});

test('a daemon that comes back leaves no entry; one that proves its key first does', async () => {
  const { registry } = await village(0);
  const connection = registry.connect();
  await connection.registerOld(identity(9));
  await connection.registerOld(identity(9));
  await connection.registerProven(identity(9));
  await connection.registerProven(identity(9));
  const { entries } = await log(registry);
  assert.deepEqual(
    entries.map(({ action }) => action),
    ['node.registered', 'node.proven'],
  );
});

test('who takes the name of a node that is gone for good is recorded with it', async () => {
  const { registry } = await village(0);
  const old = registry.connect();
  await old.registerOld(identity(1), { hostname: 'alpha' });
  await registry.clock.advance(60 * 60 * 1000);
  await registry.connect().registerProven(identity(2), { hostname: 'alpha' });
  const { entries } = await log(registry);
  assert.equal(said(entries.at(-1)!), 'hostname.changed node:2 2 1 0 {"hostname":"alpha","before":""}');
});

test('the oldest entries give way in batches, each of which is an entry', async () => {
  const { registry, people } = await village(1, { auditKept: 600 });
  const connection = people[0]!;
  for (let n = 0; n < 1200; n++) {
    await connection.must('set_visibility', { public: n % 2 === 0 });
    if (n % 100 === 0) await registry.clock.advance(200);
  }
  await registry.clock.advance(1000);
  const { start, head, entries } = await log(registry);
  assert.equal(start.seq, 512);
  assert.equal(head.seq, 1202);
  const verifier = new ChainVerifier(crypto, { after: start });
  let after = start.seq;
  for (let page = entries; page.length > 0; page = (await log(registry, after)).entries) {
    for (const entry of page) assert.equal(verifier.add(entry), undefined);
    after = page.at(-1)!.seq;
  }
  assert.deepEqual(verifier.head, head);
  const pruned = await findAction(registry, 'audit.pruned');
  assert.deepEqual(pruned.details, { first: 1, last: 512, hash: start.hash });
});

async function findAction(registry: Village, action: string): Promise<AuditEntry> {
  for (let after = 0; ; ) {
    const { entries } = await log(registry, after);
    const found = entries.find((entry) => entry.action === action);
    if (found !== undefined) return found;
    assert.ok(entries.length > 0, `no ${action}`);
    after = entries.at(-1)!.seq;
  }
}

test('only operators who may read the log do; owners and admins see what happened in their network', async () => {
  const { registry, people } = await village(3);
  const [a, b, c] = people as [Person, Person, Person];
  const net = await network(a, [b], { name: 'lab' });
  await network(a, [], { name: 'other' });
  for (const type of ['audit_log', 'audit_head', 'get_audit_log']) {
    assert.equal(await a.outcome(type), 'permission_denied');
    assert.equal((await registry.connect().send({ type, ...OPERATOR })).type, `${type}_ok`);
  }
  assert.equal(await b.outcome('network_audit', { network_id: net }), 'permission_denied');
  assert.equal(await c.outcome('network_audit', { network_id: net }), 'permission_denied');
  assert.equal(await c.outcome('network_audit', { network_id: 99 }), 'not_found');
  const reply = await a.must('network_audit', { network_id: net });
  const entries = reply.entries as AuditEntry[];
  assert.deepEqual(
    entries.map(({ action, network: of }) => [action, of]),
    [
      ['network.joined', net],
      ['network.created', net],
    ],
  );
  assert.ok(entries.every((entry) => entry.source === undefined && entry.hash.length === 64));
  await a.must('promote_member', { network_id: net, target_node_id: b.id });
  const page = await b.must('network_audit', { network_id: net, limit: 1 });
  assert.equal((page.entries as AuditEntry[])[0]!.action, 'member.promoted');
  const next = await b.must('network_audit', { network_id: net, limit: 1, before: page.cursor });
  assert.equal((next.entries as AuditEntry[])[0]!.action, 'network.joined');
});
