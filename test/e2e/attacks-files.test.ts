/** Damaged files, and places that somebody else holds. Each is refused with a clear error, and left exactly as it was. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { cpSync, mkdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually, type Failure, type Node, Sandbox } from './pilotctl.ts';

let sandbox: Sandbox;
/** A home with an identity, a trusted peer and a registry of its own, not running. */
let model: Node;
let copies = 0;

before(async () => {
  sandbox = await Sandbox.open();
  model = sandbox.node('model');
  const friend = sandbox.node('friend');
  await model.data(['daemon', 'start', '--hostname', 'model']);
  await friend.data(['daemon', 'start', '--hostname', 'friend']);
  await model.data(['handshake', 'friend']);
  await eventually(() => friend.data(['approve', 'model']));
  await eventually(async () => assert.equal(await trustedBy(model), 1));
  await friend.data(['daemon', 'stop']);
  await model.data(['daemon', 'stop']);
});
after(() => sandbox?.close());

async function trustedBy(node: Node): Promise<number> {
  return (await node.data<{ trusted: unknown[] }>(['trust'])).trusted.length;
}

/** The model's home once more, for one experiment. */
function copy(): Node {
  const node = sandbox.node(`copy-${++copies}`);
  cpSync(model.home, node.home, { recursive: true });
  return node;
}

/** What must survive: the damaged file and the state files of the node. */
function contents(home: string, damaged: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const path of new Set(['identity.json', 'trust.json', 'node.json', 'peers.json', damaged])) {
    const file = join(home, path);
    found[path] = statSync(file).isFile() ? sha256(readFileSync(file)) : 'not a file';
  }
  return found;
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

interface Damage {
  readonly what: string;
  readonly file: string;
  readonly damage: (path: string) => void;
  readonly code: string;
  readonly message: RegExp;
}

const DAMAGES: readonly Damage[] = [
  {
    what: 'a truncated identity',
    file: 'identity.json',
    damage: (path) => truncateSync(path, 40),
    code: 'identity_invalid',
    message: /identity\.json: it is not JSON/,
  },
  {
    what: 'an identity whose keys do not belong together',
    file: 'identity.json',
    damage: (path) => {
      const identity = JSON.parse(readFileSync(path, 'utf8'));
      identity.public_key = randomBytes(32).toString('base64');
      writeFileSync(path, JSON.stringify(identity));
    },
    code: 'identity_invalid',
    message: /two keys do not belong together/,
  },
  {
    what: 'an identity that cannot be read',
    file: 'identity.json',
    damage: (path) => {
      rmSync(path);
      mkdirSync(path);
    },
    code: 'io_error',
    message: /Cannot read .*identity\.json: EISDIR/,
  },
  {
    what: 'truncated trust',
    file: 'trust.json',
    damage: (path) => truncateSync(path, 100),
    code: 'state_corrupt',
    message: /trust\.json/,
  },
  {
    what: 'trust of the wrong shape',
    file: 'trust.json',
    damage: (path) => writeFileSync(path, '{"trusted":[{"node_id":"two","public_key":7}]}'),
    code: 'state_corrupt',
    message: /trust\.json/,
  },
  {
    what: 'a node state of the wrong shape',
    file: 'node.json',
    damage: (path) => writeFileSync(path, '{"node_id":-5,"hostname":[]}'),
    code: 'state_corrupt',
    message: /node\.json/,
  },
  {
    what: 'truncated notes about peers',
    file: 'peers.json',
    damage: (path) => truncateSync(path, 20),
    code: 'state_corrupt',
    message: /peers\.json/,
  },
  {
    what: 'a registry store of random bytes',
    file: 'registry/registry.db',
    damage: (path) => writeFileSync(path, randomBytes(16_384)),
    code: 'state_corrupt',
    message: /registry\.db/,
  },
  {
    what: 'a registry store with a page overwritten',
    file: 'registry/registry.db',
    damage: (path) => {
      const bytes = readFileSync(path);
      randomBytes(4096).copy(bytes, 4096);
      writeFileSync(path, bytes);
    },
    code: 'state_corrupt',
    message: /registry\.db/,
  },
  {
    what: 'a broken registry key',
    file: 'registry/tls.json',
    damage: (path) => truncateSync(path, 60),
    code: 'state_corrupt',
    message: /tls\.json/,
  },
];

/** The files are read before a registry is asked. */
const STARTING = ['daemon', 'start', '--registry=127.0.0.1:1', '--no-tls'];

/** Serves the registry that lies in the node's home. */
function serving(node: Node): string[] {
  const store = join(node.home, 'registry');
  return [
    'rendezvous',
    'start',
    '--registry-addr=127.0.0.1:0',
    '--beacon-addr=127.0.0.1:0',
    `--store=${store}`,
  ];
}

