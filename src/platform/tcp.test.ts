import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { connect as rawConnect } from 'node:net';
import { after, before, test } from 'node:test';
import { generate } from 'selfsigned';
import { fromUtf8, utf8 } from '../base/bytes.ts';
import type { Pipe, PipeServer, TlsServerOptions } from '../runtime/ports.ts';
import { nodeNet } from './net.ts';
import { listenTcp } from './tcp.ts';

const net = nodeNet();
const anyPort = { host: '127.0.0.1', port: 0 };
let server: PipeServer;
let fingerprint: string;
let tls: TlsServerOptions;
const accepted: Pipe[] = [];

function echo(pipe: Pipe): void {
  accepted.push(pipe);
  pipe.onData((data) => pipe.write(data));
}

function text(pipe: Pipe, length: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let got = '';
    pipe.onData((data) => {
      got += fromUtf8(data);
      if (got.length >= length) resolve(got);
    });
    pipe.onClose((error) => reject(error ?? new Error('closed')));
  });
}

before(async () => {
  const pem = await generate([{ name: 'commonName', value: 'test' }], { keyType: 'ec', curve: 'P-256' });
  fingerprint = createHash('sha256').update(new X509Certificate(pem.cert).raw).digest('hex');
  tls = { certificate: pem.cert, privateKey: pem.private };
  server = await net.listen(anyPort, echo, { tls });
});
after(() => server.close());

test('plain and TLS clients share a port, told apart by their first byte', async () => {
  const plain = await net.connect(server.local);
  assert.equal(plain.secure, false);
  plain.write(utf8('hello'));
  assert.equal(await text(plain, 5), 'hello');
  assert.equal(accepted.at(-1)!.secure, false);
  assert.equal(accepted.at(-1)!.remote.port, plain.local.port);

  const tls = await net.connect(server.local, { tls: { fingerprint: fingerprint.toUpperCase() } });
  assert.equal(tls.secure, true);
  const long = 'x'.repeat(300_000);
  tls.write(utf8(long));
  assert.equal(await text(tls, long.length), long);
  assert.equal(accepted.at(-1)!.secure, true);
  plain.end();
  tls.end();
});

test('another fingerprint than the pinned one is refused before a byte is sent', async () => {
  await assert.rejects(net.connect(server.local, { tls: { fingerprint: '00'.repeat(32) } }), {
    code: 'fingerprint_mismatch',
  });
});

test('TLS without a pinned key connects but does not count as secure', async () => {
  const pipe = await net.connect(server.local, { tls: {} });
  assert.equal(pipe.secure, false);
  pipe.destroy();
});

test('broken TLS and silent clients do not disturb others', async () => {
  const broken = rawConnect(server.local.port, server.local.host);
  broken.on('error', () => {});
  broken.resume();
  const gone = new Promise((resolve) => broken.once('close', resolve));
  broken.write(Uint8Array.of(0x16, 3, 1, 0, 5, 1, 2, 3, 4, 5));
  const silent = rawConnect(server.local.port, server.local.host);
  await gone;
  const pipe = await net.connect(server.local);
  pipe.write(utf8('ok'));
  assert.equal(await text(pipe, 2), 'ok');
  pipe.destroy();
  silent.destroy();
});

test('in a rush those who came first stay, and one source does not take the places of others', async () => {
  const limited = await listenTcp({ host: '0.0.0.0', port: 0 }, echo, { tls, maxGreeting: 32 });
  const gone: number[] = [];
  const crowd = Array.from({ length: 20 }, (_, i) => {
    const socket = rawConnect({ port: limited.local.port, host: '127.0.0.1', localAddress: '127.0.0.7' });
    socket.on('error', () => {});
    socket.on('close', () => gone.push(i));
    socket.resume();
    return socket;
  });
  while (gone.length < 12) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(
    gone.toSorted((a, b) => a - b),
    Array.from({ length: 12 }, (_, i) => i + 8),
  );
  const pipe = await net.connect({ host: '127.0.0.1', port: limited.local.port }, { tls: { fingerprint } });
  pipe.write(utf8('ok'));
  assert.equal(await text(pipe, 2), 'ok');
  pipe.destroy();
  for (const socket of crowd) socket.destroy();
  await limited.close();
});

