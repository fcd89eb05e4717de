import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { utf8 } from '../../src/base/bytes.ts';
import { nodeClock, nodeCrypto, nodeNet } from '../../src/platform/index.ts';
import { PilotClient } from '../../src/sdk/index.ts';
import { formatAddress } from '../../src/wire/address.ts';
import { eventually, type Node, Sandbox } from './pilotctl.ts';

/** Nobody here trusts anybody: what passes, passes by membership. */
let sandbox: Sandbox;
let a: Node;
let b: Node;
let c: Node;

before(async () => {
  sandbox = await Sandbox.open();
  [a, b, c] = [sandbox.node('a'), sandbox.node('b'), sandbox.node('c')];
  await a.text(['daemon', 'start', '--hostname', 'node-a']);
  await Promise.all([
    b.text(['daemon', 'start', '--hostname', 'node-b']),
    c.text(['daemon', 'start', '--hostname', 'node-c']),
  ]);
});
after(() => sandbox.close());

const client = (node: Node): Promise<PilotClient> =>
  PilotClient.connect({
    net: nodeNet(),
    clock: nodeClock(),
    crypto: nodeCrypto(),
    socketPath: join(node.home, 'pilot.sock'),
  });

async function idOf(node: Node): Promise<number> {
  return (await node.data<{ node_id: number }>(['info'])).node_id;
}

const addressIn = (network: number, node: number): string => formatAddress({ network, node });

/** Everything in a node's inbox, as text. */
function inboxOf(node: Node): string {
  const inbox = join(node.home, 'inbox');
  return readdirSync(inbox)
    .map((file) => readFileSync(join(inbox, file), 'utf8'))
    .join('\n');
}

test('a network is joined with its token and with nothing else', async () => {
  const made = await a.data<{ network_id: number; token: string; address: string }>([
    'network',
    'create',
    'lab',
    '--join-rule',
    'token',
  ]);
  assert.equal(made.address, addressIn(1, await idOf(a)));
  assert.equal((await b.failure(['network', 'join', 'lab', '--token', 'guess'])).exit, 1);
  const joined = await b.data<{ address: string; name: string }>([
    'network',
    'join',
    'lab',
    '--token',
    made.token,
  ]);
  assert.equal(joined.name, 'lab');
  assert.equal(joined.address, addressIn(1, await idOf(b)));
  assert.match(await a.text(['network', 'members', 'lab']), /node-b/);
  const { networks } = await b.data<{ networks: unknown }>(['info']);
  assert.deepEqual(networks, [{ address: joined.address, name: 'lab', network_id: 1, role: 'member' }]);
});

test('members reach each other by network address, hostname and node id, without trust', async () => {
  const [idA, idB] = [await idOf(a), await idOf(b)];
  assert.match(
    await b.text(['send-message', addressIn(1, idA), '--data', 'by network address']),
    /ACK|delivered|sent/i,
  );
  await b.text(['send-message', 'node-a', '--data', 'by name']);
  await b.text(['send-message', String(idA), '--data', 'by id']);
  await a.text(['ping', addressIn(1, idB), '--count', '1', '--timeout', '5s']);
  for (const what of ['by network address', 'by name', 'by id']) assert.ok(inboxOf(a).includes(what), what);
  assert.ok(inboxOf(a).includes(addressIn(1, idB)), 'the sender is shown with its address in the network');
});

test('who is no member reaches nobody, by no address', async () => {
  const idA = await idOf(a);
  assert.equal((await c.failure(['network', 'members', '1'])).exit, 1);
  for (const target of [addressIn(1, idA), String(idA), 'node-a']) {
    const { code } = await c.failure(['send-message', target, '--data', 'hi', '--timeout', '3s']);
    assert.ok(
      ['permission_denied', 'policy_denied', 'untrusted', 'not_found', 'timeout'].includes(code),
      code,
    );
  }
  assert.ok(!inboxOf(a).includes('hi\n'));
});

