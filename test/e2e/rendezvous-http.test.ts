import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { NodePage, Overview } from '../../src/api/dashboard.ts';
import { eventually, freePort, type Node, Sandbox } from './pilotctl.ts';

let sandbox: Sandbox;
let server: Node;
let registry: string;
let http: string;

before(async () => {
  sandbox = await Sandbox.open();
  server = sandbox.node('server');
  const [registryPort, beaconPort, httpPort] = [await freePort(), await freePort(), await freePort()];
  registry = `127.0.0.1:${registryPort}`;
  http = `127.0.0.1:${httpPort}`;
  const token = join(sandbox.root, 'token');
  writeFileSync(token, 'the token of the operator\n', { mode: 0o600 });
  const started = await server.run([
    ...['rendezvous', 'start', '--registry-addr', registry, '--beacon-addr', `127.0.0.1:${beaconPort}`],
    ...['--http', `:${httpPort}`, '--admin-token-file', token],
  ]);
  assert.equal(started.exit, 0, started.stderr);
  assert.match(started.stdout, new RegExp(`Dashboard: +http://${http}/`));
});
after(() => sandbox.close());

const ask = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`http://${http}${path}`, { headers });

test('a rendezvous serves its page, its health and its metrics', async () => {
  assert.equal((await server.data(['rendezvous', 'status'])).http, http);
  const page = await ask('/');
  assert.match(await page.text(), /<title>Pilot registry<\/title>/);
  for (const file of ['main.js', 'overview.js', 'uplot.js', 'uplot.css', 'dashboard.css', 'icon.svg'])
    assert.equal((await ask(`/page/${file}`)).status, 200, file);
  assert.deepEqual(await (await ask('/readyz')).json(), { status: 'ready' });
  assert.equal(((await (await ask('/healthz')).json()) as { status: string }).status, 'ok');
  assert.match(await (await ask('/metrics')).text(), /^pilot_store_ready 1$/m);
});

test('a daemon that comes shows on the page, as far as it is public', async () => {
  const node = sandbox.node('a');
  await node.data(['init', '--registry', registry, '--hostname', 'node-a']);
  await node.data(['daemon', 'start']);
  const found = async (headers = {}): Promise<string[]> =>
    ((await (await ask('/api/nodes?q=node-a', headers)).json()) as NodePage).nodes.map(
      ({ hostname }) => hostname,
    );
  assert.deepEqual(await found(), []);
  assert.deepEqual(await found({ authorization: 'Bearer the token of the operator' }), ['node-a']);
  await node.data(['set-public']);
  await eventually(async () => assert.deepEqual(await found(), ['node-a']));
  await eventually(async () => {
    const { nodes, requests } = (await (await ask('/api/overview')).json()) as Overview;
    assert.deepEqual([nodes.registered, nodes.online, requests.total > 0], [1, 1, true]);
  });
});

test('one address holds so many connections, and others get in', async () => {
  const port = Number(http.split(':')[1]);
  const cut = { count: 0 };
  const open = (localAddress: string): Promise<Socket> =>
    new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port, localAddress });
      socket.once('connect', () => resolve(socket)).once('error', reject);
      socket.on('close', () => cut.count++);
      socket.resume();
    });
  const held: Socket[] = [];
  for (let i = 0; i < 120; i++) held.push(await open('127.0.0.7'));
  await eventually(async () => assert.equal(cut.count, 20));
  assert.equal((await ask('/healthz')).status, 200);
  const other = await open('127.0.0.8');
  other.write('GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  const answered = await new Promise<string>((resolve) =>
    other.once('data', (data) => resolve(String(data))),
  );
  assert.match(answered, /^HTTP\/1.1 200 /);
  for (const socket of held) socket.destroy();
});

test('a port that is taken is said so, and nothing is left running', async () => {
  const other = sandbox.node('other');
  const failure = await other.failure([
    ...['rendezvous', 'start', '--registry-addr', `127.0.0.1:${await freePort()}`],
    ...['--beacon-addr', `127.0.0.1:${await freePort()}`, '--http', http],
  ]);
  assert.equal(failure.code, 'port_in_use');
  assert.equal((await other.data(['rendezvous', 'status'])).running, false);
});