describe('damaged files', { concurrency: 4 }, () => {
  for (const { what, file, damage, code, message } of DAMAGES) {
    test(`${what} is refused, named and left alone`, async () => {
      const node = copy();
      damage(join(node.home, file));
      const before = contents(node.home, file);
      const error = await node.failure(file.startsWith('registry/') ? serving(node) : STARTING);
      assert.equal(error.code, code, error.message);
      assert.match(error.message, message);
      assert.notEqual(error.hint, '');
      assert.deepEqual(contents(node.home, file), before);
      assert.throws(() => node.pid, /ENOENT/);
    });
  }
});

test('with the damaged file put back, the node is who it was', async () => {
  const node = copy();
  truncateSync(join(node.home, 'trust.json'), 10);
  await node.failure(['daemon', 'start']);
  cpSync(join(model.home, 'trust.json'), join(node.home, 'trust.json'));
  const started = await node.data(['daemon', 'start']);
  assert.equal(started.node_id, 1);
  assert.equal(started.hostname, 'model');
  assert.equal(await trustedBy(node), 1);
  await node.data(['daemon', 'stop']);
});

// ---- places somebody holds

/** A TCP or Unix listener that is no Pilot program. */
async function foreigner(at: { port: number; host: string } | { path: string }): Promise<{ close(): void }> {
  const server = createServer((socket) => socket.on('error', () => {}).resume());
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(at, resolve));
  return server;
}

async function refused(node: Node, args: readonly string[]): Promise<Failure> {
  const error = await node.failure(args);
  assert.notEqual(error.hint, '');
  return error;
}

test('a socket another program listens on is not taken from it', async () => {
  const node = copy();
  const path = join(node.home, 'pilot.sock');
  const holder = await foreigner({ path });
  const error = await refused(node, ['daemon', 'start']);
  assert.equal(error.code, 'already_exists');
  assert.match(error.message, /pilot\.sock/);
  assert.equal(statSync(path).isSocket(), true);
  holder.close();
});

test('a file in the place of the socket is left alone', async () => {
  const node = copy();
  const path = join(node.home, 'pilot.sock');
  writeFileSync(path, 'precious');
  const error = await refused(node, ['daemon', 'start']);
  assert.match(error.message, /pilot\.sock: a file that is not a socket/);
  assert.equal(readFileSync(path, 'utf8'), 'precious');
});

test('a dead socket and a stale pid file stop nobody', async () => {
  const node = copy();
  await node.data(['daemon', 'start']);
  process.kill(node.pid, 'SIGKILL');
  await eventually(async () => assert.equal((await node.data(['daemon', 'status'])).running, false));
  assert.equal((await node.data(['daemon', 'start'])).node_id, 1);
  await node.data(['daemon', 'stop']);
});

test('a tunnel port that is taken is named', async () => {
  const node = copy();
  const holder = createSocket('udp4');
  await new Promise<void>((resolve) => holder.bind(0, '127.0.0.1', resolve));
  const { port } = holder.address();
  const error = await refused(node, ['daemon', 'start', '--listen', `127.0.0.1:${port}`]);
  assert.equal(error.code, 'port_in_use');
  assert.match(error.message, new RegExp(`${port}`));
  holder.close();
});

test('ports of registry and beacon that are taken are named', async () => {
  const node = sandbox.node('rendezvous');
  const tcp = await foreigner({ host: '127.0.0.1', port: sandbox.registryPort });
  const onRegistry = await refused(node, [
    'rendezvous',
    'start',
    `--registry-addr=127.0.0.1:${sandbox.registryPort}`,
    '--beacon-addr=127.0.0.1:0',
  ]);
  assert.equal(onRegistry.code, 'port_in_use');
  assert.match(onRegistry.message, new RegExp(`${sandbox.registryPort}`));
  // The network of this machine does not insist on a port: others find it by its announcement.
  const local = copy();
  const elsewhere = await local.data<{ registry: string; network: string }>(['daemon', 'start']);
  assert.equal(elsewhere.network, 'hosting');
  assert.notEqual(elsewhere.registry, `127.0.0.1:${sandbox.registryPort}`);
  await local.data(['daemon', 'stop']);
  tcp.close();
  const udp = createSocket('udp4');
  await new Promise<void>((resolve) => udp.bind(sandbox.beaconPort, '127.0.0.1', resolve));
  const onBeacon = await refused(node, [
    'rendezvous',
    'start',
    '--registry-addr=127.0.0.1:0',
    `--beacon-addr=127.0.0.1:${sandbox.beaconPort}`,
  ]);
  assert.equal(onBeacon.code, 'port_in_use');
  assert.match(onBeacon.message, new RegExp(`${sandbox.beaconPort}`));
  udp.close();
});

test('a home that is a file, or is another program’s, is refused', async () => {
  const node = sandbox.node('not-a-directory');
  writeFileSync(node.home, 'precious');
  const error = await refused(node, ['daemon', 'start']);
  assert.match(error.message, /not-a-directory/);
  assert.equal(readFileSync(node.home, 'utf8'), 'precious');
});
