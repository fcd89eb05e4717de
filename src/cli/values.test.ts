import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  bindAddress,
  duration,
  fingerprint,
  hostname,
  hostPort,
  parseDuration,
  port,
  tunnelAddress,
  wholeNumber,
} from './values.ts';

test('durations are Go-like or plain seconds', () => {
  assert.equal(parseDuration('500ms'), 500);
  assert.equal(parseDuration('30s'), 30_000);
  assert.equal(parseDuration('2m'), 120_000);
  assert.equal(parseDuration('1h30m'), 5_400_000);
  assert.equal(parseDuration('1.5s'), 1500);
  assert.equal(parseDuration('10'), 10_000);
  for (const wrong of ['', 's', '-1', '5x', '1 s', '1s2', 'ms', '1e3'])
    assert.equal(parseDuration(wrong), undefined, wrong);
});

test('a duration must be more than nothing and at most a week', () => {
  assert.throws(() => duration.parse('0'), RangeError);
  assert.throws(() => duration.parse('8000h'), RangeError);
  assert.equal(duration.parse('168h'), 604_800_000);
});

test('whole numbers are checked against their bounds', () => {
  assert.equal(port.parse('65535'), 65535);
  for (const wrong of ['65536', '-1', '1.5', '0x10', '', ' 1'])
    assert.throws(() => port.parse(wrong), RangeError, wrong);
  assert.equal(wholeNumber('n', 1, 9).parse('9'), 9);
});

test('a registry may be named without its port, by name or by IPv6 literal', () => {
  const registry = hostPort('host', 9000);
  assert.deepEqual(registry.parse('example.net'), { host: 'example.net', port: 9000 });
  assert.deepEqual(registry.parse('example.net:1234'), { host: 'example.net', port: 1234 });
  assert.deepEqual(registry.parse('192.0.2.7'), { host: '192.0.2.7', port: 9000 });
  assert.deepEqual(registry.parse('2001:db8::1'), { host: '2001:db8::1', port: 9000 });
  assert.deepEqual(registry.parse('[2001:db8::1]:77'), { host: '2001:db8::1', port: 77 });
  for (const wrong of ['', ':9000', 'a b', 'http://x', 'x:0', 'x:99999', '-x']) {
    assert.throws(() => registry.parse(wrong), RangeError, wrong);
  }
});

test('a bind address may leave the host out', () => {
  assert.deepEqual(bindAddress.parse(':9000'), { host: '0.0.0.0', port: 9000 });
  assert.deepEqual(bindAddress.parse('127.0.0.1:0'), { host: '127.0.0.1', port: 0 });
  assert.throws(() => bindAddress.parse('9000'), RangeError);
  assert.deepEqual(tunnelAddress.parse(':4000'), { host: '::', port: 4000 });
  assert.deepEqual(tunnelAddress.parse('0.0.0.0:0'), { host: '0.0.0.0', port: 0 });
  assert.throws(() => tunnelAddress.parse('4000'), RangeError);
});

test('fingerprints are normalised to lower-case hex', () => {
  const bytes = Array.from({ length: 32 }, () => 'AB');
  assert.equal(fingerprint.parse(bytes.join(':')), 'ab'.repeat(32));
  assert.throws(() => fingerprint.parse('ab'.repeat(31)), RangeError);
});

test('hostnames follow the rule of the registry', () => {
  for (const right of ['a', 'node-1', `a${'b'.repeat(61)}c`]) assert.equal(hostname.parse(right), right);
  for (const wrong of ['', '-a', 'a-', 'A', 'a_b', 'a.b', 'x'.repeat(64)]) {
    assert.throws(() => hostname.parse(wrong), RangeError, wrong);
  }
});

test('no text makes a value do anything but parse or throw RangeError', () => {
  const values = [duration, port, hostPort('host', 9000), bindAddress, fingerprint, hostname];
  fc.assert(
    fc.property(fc.string(), fc.constantFrom(...values), (input, value) => {
      try {
        value.parse(input);
      } catch (error) {
        assert(error instanceof RangeError);
      }
    }),
  );
});
