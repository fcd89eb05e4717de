import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isExempt, isLoopback, maskedProxyUrl, parseProxyUrl } from './proxy-url.ts';

test('reads scheme, host, port and credentials', () => {
  assert.deepEqual(parseProxyUrl('http://proxy.example:3128'), {
    host: 'proxy.example',
    port: 3128,
    tls: false,
  });
  assert.deepEqual(parseProxyUrl('https://proxy.example/'), { host: 'proxy.example', port: 443, tls: true });
  assert.deepEqual(parseProxyUrl('10.0.0.1:8080'), { host: '10.0.0.1', port: 8080, tls: false });
  assert.deepEqual(parseProxyUrl('http://[2001:db8::1]:80'), { host: '2001:db8::1', port: 80, tls: false });
  const basic = (words: string): string => `Basic ${Buffer.from(words).toString('base64')}`;
  assert.equal(parseProxyUrl('http://me:s%40%3Acret@p:1')?.authorization, basic('me:s@:cret'));
  assert.equal(parseProxyUrl('http://token@p')?.authorization, basic('token:'));
});

test('anything else is no proxy, and is never shown', () => {
  for (const text of [
    '',
    'http://',
    'socks5://p:1080',
    'http://p:0',
    'http://p:65536',
    'http://p/path',
    'http://a b',
    'http://u:%zz@p',
  ]) {
    assert.equal(parseProxyUrl(text), undefined, text);
  }
  assert.equal(maskedProxyUrl('socks5://me:secret@p:1080'), '***');
});

test('what is shown has no credentials', () => {
  assert.equal(maskedProxyUrl('http://me:secret@proxy.example:3128'), 'http://***@proxy.example:3128');
  assert.equal(maskedProxyUrl('https://proxy.example'), 'https://proxy.example');
  fc.assert(
    fc.property(fc.string(), fc.stringMatching(/^[a-z0-9]{8,20}$/), (user, secret) => {
      const text = `http://${user}:${secret}@proxy.example:3128`;
      assert.ok(!maskedProxyUrl(text).includes(secret));
    }),
  );
});

test('random text never throws', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.nat(65_535), (text, host, port) => {
      parseProxyUrl(text);
      maskedProxyUrl(text);
      isLoopback(host);
      isExempt(text, { host, port });
    }),
  );
});

test('NO_PROXY names hosts, what is below them, addresses, networks and ports', () => {
  const exempt = (list: string, host: string, port = 443): boolean => isExempt(list, { host, port });
  assert.ok(exempt('*', 'anything.example'));
  assert.ok(exempt('a.example, pilot.example', 'pilot.example'));
  assert.ok(exempt('pilot.example', 'beacon.PILOT.example.'));
  assert.ok(!exempt('pilot.example', 'copilot.example'));
  assert.ok(exempt('.pilot.example', 'beacon.pilot.example'));
  assert.ok(exempt('*.pilot.example', 'beacon.pilot.example'));
  assert.ok(!exempt('.pilot.example', 'pilot.example'), 'a leading dot means what is below');
  assert.ok(
    exempt('pilot.example:443', 'pilot.example') && !exempt('pilot.example:443', 'pilot.example', 9000),
  );
  assert.ok(exempt('10.0.0.7', '10.0.0.7') && !exempt('10.0.0.7', '10.0.0.77'));
  assert.ok(exempt('10.0.0.0/8', '10.200.3.4') && !exempt('10.0.0.0/9', '10.200.3.4'));
  assert.ok(exempt('2001:db8::/32', '2001:db8:1::5') && !exempt('2001:db8::/32', '2001:db9::5'));
  assert.ok(exempt('[2001:db8::1]:443', '2001:db8::1') && !exempt('[2001:db8::1]:80', '2001:db8::1'));
  assert.ok(!exempt('10.0.0.0/99', '10.0.0.0') && !exempt('10.0.0.0/8', '2001:db8::1'));
  assert.ok(!exempt('', 'pilot.example') && !exempt(' , ,', 'pilot.example'));
});

test('this machine is known by its names and addresses', () => {
  for (const host of ['localhost', 'a.localhost', 'LOCALHOST.', '127.0.0.1', '127.9.9.9', '::1'])
    assert.ok(isLoopback(host), host);
  for (const host of ['localhost.example', '10.0.0.1', '::2', '1::1', '']) assert.ok(!isLoopback(host), host);
});
