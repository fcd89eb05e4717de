import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Endpoint } from '../../base/units.ts';
import { formatIp } from '../../wire/ip.ts';
import { sameNetwork } from './lan.ts';
import { reachOf, type Told, usableEndpoints } from './usable.ts';

const at = (host: string, port = 4000): Endpoint => ({ host, port });
const host = (name: string): Told => ({ origin: 'host', endpoint: at(name) });
const observed = (name: string): Told => ({ origin: 'observed', endpoint: at(name) });

const OWN = { observed: at('203.0.113.5'), lan: [at('192.168.1.2')] };
const names = (own: typeof OWN, told: readonly Told[]): string[] =>
  usableEndpoints(own, told).map(({ kind, endpoint }) => `${kind} ${endpoint.host}`);

test('addresses mean something everywhere, at home, or nowhere that a peer could be', () => {
  for (const name of ['203.0.113.5', '172.32.0.1', '100.128.0.1', '2001:db8::1'])
    assert.equal(reachOf(name), 'global', name);
  for (const name of ['10.1.2.3', '172.16.0.1', '192.168.0.1', '100.64.0.1', 'fd00::1', 'fc00::1'])
    assert.equal(reachOf(name), 'private', name);
  for (const name of [
    '127.0.0.1',
    '0.0.0.0',
    '169.254.1.1',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    'fe80::1',
    'ff02::1',
  ])
    assert.equal(reachOf(name), 'none', name);
});

test('private addresses are tried behind one router, and on a network of the same name', () => {
  assert.deepEqual(names(OWN, [observed('203.0.113.5'), host('10.0.0.7')]), ['lan 10.0.0.7']);
  assert.deepEqual(names(OWN, [observed('203.0.113.77'), host('10.0.0.7')]), [
    'lan 10.0.0.7',
    'direct 203.0.113.77',
  ]);
  assert.deepEqual(names(OWN, [observed('198.51.100.5'), host('10.0.0.7')]), ['direct 198.51.100.5']);
  // A second interface may lead there, whatever others see.
  assert.deepEqual(names(OWN, [observed('198.51.100.5'), host('192.168.1.9')]), [
    'lan 192.168.1.9',
    'direct 198.51.100.5',
  ]);
});

test('IPv6 is tried where there is any, and is local where the network is the same', () => {
  const dual = { ...OWN, lan: [...OWN.lan, at('2001:db8:a::1')] };
  const told = [host('2001:db8:b::1'), host('2001:db8:a::9'), host('fe80::9')];
  assert.deepEqual(names(OWN, told), []);
  assert.deepEqual(names(dual, told), ['direct 2001:db8:b::1', 'lan 2001:db8:a::9']);
});

test('our own endpoints, endpoints told twice and port 0 are left out', () => {
  const twice = [host('198.51.100.5'), observed('198.51.100.5')];
  assert.deepEqual(names(OWN, [...twice, observed('203.0.113.5'), host('192.168.1.2')]), [
    'direct 198.51.100.5',
  ]);
  assert.deepEqual(usableEndpoints(OWN, [{ origin: 'mapped', endpoint: at('198.51.100.5', 0) }]), []);
});

test('whatever a peer tells, few endpoints are tried and none that cannot be its', () => {
  const address = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }).map(formatIp),
    fc.uint8Array({ minLength: 16, maxLength: 16 }).map(formatIp),
  );
  const told = fc.record({
    origin: fc.constantFrom('host' as const, 'mapped' as const, 'observed' as const),
    endpoint: fc.record({ host: address, port: fc.nat(65_535) }),
  });
  fc.assert(
    fc.property(fc.array(told, { maxLength: 40 }), fc.array(address, { maxLength: 4 }), (list, lan) => {
      const own = { observed: at('203.0.113.5'), lan: lan.map((name) => at(name)) };
      const usable = usableEndpoints(own, list);
      assert.ok(usable.length <= 8);
      for (const { endpoint } of usable) {
        assert.notEqual(reachOf(endpoint.host), 'none');
        assert.ok(endpoint.port > 0);
      }
    }),
  );
});

test('one network is a /24 or a /64', () => {
  assert.ok(sameNetwork('192.168.1.2', '192.168.1.200'));
  assert.ok(!sameNetwork('192.168.1.2', '192.168.2.2'));
  assert.ok(sameNetwork('2001:db8:0:1::1', '2001:db8::1:2:3:4:5'));
  assert.ok(!sameNetwork('2001:db8:0:1::1', '2001:db8:0:2::1'));
  assert.ok(!sameNetwork('192.168.1.2', '2001:db8::1'));
});
