import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { decidePolicy, type PolicyDecision } from './decide.ts';
import { MAX_POLICY_BYTES, type Policy, parsePolicy } from './document.ts';
import type { GateFacts } from './events.ts';

function projectRoot(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(directory, 'package.json'))) directory = dirname(directory);
  return directory;
}

const FACTS: GateFacts = {
  event: 'connect',
  peer: 7,
  port: 80,
  network: 3,
  peerAge: 10,
  peerTags: [],
  localTags: [],
  size: 0,
  direction: 'in',
};

function policyOf(rules: readonly object[], more: object = {}): Policy {
  const policy = parsePolicy(JSON.stringify({ version: 1, rules, ...more }));
  assert.ok(!('error' in policy), 'error' in policy ? `${policy.at}: ${policy.error}` : '');
  return policy;
}

function errorOf(document: unknown): string {
  const policy = parsePolicy(typeof document === 'string' ? document : JSON.stringify(document));
  return 'error' in policy ? `${policy.at}: ${policy.error}` : 'accepted';
}

const rule = (name: string, match: string, type: string, on = 'connect'): object => ({
  name,
  on,
  match,
  actions: [{ type }],
});

test('the first rule that matches and decides wins', () => {
  const policy = policyOf([
    {
      name: 'noted',
      on: 'connect',
      match: 'port == 80',
      actions: [{ type: 'log', params: { message: 'x' } }],
    },
    rule('no ssh', 'port == 22', 'deny'),
    rule('web', 'port in [80, 443]', 'allow'),
    rule('rest', 'true', 'deny'),
  ]);
  const verdict = (port: number, event: GateFacts['event'] = 'connect'): PolicyDecision =>
    decidePolicy(policy, { ...FACTS, port, event });
  assert.deepEqual(verdict(80), { verdict: 'allow', by: 'rule', rule: 'web' });
  assert.deepEqual(verdict(22), { verdict: 'deny', by: 'rule', rule: 'no ssh' });
  assert.deepEqual(verdict(23), { verdict: 'deny', by: 'rule', rule: 'rest' });
  assert.deepEqual(verdict(23, 'dial'), { verdict: 'allow', by: 'default' });
  assert.deepEqual(policy.notes, ['rule "noted": "log" has no effect here']);
});

test('an error while deciding denies', () => {
  const policy = policyOf([rule('broken', '1 / (port - 80) > 0', 'allow')]);
  assert.deepEqual(decidePolicy(policy, FACTS), {
    verdict: 'deny',
    by: 'error',
    rule: 'broken',
    error: 'a number is too large, or divided by zero',
  });
});

test('all rules of a decision share one budget', () => {
  const rules = Array.from({ length: 64 }, (_, i) => rule(`r${i}`, 'any(1..3000, # == 0)', 'deny'));
  assert.equal(decidePolicy(policyOf(rules), FACTS).by, 'error');
});

test('refuses documents with a reason and a place', () => {
  const good = rule('a', 'true', 'allow');
  assert.match(errorOf('{'), /^: it is not JSON/);
  assert.match(errorOf('[]'), /not a JSON object/);
  assert.match(errorOf({ version: 2, rules: [good] }), /^version: the version must be 1/);
  assert.match(errorOf({ version: 1 }), /^rules: at least one rule is required/);
  assert.match(errorOf({ version: 1, rules: [] }), /at least one rule/);
  assert.match(errorOf({ version: 1, rules: [good, good] }), /two rules have the name "a"/);
  assert.match(errorOf({ version: 1, rules: [rule('', 'true', 'allow')] }), /rules\[0\].name/);
  assert.match(errorOf({ version: 1, rules: [rule('a', ' ', 'allow')] }), /rules\[0\].match: a rule needs/);
  assert.match(errorOf({ version: 1, rules: [rule('a', 'port = 1', 'allow')] }), /rules\[0\].match:5: "="/);
  assert.match(errorOf({ version: 1, rules: [rule('a', 'size > 1', 'allow')] }), /there is no "size" here/);
  assert.match(errorOf({ version: 1, rules: [rule('a', 'true', 'allow', 'accept')] }), /rules\[0\].on/);
  assert.match(errorOf({ version: 1, rules: [rule('a', 'true', 'toString')] }), /there is no action/);
  assert.match(errorOf({ version: 1, rules: [rule('a', 'true', 'score')] }), /"score" needs delta/);
  assert.match(errorOf({ version: 1, rules: [rule('a', 'true', 'tag')] }), /"tag" is not supported/);
  assert.match(errorOf({ version: 1, rules: [{ ...good, actions: [] }] }), /needs an action/);
  assert.match(errorOf({ version: 1, rules: [good], config: { cycle: '30s' } }), /config.cycle/);
  assert.match(errorOf({ version: 1, rules: [good], config: { cycle: 'soon' } }), /config.cycle/);
  assert.equal(errorOf({ version: 1, rules: [good], config: { cycle: '1h30m' } }), 'accepted');
  assert.match(
    errorOf({ version: 1, rules: [good], pad: 'x'.repeat(MAX_POLICY_BYTES) }),
    /may have 16384 bytes/,
  );
});

