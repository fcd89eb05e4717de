import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { generate } from 'selfsigned';
import { eventually, freePort, type Node, Sandbox } from './pilotctl.ts';

let sandbox: Sandbox;
let server: Node;
let registry: string;
let addresses: string[];

before(async () => {
  sandbox = await Sandbox.open();
  server = sandbox.node('server');
  const [registryPort, beaconPort] = [await freePort(), await freePort()];
  registry = `127.0.0.1:${registryPort}`;
  addresses = ['--registry-addr', registry, '--beacon-addr', `127.0.0.1:${beaconPort}`];
});
after(() => sandbox.close());

let fingerprint: string;

test('rendezvous start prints how other machines join', async () => {
  const { stdout, exit, stderr } = await server.run(['rendezvous', 'start', ...addresses]);
  assert.equal(exit, 0, stderr);
  assert.match(stdout, /^Rendezvous running \(pid \d+\)\n/);
  fingerprint = /Fingerprint: ([0-9a-f]{64})/.exec(stdout)?.[1] ?? '';
  assert.match(stdout, new RegExp(`pilotctl init --registry ${registry} --fingerprint ${fingerprint}`));
  const again = await server.failure(['rendezvous', 'start', ...addresses]);
  assert.equal(again.code, 'already_exists');
  const status = await server.data(['rendezvous', 'status']);
  assert.deepEqual([status.running, status.responsive, status.fingerprint], [true, true, fingerprint]);
  assert.equal(statSync(join(server.home, 'registry', 'tls.json')).mode & 0o777, 0o600);
});

test('init learns the key at the first contact, pins it, and daemons meet', async () => {
  const [a, b] = [sandbox.node('a'), sandbox.node('b')];
  const text = await a.text(['init', '--registry', registry, '--hostname', 'node-a']);
  assert.match(text, new RegExp(`Fingerprint: +${fingerprint}`));
  assert.match(text, /learned now/);
  assert.match(text, /next: pilotctl daemon start/);
  assert.equal(statSync(join(a.home, 'config.json')).mode & 0o777, 0o600);
  const init = await b.data([
    'init',
    '--registry',
    registry,
    '--fingerprint',
    fingerprint,
    '--hostname',
    'node-b',
  ]);
  assert.equal(init.fingerprint, fingerprint);
  for (const node of [a, b]) {
    const started = await node.data(['daemon', 'start']);
    assert.deepEqual([started.network, started.registered], ['configured', true]);
  }
  await a.data(['handshake', 'node-b', 'test']);
  await eventually(() => b.data(['approve', 'node-a']));
  await eventually(() => a.data(['send-message', 'node-b', '--data', 'hello', '--timeout', '5s']));
});

test('the rendezvous may go and come back, and nobody needs to help', async () => {
  const [a, b] = [sandbox.node('a'), sandbox.node('b')];
  process.kill(Number(readFileSync(join(server.home, 'rendezvous.pid'), 'utf8')), 'SIGKILL');
  await eventually(async () => assert.equal((await server.data(['rendezvous', 'status'])).running, false));
  await a.data(['send-message', 'node-b', '--data', 'without the registry', '--timeout', '10s']);
  await server.data(['rendezvous', 'start', ...addresses]);
  await eventually(async () => assert.equal((await a.data(['info'])).registry_connected, true), 30_000);
  await b.data(['daemon', 'restart']);
  await eventually(() => a.data(['send-message', 'node-b', '--data', 'again', '--timeout', '5s']));
});

test('a daemon starts while its registry is away, and keeps its address', async () => {
  const a = sandbox.node('a');
  const { address } = await a.data(['info']);
  await server.data(['rendezvous', 'stop']);
  await a.data(['daemon', 'stop']);
  const { stdout, stderr, exit } = await a.run(['daemon', 'start']);
  assert.equal(exit, 0, stderr);
  assert.match(stderr, /warning: not registered yet: cannot reach the registry/);
  assert.match(stdout, new RegExp(`Address: +${String(address)}`));
  await server.data(['rendezvous', 'start', ...addresses]);
  await eventually(async () => assert.equal((await a.data(['info'])).registered, true), 30_000);
});

