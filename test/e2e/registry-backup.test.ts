import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { freePort, type Node, Sandbox } from './pilotctl.ts';
import { isGone, RawClient } from './registry-client.testkit.ts';
import { newKey, registrar, type Tally } from './registry-workers.testkit.ts';

let sandbox: Sandbox;
let server: Node;
let port: number;
let beacon: string;

before(async () => {
  sandbox = await Sandbox.open();
  server = sandbox.node('server');
  port = await freePort();
  beacon = `127.0.0.1:${await freePort()}`;
});
after(() => sandbox.close());

const start = (node: Node) =>
  node.data(['rendezvous', 'start', '--registry-addr', `127.0.0.1:${port}`, '--beacon-addr', beacon]);

test('a backup of a running registry has what was acknowledged before, and can take its place', async () => {
  const started = await start(server);
  const tally: Tally = { registrations: 0, hostnames: 0, trust: 0, heartbeats: 0, unknown: 0 };
  const worker = registrar('kept');
  await worker.begin(port);
  const load = worker.run(tally).catch((error: unknown) => {
    if (!isGone(error)) throw error;
  });
  while (tally.registrations < 3) await new Promise((resolve) => setTimeout(resolve, 20));
  const client = await RawClient.connect(port, newKey());
  const { node_id } = await client.register({ hostname: 'before-backup' });
  const acknowledged = tally.registrations;
  const to = join(sandbox.root, 'backup');
  const backup = await server.data(['registry', 'backup', '--to', to]);
  assert.equal(backup.running, true);
  assert.ok(Number(backup.nodes) > acknowledged, `${String(backup.nodes)} of ${acknowledged} and one`);
  assert.deepEqual(readdirSync(to).sort(), ['registry.db', 'tls.json']);
  assert.deepEqual(
    ['', 'registry.db', 'tls.json'].map((name) => statSync(join(to, name)).mode & 0o777),
    [0o700, 0o600, 0o600],
  );
  // It went on meanwhile, and still does.
  const { hostname } = await client.register({ hostname: 'after-backup' });
  assert.equal(hostname, 'after-backup');
  assert.equal((await server.failure(['registry', 'backup', '--to', to])).code, 'already_exists');
  await server.data(['rendezvous', 'stop']);
  await load;

  const other = sandbox.node('other');
  const restored = await other.data(['registry', 'restore', '--from', to]);
  assert.equal(restored.nodes, backup.nodes);
  const again = await start(other);
  assert.equal(again.fingerprint, started.fingerprint);
  const back = await RawClient.connect(port, client.key);
  const reply = await back.register();
  assert.deepEqual([reply.node_id, reply.hostname], [node_id, 'before-backup']);
  await other.data(['rendezvous', 'stop']);
});

test('a stopped registry is backed up, too, and what is there is not lost by a restore', async () => {
  const to = join(sandbox.root, 'stopped');
  const backup = await server.data(['registry', 'backup', '--to', to]);
  assert.equal(backup.running, false);
  const refused = await server.failure(['registry', 'restore', '--from', to]);
  assert.equal(refused.code, 'already_exists');
  const { former, nodes } = await server.data(['registry', 'restore', '--from', to, '--replace']);
  assert.equal(nodes, backup.nodes);
  assert.ok(existsSync(join(String(former), 'registry.db')));
  const kept = await server.data([
    ...['registry', 'backup', '--store', String(former), '--to', join(sandbox.root, 'former')],
  ]);
  assert.equal(kept.nodes, backup.nodes);
});

test('a damaged backup is refused and changes nothing', async () => {
  const good = join(sandbox.root, 'stopped');
  const bad = join(sandbox.root, 'bad');
  cpSync(good, bad, { recursive: true });
  const bytes = readFileSync(join(bad, 'registry.db'));
  writeFileSync(join(bad, 'registry.db'), bytes.fill(0xa5, 4096, 4196));
  const before = readFileSync(join(server.home, 'registry', 'registry.db'));
  const { code } = await server.failure(['registry', 'restore', '--from', bad, '--replace']);
  assert.equal(code, 'state_corrupt');
  assert.equal(readFileSync(join(server.home, 'registry', 'registry.db')).equals(before), true);
  const nothing = join(sandbox.root, 'nothing');
  mkdirSync(nothing);
  assert.equal((await server.failure(['registry', 'restore', '--from', nothing])).code, 'not_found');
  assert.deepEqual(
    readdirSync(server.home).filter((name) => name.includes('partial')),
    [],
  );
});

test('the store of a running registry is not restored over, nor copied behind its back', async () => {
  await start(server);
  const store = join(server.home, 'registry');
  const restore = await server.failure([
    ...['registry', 'restore', '--from', join(sandbox.root, 'stopped'), '--replace'],
  ]);
  const copy = await server.failure([
    ...['registry', 'backup', '--store', store, '--to', join(sandbox.root, 'behind')],
  ]);
  assert.deepEqual([restore.code, copy.code], ['already_exists', 'already_exists']);
  await server.data(['rendezvous', 'stop']);
});