test('what has no effect here is accepted and named, and leaves trust alone', () => {
  const policy = policyOf([
    {
      name: 'decay',
      on: 'cycle',
      match: 'trusted_count > 100',
      actions: [{ type: 'prune_trust', params: { percent: 10, min: 100 } }],
    },
    { name: 'score', on: 'connect', match: 'true', actions: [{ type: 'score', params: { delta: 1 } }] },
  ]);
  assert.deepEqual(policy.notes, [
    'rule "decay" has no effect here: there are no "cycle" events',
    'rule "score": "score" has no effect here',
  ]);
  assert.deepEqual(decidePolicy(policy, FACTS), { verdict: 'allow', by: 'default' });
});

test('the example data-exchange: services serve, everybody else only echoes', () => {
  const text = readFileSync(join(projectRoot(), 'examples', 'policies', 'data-exchange.json'), 'utf8');
  const policy = parsePolicy(text);
  assert.ok(!('error' in policy));
  assert.deepEqual(policy.notes, []);
  const S = ['service'];
  const cases: [
    GateFacts['event'],
    number,
    readonly string[],
    readonly string[],
    'allow' | 'deny',
    string,
  ][] = [
    ['connect', 80, [], [], 'deny', 'no other streams'],
    ['connect', 80, S, [], 'allow', 'streams with a service'],
    ['connect', 1001, [], S, 'allow', 'streams with a service'],
    ['connect', 1001, [], [], 'deny', 'no other streams'],
    ['dial', 1001, S, [], 'allow', 'dials to a service'],
    ['dial', 1001, [], S, 'allow', 'dials to a service'],
    ['dial', 1001, ['services'], [], 'deny', 'no other dials'],
    ['datagram', 7, [], [], 'allow', 'echo and text'],
    ['datagram', 1000, [], [], 'allow', 'echo and text'],
    ['datagram', 1001, [], [], 'deny', 'no other datagrams'],
    ['datagram', 1001, S, [], 'allow', 'data with a service'],
    ['datagram', 1001, [], S, 'allow', 'data with a service'],
    ['datagram', 80, S, S, 'deny', 'no other datagrams'],
  ];
  for (const [event, port, peerTags, localTags, verdict, by] of cases) {
    const decision = decidePolicy(policy, { ...FACTS, event, port, peerTags, localTags });
    assert.deepEqual(decision, { verdict, by: 'rule', rule: by }, `${event} ${port}`);
  }
});

test('any document is accepted or refused, and any accepted one decides', () => {
  const text = fc.oneof(
    fc.constantFrom('true', 'port in 1..9', 'port/0 > 1', 'len(peer_tags) > 0'),
    fc.string(),
  );
  const random = fc.record({
    version: fc.constant(1),
    rules: fc.array(
      fc.record(
        {
          name: fc.string({ minLength: 1, maxLength: 5 }),
          on: fc.constantFrom('connect', 'dial', 'datagram', 'cycle'),
          match: text,
          actions: fc.array(
            fc.record({ type: fc.constantFrom('allow', 'deny', 'log', 'evict'), params: fc.anything() }),
            { maxLength: 3 },
          ),
        },
        { noNullPrototype: true },
      ),
      { maxLength: 4 },
    ),
  });
  fc.assert(
    fc.property(fc.oneof(random, fc.jsonValue()), (document) => {
      const policy = parsePolicy(
        JSON.stringify(document, (_, value) => (typeof value === 'bigint' ? 1 : value)),
      );
      if ('error' in policy) return;
      for (const event of ['connect', 'dial', 'datagram'] as const) {
        const { verdict, by } = decidePolicy(policy, { ...FACTS, event });
        assert.ok(by !== 'error' || verdict === 'deny');
      }
    }),
    { numRuns: 1000 },
  );
});