test('a registry that shows another key is refused, everywhere', async () => {
  const [a, other] = [sandbox.node('a'), sandbox.node('other-server')];
  await server.data(['rendezvous', 'stop']);
  await other.data(['rendezvous', 'start', ...addresses]);
  const refused = await a.failure(['init', '--registry', registry]);
  assert.equal(refused.code, 'fingerprint_mismatch');
  assert.match(refused.hint, /--fingerprint/);
  await a.data(['daemon', 'restart']);
  await new Promise((resolve) => setTimeout(resolve, 1500));
  assert.equal((await a.data(['info'])).registered, false);
  await other.data(['rendezvous', 'stop']);
  await server.data(['rendezvous', 'start', ...addresses]);
  await eventually(async () => assert.equal((await a.data(['info'])).registered, true), 30_000);
});

test('a server that is no registry, one without TLS, and none at all are told apart', async () => {
  const node = sandbox.node('fresh');
  const silent: Server = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const { port } = silent.address() as { port: number };
  const noTls = await node.failure(['init', '--registry', `127.0.0.1:${port}`]);
  assert.equal(noTls.code, 'protocol_error');
  assert.match(noTls.hint, /--no-tls/);
  const noRegistry = await node.failure(['init', '--registry', `127.0.0.1:${port}`, '--no-tls']);
  assert.equal(noRegistry.code, 'protocol_error');
  silent.close();
  const nobody = await node.failure(['init', '--registry', `127.0.0.1:${await freePort()}`]);
  assert.equal(nobody.code, 'registry_unreachable');
  assert.match(nobody.message, /nothing was saved/);
});

test('a registry from the environment is pinned at the first start', async () => {
  const node = sandbox.node('env');
  const env = { PILOT_REGISTRY: registry };
  const { stderr, exit } = await node.run(['daemon', 'start'], { env });
  assert.equal(exit, 0, stderr);
  assert.match(stderr, new RegExp(`first contact with ${registry}.*${fingerprint}`));
  assert.deepEqual(JSON.parse(readFileSync(join(node.home, 'known-registries.json'), 'utf8')), {
    [registry]: fingerprint,
  });
  await node.data(['daemon', 'stop']);
  writeFileSync(join(node.home, 'known-registries.json'), JSON.stringify({ [registry]: 'ab'.repeat(32) }));
  const started = await node.data(['daemon', 'start'], { env });
  assert.equal(started.registered, false);
});

test('a taken port is named, with the flags that choose others', async () => {
  const error = await sandbox.node('second').failure(['rendezvous', 'start', ...addresses]);
  assert.equal(error.code, 'port_in_use');
  assert.match(error.hint, /--registry-addr/);
});

test('rendezvous start takes over the network of this machine, with addresses and trust', async () => {
  const [x, y] = [sandbox.node('x'), sandbox.node('y')];
  const local = await x.data(['daemon', 'start', '--hostname', 'node-x']);
  assert.equal(local.network, 'hosting');
  await y.data(['daemon', 'start', '--hostname', 'node-y']);
  await x.data(['handshake', 'node-y', 'test']);
  await eventually(() => y.data(['approve', 'node-x']));
  const localAddresses = [
    '--registry-addr',
    `0.0.0.0:${sandbox.registryPort}`,
    '--beacon-addr',
    `0.0.0.0:${sandbox.beaconPort}`,
  ];
  const { stderr, exit } = await x.run(['rendezvous', 'start', ...localAddresses]);
  assert.equal(exit, 0, stderr);
  assert.match(stderr, /taking over the network of this machine/);
  const far = sandbox.node('far');
  await far.data(['init', '--registry', `127.0.0.1:${sandbox.registryPort}`, '--hostname', 'far']);
  assert.equal((await far.data(['daemon', 'start'])).registered, true);
  await eventually(async () => assert.equal((await x.data(['info'])).registered, true), 30_000);
  assert.equal((await x.data(['info'])).address, local.address);
  await eventually(() => x.data(['send-message', 'node-y', '--data', 'hello', '--timeout', '5s']));
  await far.data(['handshake', 'node-x', 'hello from outside']);
  await eventually(() => x.data(['approve', 'far']), 30_000);
  await x.data(['rendezvous', 'stop']);
  await eventually(async () => assert.match(x.log + y.log, /hosting[\s\S]*hosting/), 30_000);
});

