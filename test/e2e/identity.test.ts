import assert from 'node:assert/strict';
import { chmodSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { utf8 } from '../../src/base/bytes.ts';
import { nodeClock, nodeCrypto, nodeNet, nodeRandom } from '../../src/platform/index.ts';
import { type Info, PilotClient } from '../../src/sdk/index.ts';
import { eventually, freePort, type Node, Sandbox } from './pilotctl.ts';

let sandbox: Sandbox;
let a: Node;
let b: Node;

const ports = { net: nodeNet(), clock: nodeClock(), random: nodeRandom(), crypto: nodeCrypto() };

/** One question to a daemon; quicker than a process for each. */
async function ask<Value>(node: Node, question: (client: PilotClient) => Promise<Value>): Promise<Value> {
  const client = await PilotClient.connect({ ...ports, socketPath: join(node.home, 'pilot.sock') });
  try {
    return await question(client);
  } finally {
    client.close();
  }
}
const infoOf = (node: Node): Promise<Info> => ask(node, (client) => client.info());
const trustedBy = async (node: Node): Promise<number> =>
  (await ask(node, (client) => client.trusted())).length;
const talk = (from: Node, to: string): Promise<unknown> =>
  eventually(() =>
    ask(from, (client) => client.sendMessage(to, { type: 'text', data: utf8('hello') }, { timeout: 3_000 })),
  );

before(async () => {
  sandbox = await Sandbox.open();
  const server = sandbox.node('server');
  const registry = `127.0.0.1:${await freePort()}`;
  const beacon = `127.0.0.1:${await freePort()}`;
  await server.data(['rendezvous', 'start', '--registry-addr', registry, '--beacon-addr', beacon]);
  a = sandbox.node('a');
  b = sandbox.node('b');
  const begin = async (node: Node, name: string): Promise<void> => {
    await node.data(['init', '--registry', registry, '--hostname', name]);
    await node.data(['daemon', 'start']);
  };
  await Promise.all([begin(a, 'node-a'), begin(b, 'node-b')]);
  await a.data(['handshake', 'node-b', 'test']);
  await eventually(() => b.data(['approve', 'node-a']));
  await talk(a, 'node-b');
});
after(() => sandbox.close());

/** What `node` knows of the other: its key, how often it changed, and that it holds the other to it. */
async function follows(node: Node, peer: string, of: Info): Promise<void> {
  await eventually(async () => {
    const seen = await ask(node, (client) => client.lookup(peer));
    assert.deepEqual(
      [seen.identity, seen.fingerprint, seen.pinned?.fingerprint, seen.pinned?.by, seen.epoch],
      ['pinned', of.fingerprint, of.fingerprint, 'trust', of.key_epoch],
    );
    assert.equal(seen.rotations.at(-1)?.to, of.fingerprint);
    assert.notEqual(seen.record, null);
  });
}

test('a key rotated while the peer is online changes nothing but the key', async () => {
  const before = await infoOf(b);
  const rotated = await b.data<{ fingerprint: string; former_fingerprint: string; epoch: number }>([
    'rotate-key',
  ]);
  assert.deepEqual([rotated.former_fingerprint, rotated.epoch], [before.fingerprint, 1]);
  const now = await infoOf(b);
  assert.deepEqual([now.node_id, now.hostname], [before.node_id, before.hostname]);
  assert.notEqual(now.fingerprint, before.fingerprint);
  await follows(a, 'node-b', now);
  await talk(a, 'node-b');
  await talk(b, 'node-a');
  assert.deepEqual([await trustedBy(a), await trustedBy(b)], [1, 1]);
  assert.match(await a.text(['lookup', now.verified_name]), /Identity: +pinned with trust/);
  assert.equal((await a.failure(['ping', `node-b#${before.fingerprint}`])).code, 'identity_changed');
  assert.deepEqual((await infoOf(a)).warnings, []);
});

test('a key rotated while the peer is offline is followed when it is back', async () => {
  await a.data(['daemon', 'stop']);
  await b.data(['rotate-key']);
  await b.data(['rotate-key']);
  const now = await infoOf(b);
  assert.equal(now.key_epoch, 3);
  await b.data(['daemon', 'restart']);
  await a.data(['daemon', 'start']);
  await follows(a, 'node-b', now);
  await talk(a, 'node-b');
  await talk(b, 'node-a');
  assert.deepEqual([await trustedBy(a), await trustedBy(b)], [1, 1]);
  assert.deepEqual((await infoOf(a)).warnings, []);
});

test('a backup makes a wiped home the same node again', async () => {
  const env = { PILOT_PASSPHRASE: 'correct horse battery staple' };
  const file = join(sandbox.root, 'node-b.backup');
  const before = await infoOf(b);
  await b.data(['identity', 'backup', '--file', file], { env });
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.ok(!readFileSync(file, 'utf8').includes('private_key'));
  assert.equal((await b.failure(['identity', 'restore', '--file', file], { env })).code, 'already_exists');
  await b.data(['daemon', 'stop']);
  rmSync(b.home, { recursive: true });
  const wrong = { PILOT_PASSPHRASE: 'incorrect horse' };
  assert.equal(
    (await b.failure(['identity', 'restore', '--file', file], { env: wrong })).code,
    'permission_denied',
  );
  await b.data(['identity', 'restore', '--file', file], { env });
  await b.data(['daemon', 'start']);
  const now = await infoOf(b);
  assert.deepEqual(
    [now.address, now.fingerprint, now.hostname, now.key_epoch],
    [before.address, before.fingerprint, before.hostname, before.key_epoch],
  );
  await talk(a, 'node-b');
  await talk(b, 'node-a');
  assert.equal(await trustedBy(b), 1);
});

test('a home that was opened to others is closed at the next start, and the user is told', async () => {
  await b.data(['daemon', 'stop']);
  chmodSync(join(b.home, 'identity.json'), 0o644);
  const leftover = join(b.home, `.node.json.${2 ** 30}.tmp`);
  writeFileSync(leftover, 'half');
  await b.data(['daemon', 'start']);
  assert.equal(statSync(join(b.home, 'identity.json')).mode & 0o777, 0o600);
  assert.ok(!existsSync(leftover));
  assert.deepEqual(
    (await infoOf(b)).warnings.map(({ code }) => code),
    ['home.opened'],
  );
  assert.match(await b.text(['daemon', 'status']), /warning: .*identity\.json was open to other users/);
});

test('who deregisters comes back under the same address', async () => {
  const before = await infoOf(b);
  await b.data(['deregister']);
  await b.data(['daemon', 'restart']);
  const now = await infoOf(b);
  assert.deepEqual([now.address, now.fingerprint], [before.address, before.fingerprint]);
  await talk(b, 'node-a');
});

test('public nodes are found by tag and by what they offer', async () => {
  await b.data(['set-public']);
  await b.data(['set-tags', 'weather', 'eu']);
  await b.data(['service', 'add', 'forecast', '1001', '--description', 'tomorrow in one line']);
  await eventually(async () => {
    const found = await a.data<{ nodes: { hostname: string; verified: string; tags: string[] }[] }>([
      'find',
      '--tag',
      'weather',
    ]);
    assert.deepEqual(
      found.nodes.map(({ hostname, verified, tags }) => [hostname, verified, tags]),
      [['node-b', 'pinned', ['weather', 'eu']]],
    );
  });
  const { services } = await a.data<{ services: { name: string; description: string }[] }>(['services']);
  assert.deepEqual(
    services.map(({ name, description }) => [name, description]),
    [['forecast', 'tomorrow in one line']],
  );
  assert.match(await a.text(['services', '--text', 'tomorrow']), /forecast +node-b/);
  await b.data(['set-private']);
  await eventually(async () => {
    const found = await a.data<{ nodes: unknown[] }>(['find', '--tag', 'weather']);
    assert.deepEqual(found.nodes, [], 'a private node is not listed, not even for those it trusts');
  });
});
