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

const ids = new Map<Node, number>();

async function idOf(node: Node): Promise<number> {
  const known = ids.get(node) ?? (await node.data<{ node_id: number }>(['info'])).node_id;
  ids.set(node, known);
  return known;
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
  assert.match(await a.text(['network', 'members', 'lab']), /node-b/);
  const info = await b.data<{ networks: unknown; node_id: number }>(['info']);
  assert.deepEqual(info.networks, [{ address: joined.address, name: 'lab', network_id: 1, role: 'member' }]);
  assert.equal(joined.address, addressIn(1, info.node_id));
  ids.set(b, info.node_id);
});

test('members reach each other by network address, hostname and node id, without trust', async () => {
  const [idA, idB] = [await idOf(a), await idOf(b)];
  await b.text(['send-message', addressIn(1, idA), '--data', 'by network address']);
  const pilot = await client(b);
  try {
    await pilot.sendMessage('node-a', { type: 'text', data: utf8('by name') });
    await pilot.sendMessage(String(idA), { type: 'text', data: utf8('by id') });
  } finally {
    pilot.close();
  }
  await a.text(['ping', addressIn(1, idB), '--count', '1', '--timeout', '5s']);
  for (const what of ['by network address', 'by name', 'by id']) assert.ok(inboxOf(a).includes(what), what);
  assert.ok(inboxOf(a).includes(addressIn(1, idB)), 'the sender is shown with its address in the network');
});

test('who is no member reaches nobody, by no address', async () => {
  const idA = await idOf(a);
  assert.equal((await c.failure(['network', 'members', '1'])).exit, 1);
  const pilot = await client(c);
  try {
    const targets = [addressIn(1, idA), String(idA), 'node-a'];
    await Promise.all(targets.map((target) => refused(pilot, target)));
  } finally {
    pilot.close();
  }
});

test('a policy holds at once, by every address, and a dry run says why', async () => {
  const idA = await idOf(a);
  const pilot = await client(b);
  const send = (target: string, text: string): Promise<unknown> =>
    pilot.sendMessage(target, { type: 'text', data: utf8(text) }, { timeout: 3000 });
  try {
    await a.text(['network', 'set-policy', 'lab', '--ports', 'echo']);
    for (const target of [addressIn(1, idA), 'node-a']) {
      await eventually(() => assert.rejects(send(target, 'past the policy'), { code: 'policy_denied' }));
    }
    const file = join(b.home, 'policy.json');
    const rule = (name: string, match: string, type: string): object => ({
      name,
      on: 'dial',
      match,
      actions: [{ type }],
    });
    const rules = [rule('services', 'has_tag(peer_tags, "service")', 'allow'), rule('rest', 'true', 'deny')];
    writeFileSync(file, JSON.stringify({ version: 1, rules }));
    await a.text(['network', 'set-policy', 'lab', '--file', file]);
    const dry = await b.text([...['network', 'test-policy', 'lab', '--event', 'dial', '--peer', 'node-a']]);
    assert.match(dry, /^denied: by the rule "rest"/);
    await assert.rejects(send('node-a', 'no'), { code: 'policy_denied' });
    await a.text(['network', 'tags', 'lab', 'node-a', '--set', 'service']);
    await eventually(() => send('node-a', 'to a service'));
    await a.text(['network', 'set-policy', 'lab', '--clear', '--ports', 'all']);
    assert.ok(inboxOf(a).includes('to a service'));
    assert.ok(!inboxOf(a).includes('past the policy'));
  } finally {
    pilot.close();
  }
});

test('who is put out is out at once: open streams end, new ones are refused', async () => {
  const idA = await idOf(a);
  const pilot = await client(b);
  try {
    const conn = await eventually(() => pilot.dial(addressIn(1, idA), 7, { timeout: 3000 }));
    await conn.write(utf8('still in'));
    assert.ok((await conn.read()) !== undefined);
    const end = conn.read().then(
      (data) => (data === undefined ? 'end' : 'data'),
      () => 'reset',
    );
    await a.text(['network', 'kick', 'lab', 'node-b']);
    const kicked = Date.now();
    assert.notEqual(await end, 'data');
    assert.ok(Date.now() - kicked < 10_000, 'the open stream ends at once');
    await Promise.all([addressIn(1, idA), String(idA)].map((target) => refused(pilot, target)));
    assert.equal((await pilot.info()).networks, null);
  } finally {
    pilot.close();
  }
});

test('an invitation is answered, and leaving ends what it gave', async () => {
  const idA = await idOf(a);
  const pilot = await client(c);
  try {
    await a.text(['network', 'create', 'board', '--join-rule', 'invite']);
    await assert.rejects(pilot.networks.join('2'));
    await a.text(['network', 'invite', 'board', String((await pilot.info()).node_id)]);
    assert.match(await c.text(['network', 'invites']), /board/);
    await c.text(['network', 'accept-invite', '2']);
    await pilot.sendMessage(addressIn(2, idA), { type: 'text', data: utf8('from the board') });
    assert.ok(inboxOf(a).includes('from the board'));
    await pilot.networks.leave('board');
    await refused(pilot, addressIn(2, idA));
  } finally {
    pilot.close();
  }
});

test('the file for other programs says what holds', async () => {
  await eventually(async () => {
    const file = JSON.parse(readFileSync(join(a.home, 'networks.json'), 'utf8'));
    assert.deepEqual(file.networks, [0, 1, 2]);
  });
});

function refused(pilot: PilotClient, target: string): Promise<void> {
  const codes = ['permission_denied', 'policy_denied', 'untrusted', 'not_found', 'timeout'];
  return assert.rejects(pilot.dial(target, 7, { timeout: 1000 }), (error: { code: string }) => {
    assert.ok(codes.includes(error.code), `${target}: ${error.code}`);
    return true;
  });
}