test('held local ports are replaced by others that later daemons find', async () => {
  const crowded = await Sandbox.open();
  const squatter: Server = createServer();
  await new Promise<void>((resolve) => squatter.listen(crowded.registryPort, '127.0.0.1', resolve));
  try {
    const [one, two] = [crowded.node('one'), crowded.node('two')];
    const hosting = await one.data(['daemon', 'start']);
    assert.equal(hosting.network, 'hosting');
    assert.notEqual(hosting.registry, `127.0.0.1:${crowded.registryPort}`);
    const joined = await two.data(['daemon', 'start']);
    assert.deepEqual([joined.network, joined.registry], ['joined', hosting.registry]);
  } finally {
    squatter.close();
    await crowded.close();
  }
});

test('a daemon in the foreground ends at Ctrl-C and leaves nothing', async () => {
  const node = sandbox.node('foreground');
  const child = node.start(['daemon', 'start', '--foreground']);
  await eventually(async () => assert.equal((await node.run(['daemon', 'status', '--check'])).exit, 0));
  assert.equal((await node.failure(['daemon', 'start'])).code, 'already_exists');
  child.kill('SIGINT');
  const code = await new Promise((resolve) => child.on('close', resolve));
  assert.equal(code, 0);
  assert.equal((await node.data(['daemon', 'status'])).running, false);
});

test("rendezvous start shows a certificate of one's own, and refuses a key that is not its key", async () => {
  const node = sandbox.node('own-certificate');
  const directory = mkdtempSync(join(tmpdir(), 'pilot-certificate-'));
  const made = await generate([{ name: 'commonName', value: 'pilot.example' }]);
  const other = await generate([{ name: 'commonName', value: 'other.example' }]);
  const file = (name: string, text: string): string => {
    const path = join(directory, name);
    writeFileSync(path, text);
    return path;
  };
  const [cert, key, wrong] = [
    file('own.pem', made.cert),
    file('own.key', made.private),
    file('wrong.key', other.private),
  ];
  const port = await freePort();
  const start = (...words: string[]): string[] => [
    ...['rendezvous', 'start', '--registry-addr', `127.0.0.1:${port}`, '--beacon-addr', '127.0.0.1:0'],
    ...words,
  ];
  for (const words of [
    ['--tls-cert', cert],
    ['--tls-key', key],
    ['--tls-cert', cert, '--tls-key', wrong],
    ['--tls-cert', key, '--tls-key', cert],
    ['--tls-cert', `${cert}.absent`, '--tls-key', key],
  ]) {
    const { code } = await node.failure(start(...words));
    assert.equal(code, 'invalid_argument', words.join(' '));
  }
  const started = await node.data(start('--tls-cert', cert, '--tls-key', key));
  const { fingerprint256 } = new X509Certificate(made.cert);
  assert.equal(started.fingerprint, fingerprint256.replaceAll(':', '').toLowerCase());
  const client = sandbox.node('own-certificate-client');
  const joined = await client.data(['init', '--registry', `127.0.0.1:${port}`]);
  assert.equal(joined.fingerprint, started.fingerprint);
  await node.data(['rendezvous', 'stop']);
  rmSync(directory, { recursive: true });
});
