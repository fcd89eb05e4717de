import assert from 'node:assert/strict';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { eventually, type Node, Sandbox } from './pilotctl.ts';

let sandbox: Sandbox;
let a: Node;
let b: Node;

/** What must survive everything. */
interface Standing {
  readonly address: unknown;
  readonly hostname: unknown;
  readonly public_key: unknown;
}

async function standing(node: Node): Promise<Standing> {
  const { address, hostname, public_key } = await node.data(['info']);
  return { address, hostname, public_key };
}

function kill(node: Node): void {
  process.kill(node.pid, 'SIGKILL');
}

async function talk(from: Node, to: string): Promise<void> {
  await eventually(() => from.data(['send-message', to, '--data', 'hello', '--timeout', '10s']), 30_000);
}

let first: readonly [Standing, Standing];

before(async () => {
  sandbox = await Sandbox.open();
  a = sandbox.node('a');
  b = sandbox.node('b');
  await a.data(['daemon', 'start', '--hostname', 'node-a']);
  await b.data(['daemon', 'start', '--hostname', 'node-b']);
  await a.data(['handshake', 'node-b', 'test']);
  await eventually(() => b.data(['approve', 'node-a']));
  await talk(a, 'node-b');
  first = [await standing(a), await standing(b)];
});
after(() => sandbox.close());

async function everythingIsBack(): Promise<void> {
  assert.deepEqual([await standing(a), await standing(b)], first);
  await talk(a, 'node-b');
  await talk(b, 'node-a');
  for (const node of [a, b]) {
    const { trusted } = await node.data<{ trusted: unknown[] }>(['trust']);
    assert.equal(trusted.length, 1);
  }
}

test('stop and start', async () => {
  await b.data(['daemon', 'stop']);
  await b.data(['daemon', 'start']);
  await everythingIsBack();
});

test('kill -9 of the daemon that joined', async () => {
  kill(b);
  assert.equal((await b.data(['daemon', 'status'])).running, false);
  await b.data(['daemon', 'start']);
  await everythingIsBack();
});

test('kill -9 of the daemon that hosts: the other takes over, and the first joins it', async () => {
  kill(a);
  await eventually(async () => assert.match(b.log, /local_network\.hosting/));
  assert.equal((await a.data(['daemon', 'start'])).network, 'joined');
  await everythingIsBack();
});

test('kill -9 of both, started again in the other order', async () => {
  kill(a);
  kill(b);
  const again = await b.data(['daemon', 'start']);
  assert.equal(again.network, 'hosting');
  assert.equal((await a.data(['daemon', 'start'])).network, 'joined');
  await everythingIsBack();
});

test('restart keeps the flags of the start', async () => {
  await b.data(['daemon', 'stop']);
  await b.data(['daemon', 'start', '--log-level', 'debug']);
  const before = b.pid;
  await b.data(['daemon', 'restart']);
  assert.notEqual(b.pid, before);
  await eventually(async () =>
    assert.match(b.log.slice(b.log.lastIndexOf('daemon.started')), /debug|daemon/),
  );
  await everythingIsBack();
});

test('a name changed at run time is the one after a restart', async () => {
  await b.data(['config', '--set', 'hostname=node-b']);
  await b.data(['set-hostname', 'renamed']);
  await b.data(['daemon', 'restart']);
  assert.equal((await standing(b)).hostname, 'renamed');
  await b.data(['set-hostname', 'node-b']);
  await everythingIsBack();
});

test('a run file of a dead process with a reused pid stops nobody', async () => {
  const pid = a.pid;
  kill(a);
  // Another process now has the pid for all that the pid file can tell.
  assert(existsSync(join(a.home, 'pilot.pid')));
  assert.equal((await a.failure(['daemon', 'stop'])).code, 'not_running');
  const started = await a.data(['daemon', 'start']);
  assert.notEqual(started.pid, pid);
  await everythingIsBack();
});

test('of two starts at once, one wins and the other says so', async () => {
  await a.data(['daemon', 'stop']);
  const [one, two] = await Promise.all([
    a.run(['daemon', 'start', '--json']),
    a.run(['daemon', 'start', '--json']),
  ]);
  assert.deepEqual([one.exit, two.exit].sort(), [0, 1]);
  const loser = one.exit === 1 ? one : two;
  assert.equal(JSON.parse(loser.stderr).code, 'already_exists');
  await everythingIsBack();
});

test('a lost socket file does not hide a running daemon', async () => {
  rmSync(join(a.home, 'pilot.sock'));
  const status = await a.data(['daemon', 'status']);
  assert.deepEqual([status.running, status.responsive], [true, false]);
  assert.equal((await a.failure(['daemon', 'start'])).code, 'already_exists');
  await a.data(['daemon', 'restart']);
  await everythingIsBack();
});