test('however many say nothing, or begin TLS and stop, the next client gets in', async () => {
  const limited = await listenTcp(anyPort, echo, { tls, maxGreeting: 32, greetingPatience: 0 });
  const crowd = Array.from({ length: 30 }, (_, i) => {
    const socket = rawConnect(limited.local.port, limited.local.host);
    socket.on('error', () => {});
    socket.resume();
    if (i % 2 === 0) socket.write(Uint8Array.of(0x16, 3, 1));
    return socket;
  });
  // A source has a quarter of all places: twenty-two have given way to those after them.
  await new Promise<void>((resolve) => {
    let gone = 0;
    for (const socket of crowd) socket.on('close', () => ++gone === 22 && resolve());
  });
  for (const options of [{}, { tls: { fingerprint } }]) {
    const pipe = await net.connect(limited.local, options);
    pipe.write(utf8('ok'));
    assert.equal(await text(pipe, 2), 'ok');
    pipe.destroy();
  }
  for (const socket of crowd) socket.destroy();
  await limited.close();
});

test('data that comes before a receiver is kept, and the end of the peer closes the pipe', async () => {
  const pipes: Pipe[] = [];
  const plain = await net.listen(anyPort, (pipe) => pipes.push(pipe));
  const client = await net.connect(plain.local);
  client.write(utf8('early'));
  client.end();
  while (pipes.length === 0) await new Promise((resolve) => setImmediate(resolve));
  let got = '';
  await new Promise<void>((resolve) => {
    pipes[0]!.onClose(() => resolve());
    pipes[0]!.onData((data) => {
      got += fromUtf8(data);
    });
  });
  assert.equal(got, 'early');
  assert.equal(pipes[0]!.write(utf8('late')), false);
  await pipes[0]!.drained();
  await plain.close();
});

test('a writer is told to wait for a slow reader, and resumes with it', async () => {
  const pipes: Pipe[] = [];
  const plain = await net.listen(anyPort, (pipe) => pipes.push(pipe));
  const client = await net.connect(plain.local);
  const chunk = new Uint8Array(256 * 1024);
  let sent = 0;
  while (client.write(chunk)) sent += chunk.length;
  sent += chunk.length;
  let received = 0;
  const all = new Promise<void>((resolve) => {
    pipes[0]!.onData((data) => {
      received += data.length;
      if (received === sent) resolve();
    });
  });
  await client.drained();
  await all;
  client.destroy();
  await plain.close();
});

test('destroying a pipe releases whoever waits for it to drain', async () => {
  const plain = await net.listen(anyPort, () => {});
  const client = await net.connect(plain.local);
  while (client.write(new Uint8Array(1 << 20)));
  const waiting = client.drained();
  client.destroy();
  await waiting;
  await plain.close();
});

test('nobody listening, a timeout and an abort are distinct failures', async () => {
  const plain = await net.listen(anyPort, () => {});
  const { local } = plain;
  await plain.close();
  await assert.rejects(net.connect(local), { code: 'connection_failed' });
  await assert.rejects(net.connect({ host: '192.0.2.1', port: 9 }, { timeout: 20 }), {
    code: 'connection_failed',
  });
  const controller = new AbortController();
  const connecting = net.connect({ host: '192.0.2.1', port: 9 }, { signal: controller.signal });
  controller.abort(new Error('no longer wanted'));
  await assert.rejects(connecting, /no longer wanted/);
});

test('a taken port is port_in_use, and closing frees it at once though pipes stay open', async () => {
  const pipes: Pipe[] = [];
  const first = await net.listen(anyPort, (pipe) => pipes.push(pipe));
  await assert.rejects(
    net.listen(first.local, () => {}),
    { code: 'port_in_use' },
  );
  const client = await net.connect(first.local);
  client.write(utf8('x'));
  while (pipes.length === 0) await new Promise((resolve) => setImmediate(resolve));
  await first.close();
  const second = await net.listen(first.local, () => {});
  client.destroy();
  await second.close();
});

test('names resolve, literals pass through, unknown names fail', async () => {
  assert.deepEqual(await net.resolve('192.0.2.7'), ['192.0.2.7']);
  assert.ok((await net.resolve('localhost')).length > 0);
  await assert.rejects(net.resolve('does-not-exist.invalid'), { code: 'connection_failed' });
  for (const address of net.localAddresses()) assert.ok(!address.startsWith('127.'));
});
