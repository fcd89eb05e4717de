import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { connect as rawConnect } from 'node:net';
import { after, before, test } from 'node:test';
import { connect as tlsConnect } from 'node:tls';
import { generate } from 'selfsigned';
import type { Endpoint } from '../base/units.ts';
import type { MessagePipe, Pipe, PipeServer } from '../runtime/ports.ts';
import { startProxy } from './connect-proxy.testkit.ts';
import { nodeNet } from './net.ts';

const net = nodeNet();
const ANY_PORT = { host: '127.0.0.1', port: 0 };
const PATH = '/v1/compat';
const MAX_MESSAGE = 65_536;
let fingerprint: string;
let secure: PipeServer;
let plain: PipeServer;
/** What the server makes of the next WebSocket. */
let onOpen: (pipe: MessagePipe) => void;

const echo = (pipe: MessagePipe): void => pipe.onMessage((message) => pipe.send(message));
const echoBytes = (pipe: Pipe): void => pipe.onData((data) => pipe.write(data));

before(async () => {
  const made = await generate([{ name: 'commonName', value: 'test' }], { keyType: 'ec' });
  fingerprint = createHash('sha256').update(new X509Certificate(made.cert).raw).digest('hex');
  const webSocket = { path: PATH, maxMessage: MAX_MESSAGE, onOpen: (pipe: MessagePipe) => onOpen(pipe) };
  const tls = { certificate: made.cert, privateKey: made.private };
  secure = await net.listen(ANY_PORT, echoBytes, { tls, webSocket });
  plain = await net.listen(ANY_PORT, echoBytes, { webSocket });
});

after(() => Promise.all([secure.close(), plain.close()]));

function urlOf({ port }: Endpoint, scheme = 'wss'): string {
  return `${scheme}://127.0.0.1:${port}${PATH}`;
}

function open(options: Partial<Parameters<typeof net.webSocket>[1]> = {}): Promise<MessagePipe> {
  return net.webSocket(urlOf(secure.local), { tls: { fingerprint }, maxMessage: MAX_MESSAGE, ...options });
}

function next(pipe: MessagePipe): Promise<string | Uint8Array> {
  return new Promise((resolve) => pipe.onMessage(resolve));
}

function closed(pipe: MessagePipe): Promise<string> {
  return new Promise((resolve) => pipe.onClose(resolve));
}

function read(pipe: Pipe, length: number): Promise<number[]> {
  const got: number[] = [];
  return new Promise((resolve) =>
    pipe.onData((data) => {
      got.push(...data);
      if (got.length >= length) resolve(got);
    }),
  );
}

test('carries text and binary messages, over TLS with a pinned key and plain', async () => {
  onOpen = echo;
  for (const pipe of [
    await open(),
    await net.webSocket(urlOf(plain.local, 'ws'), { maxMessage: MAX_MESSAGE }),
  ]) {
    pipe.send('words');
    assert.equal(await next(pipe), 'words');
    const bytes = new Uint8Array(MAX_MESSAGE).fill(7);
    pipe.send(bytes);
    assert.deepEqual(Buffer.from((await next(pipe)) as Uint8Array), Buffer.from(bytes));
    pipe.destroy();
  }
});

test('the same port serves byte pipes, with and without TLS', async () => {
  for (const [port, options] of [
    [secure.local, { tls: { fingerprint } }],
    [secure.local, {}],
    [plain.local, {}],
  ] as const) {
    const pipe = await net.connect(port, options);
    pipe.write(Uint8Array.of(0, 0, 0, 2, 0x7b, 0x7d));
    assert.deepEqual(await read(pipe, 6), [0, 0, 0, 2, 0x7b, 0x7d]);
    pipe.destroy();
  }
});

test('messages sent before anybody listens are kept in order', async () => {
  onOpen = (pipe) => {
    for (let i = 0; i < 100; i++) pipe.send(String(i));
  };
  const pipe = await open();
  await new Promise((resolve) => setTimeout(resolve, 50));
  const got: (string | Uint8Array)[] = [];
  await new Promise<void>((resolve) =>
    pipe.onMessage((message) => {
      got.push(message);
      if (got.length === 100) resolve();
    }),
  );
  assert.deepEqual(
    got,
    Array.from({ length: 100 }, (_, i) => String(i)),
  );
  pipe.destroy();
});

test('a key that is not the pinned one, or that no authority vouches for, ends the attempt', async () => {
  await assert.rejects(open({ tls: { fingerprint: 'ab'.repeat(32) } }), { code: 'fingerprint_mismatch' });
  await assert.rejects(open({ tls: { system: true } }), { code: 'server_untrusted' });
  await assert.rejects(net.connect(secure.local, { tls: { system: true } }), { code: 'server_untrusted' });
});

test('a server that is none, is silent, or is not there is told apart', async () => {
  await assert.rejects(
    net.webSocket(urlOf(plain.local, 'ws').replace(PATH, '/other'), { maxMessage: 10 }),
    /answered 404/,
  );
  const silent = await net.listen(ANY_PORT, () => {});
  await assert.rejects(net.webSocket(urlOf(silent.local, 'ws'), { maxMessage: 10, timeout: 100 }), {
    code: 'connection_failed',
  });
  await silent.close();
  await assert.rejects(net.webSocket(urlOf(silent.local, 'ws'), { maxMessage: 10 }), {
    code: 'connection_failed',
  });
});

