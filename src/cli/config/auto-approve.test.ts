import assert from 'node:assert/strict';
import { test } from 'node:test';
import { autoApproveSchema, EVERYONE_RULE, ruleToFile } from './auto-approve.ts';

function read(value: unknown) {
  const result = autoApproveSchema.safeParse(value);
  return result.success ? result.data : result.error.issues[0]?.message;
}

test('a rule is read from JSON text and from the file alike', () => {
  const rule = {
    name: 'data',
    everyone: true,
    ports: 'messages,80',
    rate: 60,
    expires: '30d',
    renew: true,
    limit: '10/min',
  };
  const expected = [
    {
      name: 'data',
      everyone: true,
      give: '80,1001',
      get: '80,1001',
      rate: 60,
      lifetime: 2_592_000,
      renew: true,
      limit: { count: 10, perSeconds: 60 },
    },
  ];
  assert.deepEqual(read([rule]), expected);
  assert.deepEqual(read(JSON.stringify([rule])), expected);
});

test('what is written back reads the same', () => {
  const rules = [
    { name: 'a', keys: ['abcdefghijklmnop'], give: '1001', get: 'none', limit: '1000/day', expires: '36h' },
    { name: 'b', networks: ['agents', 7], tags: ['prod'], ports: 'all' },
    { name: 'c', everyone: true },
  ];
  const once = read(rules);
  assert.ok(Array.isArray(once));
  assert.deepEqual(read(once.map(ruleToFile)), once);
});

test('the rule the old switch stands for is one that can be written', () => {
  assert.deepEqual(read([ruleToFile(EVERYONE_RULE)]), [EVERYONE_RULE]);
});

test('mistakes are named with the rule they are in', () => {
  for (const [value, message] of [
    ['[', /expected JSON/],
    [{}, /expected a list of rules/],
    [[{ everyone: true }], /rule 1, name/],
    [[{ name: 'a' }], /says nothing about who/],
    [[{ name: 'a', everyone: true, tags: ['x'] }], /is for everyone/],
    [[{ name: 'a', everyone: false }], /says nothing about who/],
    [[{ name: 'a', everyone: true, port: '80' }], /Unrecognized key/],
    [[{ name: 'a', everyone: true, ports: '99999' }], /rule 1, ports: expected ports/],
    [[{ name: 'a', everyone: true, limit: '10' }], /rule 1, limit: expected a limit/],
    [[{ name: 'a', everyone: true, limit: '0/min' }], /expected a limit/],
    [[{ name: 'a', everyone: true, expires: 'soon' }], /rule 1, expires/],
    [[{ name: 'a', everyone: true, renew: true }], /renews what has no end/],
    [[{ name: 'a', keys: ['short'] }], /rule 1, keys.0: expected a fingerprint/],
    [[{ name: 'a', networks: [0] }], /network 0 is everybody/],
    [[{ name: 'a b', everyone: true }], /rule 1, name/],
    [
      [
        { name: 'a', everyone: true },
        { name: 'a', everyone: true },
      ],
      /same name/,
    ],
  ] as const) {
    const said = read(value);
    assert.equal(typeof said, 'string', JSON.stringify(value));
    assert.match(said as string, message);
  }
});
