import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatIp } from './ip.ts';
import { isGloballyReachable } from './ip-reach.ts';

const INSIDE = [
  '0.0.0.0 0.255.255.255 10.0.0.1 10.255.255.255 100.64.0.0 100.127.255.255 127.0.0.1 127.255.255.255',
  '169.254.0.1 169.254.169.254 172.16.0.0 172.31.255.255 192.0.0.170 192.0.2.1 192.88.99.1 192.168.1.1',
  '198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255',
  ':: ::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::127.0.0.1 64:ff9b::7f00:1 64:ff9b::10.1.2.3 64:ff9b:1::1',
  '100::1 2001::1 2001:2::1 2001:db8::1 2002:7f00:1::1 3fff::1 fc00::1 fdff::1 fe80::1 fec0::1 ff02::1 5f00::1',
]
  .join(' ')
  .split(' ');
const OUTSIDE = [
  '1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.1 169.253.1.1',
  '172.15.255.255 172.32.0.0 192.0.1.1 192.167.1.1 192.169.1.1 198.17.1.1 198.20.0.0 223.255.255.255',
  '::ffff:8.8.8.8 64:ff9b::808:808 2001:200::1 2606:4700::1111 2a00:1450::1 3ffe::1',
]
  .join(' ')
  .split(' ');

test('tells addresses of the Internet from those inside', () => {
  for (const host of INSIDE) assert.equal(isGloballyReachable(host), false, host);
  for (const host of OUTSIDE) assert.equal(isGloballyReachable(host), true, host);
});

test('is not fooled by other ways to write an address', () => {
  const odd = [
    '127.1',
    '0x7f.0.0.1',
    '0177.0.0.1',
    '2130706433',
    'localhost',
    '',
    '8.8.8.8%eth0',
    '[::1]',
    '1.1.1',
  ];
  for (const host of odd) assert.equal(isGloballyReachable(host), false, host);
});

test('judges an IPv4 address alike in all of its IPv6 forms', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 4, maxLength: 4 }), (bytes) => {
      const plain = formatIp(bytes);
      const global = isGloballyReachable(plain);
      assert.equal(isGloballyReachable(`::ffff:${plain}`), global);
      assert.equal(isGloballyReachable(`64:ff9b::${plain}`), global);
      assert.equal(isGloballyReachable(`::${plain}`), false);
    }),
  );
});
