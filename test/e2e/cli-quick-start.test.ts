import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { eventually, type Node, Sandbox } from './pilotctl.ts';

let sandbox: Sandbox;
let a: Node;
let b: Node;

before(async () => {
  sandbox = await Sandbox.open();
  a = sandbox.node('a');
  b = sandbox.node('b');
});
after(() => sandbox.close());

test('daemon start on a fresh machine just works, and says how to go on', async () => {
  const { stdout, stderr, exit } = await a.run(['daemon', 'start', '--hostname', 'node-a']);
  assert.equal(exit, 0, stderr);
  assert.match(stderr, /^starting daemon \(pid \d+\)\.\.\.\n$/);
  assert.match(
    stdout,
    /^Daemon running \(pid \d+\)\n {2}Address: {2}0:0000\.0000\.0001\n {2}Hostname: node-a\n/,
  );
  assert.match(stdout, /hosted here/);
  assert.match(stdout, /pilotctl rendezvous start/);
  assert.match(stdout, /pilotctl init --registry HOST/);
  assert.equal(
    stdout.split('\n').filter((line) => line.startsWith('Only daemons') || line.startsWith('others')).length,
    2,
  );
});

test('a second daemon on the machine joins the first', async () => {
  const started = await b.data(['daemon', 'start', '--hostname', 'node-b']);
  assert.equal(started.network, 'joined');
  assert.equal(started.registered, true);
  assert.equal(started.address, '0:0000.0000.0002');
  assert.equal(started.hostname, 'node-b');
  assert.equal(started.socket, join(b.home, 'pilot.sock'));
});

test('what the daemon keeps is for its owner only', () => {
  assert.equal(statSync(a.home).mode & 0o777, 0o700);
  for (const name of ['identity.json', 'pilot.pid', 'pilot.run', 'pilot.log', 'pilot.sock', 'node.json']) {
    assert.equal(statSync(join(a.home, name)).mode & 0o777, 0o600, name);
  }
});

test('before trust, not even a ping gets through, and the hint says what to do', async () => {
  const error = await a.failure(['ping', '2', '--count', '1', '--timeout', '2s']);
  assert.equal(error.code, 'untrusted');
  assert.match(error.hint, /pilotctl handshake 2/);
  assert.equal((await a.failure(['find', 'node-b'])).code, 'not_found');
});

test('a private node is asked by its hostname and approves by ours', async () => {
  const sent = await a.text(['handshake', 'node-b', 'let us work together']);
  assert.match(sent, /handshake request sent to "node-b"/);
  assert.match(sent, /pilotctl approve node-a/);
  const waiting = await eventually(async () => {
    const { pending } = await b.data<{ pending: { node_id: number; justification: string }[] }>(['pending']);
    assert.equal(pending.length, 1);
    return pending[0];
  });
  assert.equal(waiting?.node_id, 1);
  assert.equal(waiting?.justification, 'let us work together');
  assert.match(await b.text(['pending']), /let us work together/);
  assert.match(await b.text(['approve', 'node-a']), /trust established with node 1/);
  await eventually(async () => {
    const { trusted } = await a.data<{ trusted: { node_id: number; mutual: boolean }[] }>(['trust']);
    assert.deepEqual(
      trusted.map(({ node_id, mutual }) => [node_id, mutual]),
      [[2, true]],
    );
  });
  assert.match(await a.text(['trust']), /node-b/);
});

test('peers are named by hostname, address and node id', async () => {
  for (const name of ['node-b', '0:0000.0000.0002', '2']) {
    const pinged = await a.data<{ received: number; target: string }>(['ping', name, '--count', '1']);
    assert.equal(pinged.received, 1, name);
    assert.equal(pinged.target, '0:0000.0000.0002');
  }
  assert.match(
    await a.text(['ping', 'node-b', '--count', '2', '--interval', '50ms']),
    /2 pings sent, 2 answered, min\/avg\/max/,
  );
  assert.equal((await a.data(['find', 'node-b'])).node_id, 2);
  assert.equal((await a.data(['lookup', 'node-b'])).node_id, 2);
});

