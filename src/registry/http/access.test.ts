import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SessionInfo } from '../../api/dashboard.ts';
import { TOKEN, testHttp } from './http.testkit.ts';

const bearer = { authorization: `Bearer ${TOKEN}` };
const json = { 'content-type': 'application/json' };
const AWAY = '198.51.100.9';

test('metrics are for programs of this machine, and for tokens', async () => {
  const http = await testHttp();
  const status = async (headers: Record<string, string>, from = '127.0.0.1'): Promise<number> =>
    (await http.ask('/metrics', { headers, from })).status;
  assert.equal(await status({}), 200);
  assert.equal(await status({ host: 'localhost:8080' }), 200);
  assert.equal(await status({ host: '[::1]:8080' }, '::1'), 200);
  assert.equal(await status({}, '::ffff:127.0.0.1'), 200);
  assert.equal(await status({}, AWAY), 401);
  // What a web server in front passes on, and a page whose name was made to point here.
  assert.equal(await status({ 'x-forwarded-for': AWAY }), 401);
  assert.equal(await status({ 'x-real-ip': AWAY }), 401);
  assert.equal(await status({ forwarded: `for=${AWAY}` }), 401);
  assert.equal(await status({ host: 'rebound.example.org' }), 401);
  assert.equal(await status({ host: '127.0.0.1.example.org' }), 401);
  const front = { 'x-forwarded-for': AWAY, 'x-forwarded-proto': 'https' };
  assert.equal(await status({ ...front, ...bearer }), 200);
  assert.equal(await status({ ...front, authorization: 'Bearer wrong' }), 401);
});

test('a token that others can read on its way is not taken', async () => {
  const http = await testHttp();
  const reply = await http.ask('/api/trust', { headers: bearer, from: AWAY });
  assert.equal(reply.status, 403);
  assert.match(reply.text, /HTTPS/);
  const encrypted = { ...bearer, 'x-forwarded-proto': 'https' };
  assert.equal((await http.ask('/api/trust', { headers: encrypted, from: AWAY })).status, 200);
  const front = { ...bearer, 'x-forwarded-proto': 'http' };
  assert.equal((await http.ask('/api/trust', { headers: front })).status, 403);
  const login = { method: 'POST', headers: json, body: { token: TOKEN }, from: AWAY } as const;
  assert.equal((await http.ask('/api/session', login)).status, 403);
});

test('a log-in is a cookie that no script reads and no other page sends', async () => {
  const http = await testHttp();
  const login = (body: unknown, headers = {}) =>
    http.ask('/api/session', { method: 'POST', headers: { ...json, ...headers }, body });
  const reply = await login({ token: TOKEN });
  assert.equal(reply.status, 200);
  const cookie = String(reply.headers['set-cookie']);
  assert.match(cookie, /^pilot_operator=.+; HttpOnly; SameSite=Strict; Path=\/$/);
  assert.equal(reply.json<SessionInfo>().operator !== null, true);
  assert.match(
    String((await login({ token: TOKEN }, { 'x-forwarded-proto': 'https' })).headers['set-cookie']),
    /; Secure$/,
  );
  const headers = { cookie: cookie.split(';')[0]! };
  assert.equal((await http.ask('/api/trust', { headers })).status, 200);
  assert.ok((await http.ask('/api/session', { headers })).json<SessionInfo>().scopes.includes('nodes:read'));

  assert.equal((await login({ token: 'wrong' })).status, 401);
  assert.equal((await login({ token: 7 })).status, 400);
  assert.equal((await login({})).status, 400);
  assert.equal((await login({ token: TOKEN }, { origin: 'https://elsewhere.example.org' })).status, 403);
  assert.equal((await login({ token: TOKEN }, { origin: 'http://127.0.0.1:8080' })).status, 200);
  const out = await http.ask('/api/session', { method: 'DELETE' });
  assert.match(String(out.headers['set-cookie']), /^pilot_operator=; .*Max-Age=0/);
});