test('a policy holds at once and by every address', async () => {
  const idA = await idOf(a);
  await a.text(['network', 'set-policy', 'lab', '--ports', 'echo']);
  for (const target of [addressIn(1, idA), 'node-a']) {
    const error = await eventually(async () =>
      b.failure(['send-message', target, '--data', 'past the policy', '--timeout', '3s']),
    );
    assert.equal(error.code, 'policy_denied', target);
  }
  await b.text(['bench', addressIn(1, idA), '--size', '10k', '--timeout', '10s']).catch(() => {});

  writeFileSync(
    join(b.home, 'policy.json'),
    JSON.stringify({
      version: 1,
      rules: [
        {
          name: 'services',
          on: 'dial',
          match: 'has_tag(peer_tags, "service")',
          actions: [{ type: 'allow' }],
        },
        { name: 'rest', on: 'dial', match: 'true', actions: [{ type: 'deny' }] },
      ],
    }),
  );
  await a.text(['network', 'set-policy', 'lab', '--file', join(b.home, 'policy.json')]);
  await eventually(async () => {
    const dry = await b.data<{ verdict: string; rule: string }>([
      'network',
      'test-policy',
      'lab',
      '--event',
      'dial',
      '--peer',
      'node-a',
    ]);
    assert.deepEqual([dry.verdict, dry.rule], ['deny', 'rest']);
  });
  assert.equal(
    (await b.failure(['send-message', 'node-a', '--data', 'no', '--timeout', '3s'])).code,
    'policy_denied',
  );
  await a.text(['network', 'tags', 'lab', 'node-a', '--set', 'service']);
  await eventually(() => b.text(['send-message', 'node-a', '--data', 'to a service', '--timeout', '3s']));
  await a.text(['network', 'set-policy', 'lab', '--clear', '--ports', 'all']);
  assert.ok(!inboxOf(a).includes('past the policy'));
});

test('who is put out is out at once: open streams end, new ones are refused', async () => {
  const idA = await idOf(a);
  const pilot = await client(b);
  try {
    const conn = await eventually(() => pilot.dial(addressIn(1, idA), 7, { timeout: 3000 }));
    await conn.write(utf8('still in'));
    assert.ok((await conn.read()) !== undefined);
    const started = Date.now();
    const [ended] = await Promise.all([
      conn.read().then(
        (data) => (data === undefined ? 'end' : 'data'),
        () => 'reset',
      ),
      a.text(['network', 'kick', 'lab', 'node-b']),
    ]);
    assert.notEqual(ended, 'data');
    assert.ok(Date.now() - started < 3_000);
    for (const target of [addressIn(1, idA), String(idA)]) {
      await assert.rejects(pilot.dial(target, 7, { timeout: 2000 }), (error: { code: string }) =>
        ['permission_denied', 'policy_denied', 'untrusted', 'not_found', 'timeout'].includes(error.code),
      );
    }
  } finally {
    pilot.close();
  }
  const { networks } = await b.data<{ networks: unknown }>(['info']);
  assert.equal(networks, null);
});

test('an invitation is answered, and leaving ends what it gave', async () => {
  const idA = await idOf(a);
  await a.text(['network', 'create', 'board', '--join-rule', 'invite']);
  assert.equal((await c.failure(['network', 'join', '2'])).exit, 1);
  await a.text(['network', 'invite', 'board', String(await idOf(c))]);
  assert.match(await c.text(['network', 'invites']), /board/);
  await c.text(['network', 'accept-invite', '2']);
  await c.text(['send-message', addressIn(2, idA), '--data', 'from the board', '--timeout', '5s']);
  assert.ok(inboxOf(a).includes('from the board'));
  await c.text(['network', 'leave', 'board']);
  assert.equal(
    (await c.failure(['send-message', addressIn(2, idA), '--data', 'x', '--timeout', '3s'])).exit,
    1,
  );
});

test('memberships survive a restart while the registry is away', async () => {
  const { networks } = await a.data<{ networks: { name: string }[] }>(['info']);
  assert.deepEqual(networks.map((network) => network.name).sort(), ['board', 'lab']);
  const file = JSON.parse(readFileSync(join(a.home, 'networks.json'), 'utf8'));
  assert.deepEqual(file.networks, [0, 1, 2]);
});