test('messages of every kind arrive in the inbox', async () => {
  const sent = await a.data(['send-message', 'node-b', '--data', 'hello']);
  assert.equal(sent.ack, 'ACK TEXT 5 bytes');
  await a.data(['send-message', 'node-b', '--type', 'json', '--data', '-'], { input: '{"n":1}' });
  const binary = join(sandbox.root, 'bytes');
  writeFileSync(binary, Buffer.from([0, 255, 128]));
  await a.data(['send-message', 'node-b', '--type', 'binary', '--data-file', binary]);
  const { messages, total } = await b.data<{ messages: Record<string, unknown>[]; total: number }>(['inbox']);
  assert.equal(total, 3);
  assert.deepEqual(
    messages.map(({ type, from, bytes, data, data_b64 }) => ({ type, from, bytes, data, data_b64 })),
    [
      { type: 'TEXT', from: '0:0000.0000.0001', bytes: 5, data: 'hello', data_b64: undefined },
      { type: 'JSON', from: '0:0000.0000.0001', bytes: 7, data: '{"n":1}', data_b64: undefined },
      { type: 'BINARY', from: '0:0000.0000.0001', bytes: 3, data: undefined, data_b64: 'AP+A' },
    ],
  );
  assert.match(
    await b.text(['inbox']),
    /Inbox \(3 messages\):\n\[.*\] from node-a type=TEXT id=\S+\n {2}hello\n/,
  );
  assert.equal((await b.data(['inbox', 'read', 'latest'])).type, 'BINARY');
  assert.equal((await b.data(['inbox', '--clear'])).cleared, 3);
  assert.equal(await b.text(['inbox']), 'inbox is empty\n');
});

test('a file arrives whole, with the checksum shown', async () => {
  const file = join(sandbox.root, 'model.bin');
  const content = randomBytes(3_000_000);
  writeFileSync(file, content);
  const sha256 = createHash('sha256').update(content).digest('hex');
  const sent = await a.data(['send-file', 'node-b', file]);
  assert.equal(sent.bytes, content.length);
  assert.equal(sent.sha256, sha256);
  assert.equal(sent.transport, 'stream');
  const { files } = await b.data<{ files: { path: string; bytes: number }[] }>(['received']);
  assert.equal(files.length, 1);
  assert(readFileSync(files[0]!.path).equals(content));
  assert.match(await b.text(['received']), /model-.*\.bin +3\.0 MB/);
  assert.equal((await b.data(['received', '--clear'])).cleared, 1);
});

test('streams: echo, a listener, and nobody listening', async () => {
  assert.equal(await a.text(['connect', 'node-b', '7', '--data', 'echo this']), 'echo this');
  assert.equal(await a.text(['connect', 'node-b', '7'], { input: 'piped' }), 'piped');
  const receiving = b.data<{ messages: { data: string; from: string }[] }>(['recv', '1234', '--count', '2']);
  await eventually(() => a.data(['send', 'node-b', '1234', '--data', 'one', '--timeout', '5s']));
  await a.data(['send', 'node-b', '1234', '--data', 'two']);
  const { messages } = await receiving;
  assert.deepEqual(
    messages.map(({ data, from }) => [data, from]),
    [
      ['one', '0:0000.0000.0001'],
      ['two', '0:0000.0000.0001'],
    ],
  );
  const refused = await a.failure(['send', 'node-b', '4321', '--data', 'x']);
  assert.equal(refused.code, 'connection_refused');
  assert.match(refused.hint, /pilotctl recv 4321/);
  const late = await b.failure(['recv', '1235', '--timeout', '500ms']);
  assert.equal(late.code, 'timeout');
  assert.deepEqual(late.data, { port: 1235, messages: [], timeout: true });
});