test('a token counts for nothing the moment it is revoked', async () => {
  const state = { valid: true };
  const http = await testHttp({
    find: async () =>
      state.valid ? { name: 'a', scopes: new Set(['nodes:read']), networks: [] } : undefined,
  });
  const headers = { cookie: 'pilot_operator=some-token' };
  assert.equal((await http.ask('/api/trust', { headers })).status, 200);
  state.valid = false;
  assert.equal((await http.ask('/api/trust', { headers })).status, 401);
});

test('a token may have spaces in it', async () => {
  const http = await testHttp({
    find: async (token) =>
      token === 'three words long' ? { name: 'a', scopes: new Set(['nodes:read']), networks: [] } : undefined,
  });
  const headers = { authorization: 'Bearer three words long' };
  assert.equal((await http.ask('/api/trust', { headers })).status, 200);
});

test('wrong tokens are soon not looked at any more', async () => {
  const http = await testHttp();
  for (let i = 0; i < 100; i++)
    await http.ask('/api/trust', { headers: { authorization: `Bearer guess-${i}` } });
  assert.equal((await http.ask('/api/trust', { headers: bearer })).status, 401);
});

test('every answer forbids what the page does not need', async () => {
  const http = await testHttp();
  for (const path of ['/', '/api/overview', '/nothing', '/metrics']) {
    const { headers } = await http.ask(path);
    const policy = String(headers['content-security-policy']);
    assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self'/);
    assert.doesNotMatch(policy, /unsafe|data:|\*/);
    assert.deepEqual(
      [headers['x-content-type-options'], headers['x-frame-options'], headers['referrer-policy']],
      ['nosniff', 'DENY', 'no-referrer'],
    );
  }
  const answers = await Promise.all(
    ['/api/nodes', '/api/session', '/api/overview'].map((path) => http.ask(path)),
  );
  for (const { headers } of answers) {
    assert.equal(headers['access-control-allow-origin'], undefined);
    assert.equal(headers['cache-control'], 'no-store');
  }
});

test('one address can ask so much, and others go on', async () => {
  const http = await testHttp();
  const statuses: number[] = [];
  for (let i = 0; i < 250; i++) statuses.push((await http.ask('/healthz', { from: AWAY })).status);
  assert.equal(statuses.filter((status) => status === 200).length, 200);
  assert.equal(statuses.at(-1), 429);
  assert.equal((await http.ask('/healthz', { from: '198.51.100.10' })).status, 200);
  // Behind a web server of this machine clients are told apart by what it says of them.
  const by = (client: string) => ({ headers: { 'x-forwarded-for': `1.2.3.4, ${client}` } });
  assert.equal((await http.ask('/healthz', by(AWAY))).status, 429);
  assert.equal((await http.ask('/healthz', by('198.51.100.11'))).status, 200);
  await http.clock.advance(1000);
  assert.equal((await http.ask('/healthz', { from: AWAY })).status, 200);
});

test('what is not a request of ours is refused with a reason', async () => {
  const http = await testHttp();
  const post = async (body: string): Promise<number> =>
    (await http.ask('/api/session', { method: 'POST', headers: json, body })).status;
  assert.equal(await post('{"token":'), 400);
  assert.equal(await post(`{"token":"${'x'.repeat(5000)}"}`), 413);
  for (const [path, status] of [
    ['/nothing', 404],
    ['/page/../package.json', 404],
    ['/api/history?span=year', 400],
    ['/api/badge/none', 404],
    [`/api/nodes/${'1'.repeat(200)}`, 414],
  ] as const) {
    const reply = await http.ask(path);
    assert.equal(reply.status, status, path);
    assert.equal(typeof reply.json<{ error: string }>().error, 'string');
  }
});

test('the page is sent once, and again only when it is another', async () => {
  const http = await testHttp();
  const first = await http.ask('/');
  assert.deepEqual([first.status, first.text, first.headers.etag], [200, '<', '"a"']);
  const again = await http.ask('/', { headers: { 'if-none-match': '"a"' } });
  assert.deepEqual([again.status, again.text], [304, '']);
  const packed = await http.ask('/', { headers: { 'accept-encoding': 'gzip, br' } });
  assert.equal(packed.headers['content-encoding'], 'gzip');
});
