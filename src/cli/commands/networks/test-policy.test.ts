import assert from 'node:assert/strict';
import test from 'node:test';
import { type TestHost, TestMachine } from '../../cli.testkit.ts';
import { runCli } from '../../main.ts';

const POLICY = {
  version: 1,
  rules: [
    { name: 'web', on: 'connect', match: 'port in [80, 443]', actions: [{ type: 'allow' }] },
    {
      name: 'services',
      on: 'connect',
      match: 'has_tag(peer_tags, "service") and peer_age_s >= 3600',
      actions: [{ type: 'allow' }],
    },
    { name: 'broken', on: 'dial', match: '1 / (port - 80) > 0', actions: [{ type: 'allow' }] },
    { name: 'rest', on: 'connect', match: 'true', actions: [{ type: 'deny' }] },
    {
      name: 'table',
      on: 'cycle',
      match: 'true',
      actions: [{ type: 'prune', params: { count: 1 } }],
    },
  ],
};

async function run(policy: unknown, ...argv: string[]): Promise<{ host: TestHost; exit: number }> {
  const machine = new TestMachine();
  machine.files.set('/p.json', { data: JSON.stringify(policy), owner: 1000 });
  const host = machine.host();
  const exit = await runCli(host, ['network', 'test-policy', ...argv]);
  return { host, exit };
}

test('test-policy says the verdict, the rule and what was looked at, without a daemon', async () => {
  const { host, exit } = await run(
    POLICY,
    '--file',
    '/p.json',
    '--port',
    'messages',
    '--peer-tags',
    'service',
  );
  assert.equal(exit, 0);
  assert.equal(
    host.stdout.text,
    [
      'allowed: by the rule "services"',
      '  no match  web: port in [80, 443]',
      '  matches  services: has_tag(peer_tags, "service") and peer_age_s >= 3600',
      'note: rule "table" has no effect here: there are no "cycle" events',
      '',
    ].join('\n'),
  );
});

test('test-policy with --json gives the facts as expressions name them', async () => {
  const { host, exit } = await run(
    POLICY,
    '--file',
    '/p.json',
    '--port',
    '22',
    '--peer-age',
    '30m',
    '--json',
  );
  assert.equal(exit, 0);
  const { data } = JSON.parse(host.stdout.text);
  assert.equal(data.verdict, 'deny');
  assert.equal(data.by, 'rule');
  assert.equal(data.rule, 'rest');
  assert.deepEqual(data.facts, {
    event: 'connect',
    local_tags: [],
    network_id: 1,
    peer_age_s: 1800,
    peer_id: 1,
    peer_tags: [],
    port: 22,
  });
});

test('test-policy shows that an error denies', async () => {
  const { host, exit } = await run(POLICY, '--file', '/p.json', '--event', 'dial', '--port', '80');
  assert.equal(exit, 0);
  assert.match(
    host.stdout.text,
    /^denied: the rule "broken" fails: a number is too large, or divided by zero/,
  );
});

test('test-policy shows that no rule allows', async () => {
  const { host } = await run(POLICY, '--file', '/p.json', '--event', 'datagram');
  assert.match(host.stdout.text, /^allowed: no rule decides, which allows/);
});

test('test-policy refuses a policy that members would not understand, with the place', async () => {
  const policy = {
    version: 1,
    rules: [{ name: 'a', on: 'connect', match: 'prot == 80', actions: [{ type: 'deny' }] }],
  };
  const { host, exit } = await run(policy, '--file', '/p.json');
  assert.equal(exit, 1);
  assert.match(host.stderr.text, /Cannot use \/p.json: rules\[0\].match:0: there is no "prot" here/);
});

test('test-policy needs a network or a file', async () => {
  const { host, exit } = await run(POLICY);
  assert.equal(exit, 1);
  assert.match(host.stderr.text, /a network or --file is missing/);
});