test('datagrams: sent once a key is there, received on a port, and too large for one', async () => {
  const receiving = b.data<{ messages: { data: string; src_addr: string }[] }>(['listen', '5000']);
  const sent = await eventually(async () => {
    const one = await a.data<{ recipients: number }>(['dgram', 'node-b', '5000', '--data', 'tick']);
    const heard = await Promise.race([receiving, new Promise<void>((r) => setTimeout(r, 200))]);
    assert.ok(heard !== undefined);
    return one;
  });
  assert.equal(sent.recipients, 1);
  const [message] = (await receiving).messages;
  assert.deepEqual([message!.data, message!.src_addr], ['tick', '0:0000.0000.0001']);
  const refused = await a.failure(['dgram', 'node-b', '5000', '--data', 'x'.repeat(70_000)]);
  assert.equal(refused.code, 'too_large');
  assert.match(refused.hint, /send-message/);
  const late = await b.failure(['listen', '5001', '--timeout', '500ms']);
  assert.equal(late.code, 'timeout');
  assert.deepEqual(late.data, { port: 5001, messages: [], timeout: true });
});

test('bench verifies what comes back', async () => {
  const result = await a.data<{ sent_bytes: number; recv_bytes: number }>(['bench', 'node-b', '2']);
  assert.equal(result.sent_bytes, 2 * 1024 * 1024);
  assert.equal(result.recv_bytes, result.sent_bytes);
});

test('diagnostics name the peer and its path', async () => {
  const { peers } = await a.data<{ peers: Record<string, unknown>[] }>(['peers']);
  assert.equal(peers[0]?.node_id, 2);
  assert.equal(peers[0]?.encrypted, true);
  assert.match(await a.text(['peers']), /node-b/);
  assert.equal((await a.data(['peers', '--search', 'nobody'])).total, 0);
  const info = await a.data(['info']);
  assert.equal(info.node_id, 1);
  assert.equal(info.hostname, 'node-a');
  assert.match(await a.text(['info']), /Address: +0:0000\.0000\.0001/);
  assert.equal((await a.failure(['disconnect', '4000000'])).code, 'not_found');
  assert.equal((await a.data(['connections'])).total !== undefined, true);
});

test('name and visibility change at once', async () => {
  assert.equal(await b.text(['set-hostname', 'bob']), 'hostname set: bob\n');
  assert.equal((await a.data(['find', 'bob'])).node_id, 2);
  assert.equal((await b.data(['set-public'])).visibility, 'public');
  assert.equal((await a.data(['lookup', '2'])).public, true);
  assert.equal((await b.data(['set-private'])).visibility, 'private');
  assert.deepEqual(await b.data(['clear-hostname']), { hostname: '' });
});

test('untrust ends it for both sides', async () => {
  assert.equal((await b.data(['untrust', '1'])).status, 'revoked');
  assert.equal((await b.failure(['untrust', '1'])).code, 'not_found');
  await eventually(async () => {
    const error = await a.failure(['send-message', '2', 'still there?', '--timeout', '3s']);
    assert.match(error.hint, /pilotctl handshake/);
  });
  await eventually(async () => assert.deepEqual(await a.data(['trust']), { trusted: [] }));
});

test('status, logs and stop', async () => {
  assert.match(await a.text(['daemon', 'status']), /^Daemon: running \(pid \d+\)\n/);
  assert.equal((await a.run(['daemon', 'status', '--check'])).exit, 0);
  assert.match(await a.text(['daemon', 'logs', '-n', '5']), /INFO|DEBUG|WARN/);
  const pid = a.pid;
  assert.deepEqual(await a.data(['daemon', 'stop']), { pid, forced: false });
  assert(!existsSync(join(a.home, 'pilot.sock')));
  assert(!existsSync(join(a.home, 'pilot.pid')));
  const checked = await a.run(['daemon', 'status', '--check']);
  assert.deepEqual([checked.exit, checked.stdout, checked.stderr], [1, '', '']);
  assert.equal((await a.data(['daemon', 'status'])).running, false);
  assert.equal((await a.failure(['daemon', 'stop'])).code, 'not_running');
});
