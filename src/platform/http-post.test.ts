import assert from 'node:assert/strict';
import type { LookupAddress, lookup as systemLookup } from 'node:dns';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { generate } from 'selfsigned';
import { httpPost } from './http-post.ts';

const seen: { url: string; headers: IncomingMessage['headers']; body: string }[] = [];
let plain: Server;
let tls: Server;
let authority: string;

const answer: RequestListener = (request, response) => {
  let body = '';
  request.on('data', (chunk: Buffer) => {
    body += chunk.toString();
  });
  request.on('end', () => {
    seen.push({ url: request.url ?? '', headers: request.headers, body });
    if (request.url === '/never') return;
    if (request.url === '/busy') response.writeHead(503, { 'retry-after': '120' });
    else if (request.url === '/moved') response.writeHead(302, { location: '/other' });
    else response.writeHead(request.url === '/endless' ? 200 : 204);
    if (request.url === '/endless') response.write('x'.repeat(1_000_000));
    else response.end();
  });
};

before(async () => {
  const pem = await generate([{ name: 'commonName', value: 'hooks.test' }], {
    keyType: 'ec',
    curve: 'P-256',
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: 'hooks.test' }] }],
  });
  authority = pem.cert;
  plain = createServer(answer);
  tls = createTlsServer({ cert: pem.cert, key: pem.private }, answer);
  for (const server of [plain, tls]) await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
});
after(() => {
  for (const server of [plain, tls]) {
    server.close();
    server.closeAllConnections();
  }
});

const portOf = (server: Server): number => (server.address() as AddressInfo).port;
const request = { headers: { 'x-test': '1' }, body: '{"a":"ü"}', timeout: 2000, reach: 'anywhere' } as const;

/** A name service of our own. */
function names(...addresses: string[]): typeof systemLookup {
  const found: LookupAddress[] = addresses.map((address) => ({
    address,
    family: address.includes(':') ? 6 : 4,
  }));
  return ((_host: string, _options: object, callback: (error: null, all: LookupAddress[]) => void) =>
    callback(null, found)) as unknown as typeof systemLookup;
}

test('posts the body with the headers, and reads the status and no more', async () => {
  const url = `http://127.0.0.1:${portOf(plain)}`;
  assert.deepEqual(await httpPost()(`${url}/in`, request), { status: 204, retryAfter: '' });
  const { headers, body } = seen.at(-1)!;
  assert.deepEqual([headers['x-test'], headers['content-length'], body], ['1', '10', request.body]);
  assert.deepEqual(await httpPost()(`${url}/busy`, request), { status: 503, retryAfter: '120' });
  assert.equal((await httpPost()(`${url}/endless`, request)).status, 200);
});

test('follows no redirect', async () => {
  const count = seen.length;
  const url = `http://127.0.0.1:${portOf(plain)}/moved`;
  assert.equal((await httpPost()(url, request)).status, 302);
  assert.equal(seen.length, count + 1);
});

test('speaks TLS with a name that the certificate has to be for', async () => {
  const resolve = names('127.0.0.1');
  const url = `https://hooks.test:${portOf(tls)}/in`;
  assert.equal((await httpPost({ resolve, trust: authority })(url, request)).status, 204);
  await assert.rejects(httpPost({ resolve })(url, request), { code: 'connection_failed' });
  const other = `https://other.test:${portOf(tls)}/in`;
  await assert.rejects(httpPost({ resolve, trust: authority })(other, request), {
    code: 'connection_failed',
  });
});

test('gives up in time, and says what could not be reached', async () => {
  const url = `http://127.0.0.1:${portOf(plain)}/never`;
  await assert.rejects(httpPost()(url, { ...request, timeout: 100 }), { code: 'timeout' });
  await assert.rejects(httpPost()('http://127.0.0.1:1/', request), { code: 'connection_failed' });
});

test('connects to no place inside unless that is allowed, whatever the name or the notation', async () => {
  const count = seen.length;
  const strict = { ...request, reach: 'public' } as const;
  const [http, https] = [portOf(plain), portOf(tls)];
  const literal = [
    `https://127.0.0.1:${https}/`,
    `https://[::1]:${https}/`,
    `https://[::ffff:127.0.0.1]:${https}/`,
    `https://2130706433:${https}/`,
    `https://0x7f.1:${https}/`,
    `https://169.254.169.254/latest/meta-data`,
    `https://10.0.0.1/`,
  ];
  for (const url of literal)
    await assert.rejects(httpPost()(url, strict), { code: 'permission_denied' }, url);
  const inside = httpPost({ resolve: names('127.0.0.1', '10.0.0.1', 'fe80::1'), trust: authority });
  await assert.rejects(inside(`https://hooks.test:${https}/`, strict), { code: 'permission_denied' });
  await assert.rejects(httpPost()(`https://localhost:${https}/`, strict), { code: 'permission_denied' });
  // Without TLS nothing goes out at all, and never to a host of the Internet.
  await assert.rejects(httpPost()(`http://127.0.0.1:${http}/`, strict), { code: 'permission_denied' });
  await assert.rejects(httpPost()('http://8.8.8.8/', request), { code: 'permission_denied' });
  const outside = httpPost({ resolve: names('8.8.8.8') });
  await assert.rejects(outside('http://hooks.test/', request), { code: 'permission_denied' });
  assert.equal(seen.length, count);
});
