import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FINDINGS, type FindingCode } from '../../api/findings.ts';
import { NOTHING_LISTENS } from '../../directory/probe.ts';
import type { BeaconRow, NetcheckReport, RegistryRow } from '../../ipc/methods.ts';
import { findingsOf } from './findings.ts';

type Measured = Parameters<typeof findingsOf>[0];

const BEACON: BeaconRow = {
  ...{ beacon: 'b:9001', address: '203.0.113.1:9001', family: 'IPv4', answers: true, rtt_ms: 9 },
  ...{ observed: '203.0.113.9:4000', surveys: true },
};
const SILENT: BeaconRow = { ...BEACON, answers: false, rtt_ms: null, observed: '', surveys: false };
const REGISTRY: RegistryRow = {
  ...{ registry: 'b:9000', state: 'answers', secure: true, connect_ms: 5, rtt_ms: 5 },
  ...{ clock_ahead_ms: 0, problem: '' },
};
const CARRIER = { transport: 'auto', in_use: 'udp', proxy: '', problem: '', detail: '' } as const;
const NAT: NetcheckReport['nat'] = {
  ...{ name: 'port-restricted', translation: 'nat', mapping: 'endpoint-independent' },
  ...{ filtering: 'address-and-port-dependent', allocation: 'preserving', step: 0 },
};
const GOOD: Measured = {
  ...{ daemon: true, udp: 'works', nat: NAT, endpoint: '203.0.113.9:4000' },
  ipv4: { state: 'works', addresses: ['192.168.1.2'] },
  ipv6: { state: 'none', addresses: [] },
  ...{ beacons: [BEACON], registry: REGISTRY, port_mapping: null, carrier: CARRIER },
  acceleration: { sealing: 'native', udp: 'native', why: '' },
  receive_buffer: 4_194_304,
  packet: { largest: 1472, needed: 1231, whole: true },
};
const SYMMETRIC = { ...NAT, name: 'symmetric, random ports', mapping: 'address-and-port-dependent' };
const MAPPED = {
  mode: 'auto',
  method: 'pcp',
  external: '203.0.113.9:4000',
  gateway: '192.168.1.1',
  problem: '',
};
const UNKNOWN = { ...NAT, name: 'unknown', mapping: 'unknown' };
const DOWN: RegistryRow = { ...REGISTRY, state: 'unreachable', problem: 'no answer', clock_ahead_ms: null };
const NO_UDP = { udp: 'blocked', beacons: [SILENT] } as const;

/** What makes each finding, alone or as the first of several; the compiler demands that none is missing. */
const CASES: Readonly<Record<FindingCode, Partial<Measured>>> = {
  no_address: { ipv4: { state: 'none', addresses: [] } },
  no_registry_configured: { registry: null, beacons: [], udp: 'untested' },
  registry_unreachable: { registry: { ...DOWN, problem: NOTHING_LISTENS }, ...NO_UDP },
  registry_key_changed: { registry: { ...REGISTRY, state: 'fingerprint_mismatch' } },
  udp_blocked: NO_UDP,
  offline: { registry: DOWN, ...NO_UDP },
  proxy_auth_failed: { carrier: { ...CARRIER, problem: 'proxy_auth_failed' } },
  carrier_failed: { carrier: { ...CARRIER, problem: 'carrier_failed' } },
  beacon_silent: { beacons: [BEACON, { ...SILENT, beacon: 'c:9001' }] },
  ipv6_broken: { ipv6: { state: 'broken', addresses: ['2001:db8::2'] } },
  packets_too_large: { packet: { largest: 1000, needed: 1231, whole: true } },
  clock_wrong: { registry: { ...REGISTRY, clock_ahead_ms: -31_000 } },
  registry_not_tls: { registry: { ...REGISTRY, secure: false } },
  nat_symmetric: { nat: SYMMETRIC },
  udp_over_stream: { carrier: { ...CARRIER, in_use: 'compat' } },
  clock_off: { registry: { ...REGISTRY, clock_ahead_ms: 6_000 } },
  small_buffers: { receive_buffer: 212_992 },
  not_accelerated: { acceleration: { sealing: 'node', udp: 'plain', why: 'not_built' } },
  old_beacon: { nat: UNKNOWN, beacons: [{ ...BEACON, surveys: false }] },
  port_mapped: { port_mapping: MAPPED as Measured['port_mapping'] },
  udp_works: {},
  nat_easy: {},
};

const codesOf = (change: Partial<Measured>): FindingCode[] =>
  findingsOf({ ...GOOD, ...change }).map(({ code }) => code);

describe('findings', () => {
  for (const [code, change] of Object.entries(CASES)) {
    it(`name ${code} when that is so, and not when all is well`, () => {
      assert.ok(codesOf(change).includes(code as FindingCode), codesOf(change).join());
      if (FINDINGS[code as FindingCode].level !== 'good')
        assert.ok(!codesOf({}).includes(code as FindingCode));
    });
  }

  it('come worst first, with help exactly where something can be done', () => {
    const found = findingsOf({ ...GOOD, registry: { ...REGISTRY, secure: false, clock_ahead_ms: 40_000 } });
    assert.deepEqual(
      found.map(({ level }) => level),
      ['problem', 'note', 'good', 'good'],
    );
    for (const { level, help } of found) assert.equal(help === null, level === 'good');
    assert.equal(found[0]?.subject, '40.0 s ahead');
  });

  it('do not call a machine cut off whose registry refuses, nor UDP blocked when nothing gets through', () => {
    assert.ok(!codesOf(CASES.registry_unreachable).includes('offline'));
    assert.ok(!codesOf(CASES.offline).includes('udp_blocked'));
    assert.deepEqual(codesOf(CASES.offline), ['offline']);
  });

  it('do not complain of a symmetric NAT where the router forwards a port', () => {
    const mapped = codesOf({ nat: SYMMETRIC, port_mapping: MAPPED as Measured['port_mapping'] });
    assert.deepEqual(mapped.sort(), ['nat_easy', 'port_mapped', 'udp_works']);
  });

  it('do not call a beacon silent that answers in one family', () => {
    const both = [BEACON, { ...SILENT, family: 'IPv6' as const, address: '[2001:db8::1]:9001' }];
    assert.ok(!codesOf({ beacons: both }).includes('beacon_silent'));
  });
});