function request(text: string, overTls: boolean): Promise<string> {
  return new Promise((resolve) => {
    const { port } = overTls ? secure.local : plain.local;
    const socket = overTls
      ? tlsConnect({ host: '127.0.0.1', port, rejectUnauthorized: false })
      : rawConnect({ host: '127.0.0.1', port });
    let answer = '';
    socket.on('error', () => {});
    socket.on('data', (data) => {
      answer += data.toString('latin1');
    });
    socket.on('close', () => resolve(answer));
    socket.write(text);
  });
}

test('a plain GET is answered 426 on the path and 404 elsewhere', async () => {
  for (const overTls of [true, false]) {
    const at = (path: string): Promise<string> => request(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`, overTls);
    assert.match(await at(PATH), /^HTTP\/1\.1 426 Upgrade Required\r\n[\s\S]*upgrade: websocket/i);
    assert.match(await at(`${PATH}?probe=1`), /^HTTP\/1\.1 426 /);
    assert.match(await at('/'), /^HTTP\/1\.1 404 /);
    assert.match(await at('/v1/compat/more'), /^HTTP\/1\.1 404 /);
  }
});

test('headers without end, nonsense and upgrades elsewhere are cut off', async () => {
  assert.match(
    await request(`GET ${PATH} HTTP/1.1\r\nX: ${'a'.repeat(100_000)}`, false),
    /^$|^HTTP\/1\.1 431/,
  );
  assert.equal(await request('XYZZY\r\n\r\n', false), '');
  const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n';
  const key = `Sec-WebSocket-Key: ${Buffer.alloc(16).toString('base64')}\r\n`;
  assert.match(await request(`GET /x HTTP/1.1\r\nHost: x\r\n${upgrade}${key}\r\n`, true), /^HTTP\/1\.1 404 /);
  assert.match(await request(`GET ${PATH} HTTP/1.1\r\nHost: x\r\n${upgrade}\r\n`, true), /^HTTP\/1\.1 400 /);
});

test('a message above the limit ends the connection', async () => {
  onOpen = echo;
  const pipe = await open();
  pipe.send(new Uint8Array(MAX_MESSAGE + 1));
  await closed(pipe);
});

test('a close tells its reason, a ping is answered', async () => {
  onOpen = (pipe) => pipe.onMessage(() => pipe.close('not wanted'));
  const pipe = await open();
  const answered = new Promise<void>((resolve) => pipe.onSign(resolve));
  pipe.ping();
  await answered;
  const ended = closed(pipe);
  pipe.send('x');
  assert.equal(await ended, 'not wanted');
  pipe.send('after the end');
});

test('what waits for a side that reads nothing is counted', async () => {
  let server: MessagePipe | undefined;
  onOpen = (pipe) => {
    server = pipe;
    pipe.onMessage(() => {});
  };
  const pipe = await open();
  pipe.onMessage(() => {});
  pipe.pause();
  while (server === undefined) await new Promise((resolve) => setImmediate(resolve));
  for (let i = 0; i < 1000 && server.queued === 0; i++) {
    server.send(new Uint8Array(MAX_MESSAGE));
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(server.queued > 0);
  pipe.destroy();
  await closed(server);
});

test('through a proxy: bytes and messages, the name left to the proxy', async () => {
  onOpen = echo;
  const proxy = await startProxy((target) => (target.startsWith('beacon.test:') ? secure.local : undefined));
  const { host, port } = proxy.endpoint;
  proxy.credentials = 'user:secret';
  const basic = (words: string): string => `Basic ${Buffer.from(words).toString('base64')}`;
  const via = { host, port, tls: false, authorization: basic('user:secret') };
  const to = { host: 'beacon.test', port: secure.local.port };
  const url = `wss://beacon.test:${to.port}${PATH}`;
  const pipe = await net.webSocket(url, { tls: { fingerprint }, maxMessage: MAX_MESSAGE, proxy: via });
  pipe.send('hello');
  assert.equal(await next(pipe), 'hello');
  const bytes = await net.connect(to, { tls: { fingerprint }, proxy: via });
  bytes.write(Uint8Array.of(1, 2, 3));
  assert.deepEqual(await read(bytes, 3), [1, 2, 3]);
  bytes.destroy();
  assert.deepEqual(
    proxy.log.map(({ status }) => status),
    [200, 200],
  );

  for (const authorization of [undefined, basic('user:wrong')]) {
    await assert.rejects(net.connect(to, { proxy: { ...via, authorization } }), (error: Error) => {
      assert.equal((error as { code?: string }).code, 'proxy_auth_required');
      assert.doesNotMatch(error.message, /secret|wrong|Basic/);
      return true;
    });
  }
  proxy.cut();
  await closed(pipe);
  await proxy.close();
  await assert.rejects(net.connect(to, { proxy: via }), { code: 'proxy_unreachable' });
});

test('a proxy that refuses, talks nonsense, hangs up or never ends is told apart', async () => {
  const proxy = await startProxy();
  const via = { ...proxy.endpoint, tls: false };
  const to = { host: 'beacon.test', port: 443 };
  for (const [answer, message] of [
    [
      'HTTP/1.1 403 Forbidden\r\n\r\n',
      /127\.0\.0\.1:\d+ does not connect to beacon\.test:443: 403 Forbidden/,
    ],
    ['HTTP/1.1 403 \x1b[31mred\r\n\r\n', /403 \?\[31mred/],
    ['SSH-2.0-OpenSSH_9.6\r\n\r\n', /not HTTP/],
    ['', /closed the connection/],
    [`HTTP/1.1 200 OK\r\nX: ${'a'.repeat(100_000)}`, /never ends/],
  ] as const) {
    proxy.answer = answer;
    await assert.rejects(net.connect(to, { proxy: via }), { code: 'proxy_refused', message });
  }
  await proxy.close();
});
