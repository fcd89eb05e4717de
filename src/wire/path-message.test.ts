import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { concat, toHex } from '../base/bytes.ts';
import { arbitrary, everyTruncationFails, hex, neverThrows } from './codec.testkit.ts';
import { formatIp } from './ip.ts';
import {
  type CandidatesMessage,
  decodePathMessage,
  encodePathMessage,
  encodeSizeProbe,
  isPathMessage,
  MAX_PATH_MESSAGE,
  MAX_TOLD_ENDPOINTS,
  MAX_TOLD_PORTS,
  MAX_TOLD_RELAYS,
  type PathMessage,
  type PunchMessage,
  type ToldRelay,
} from './path-message.ts';

const candidates: CandidatesMessage = {
  kind: 'candidates',
  sequence: 7,
  relayOnly: false,
  nat: {
    translation: 'nat',
    mapping: 'address-and-port-dependent',
    filtering: 'address-and-port-dependent',
    allocation: 'sequential',
    step: -2,
  },
  seen: { host: '198.51.100.20', port: 4000 },
  endpoints: [
    { origin: 'host', endpoint: { host: '2001:db8::1', port: 4000 } },
    { origin: 'observed', endpoint: { host: '203.0.113.10', port: 40_000 } },
  ],
  relays: [
    { endpoint: { host: '203.0.113.1', port: 9001 } },
    { endpoint: { host: 'wss://a.example:443/v1/compat', port: 443 } },
    { node: 9 },
  ],
};
const punch: PunchMessage = {
  kind: 'punch',
  sequence: 8,
  nonce: 0x0102_0304,
  step: 'go',
  strategy: 'prediction',
  host: '203.0.113.10',
  ports: [40_001, 40_002],
};

const host = fc.oneof(
  arbitrary.exactly(4).map(formatIp),
  arbitrary.exactly(16).map((bytes) => formatIp(Uint8Array.from(bytes, (b, i) => (i === 0 ? 0x20 : b)))),
);
const endpoint = arbitrary.record({ host, port: fc.integer({ min: 1, max: 65_535 }) });
const relay: fc.Arbitrary<ToldRelay> = fc.oneof(
  endpoint.map((one) => ({ endpoint: one })),
  arbitrary.u32.map((node) => ({ node })),
  fc.stringMatching(/^[a-z0-9.]{1,80}$/).map((name) => ({ endpoint: { host: `wss://${name}`, port: 443 } })),
);
const dependence = fc.constantFrom(
  'unknown' as const,
  'endpoint-independent' as const,
  'address-dependent' as const,
  'address-and-port-dependent' as const,
);
const message: fc.Arbitrary<PathMessage> = fc.oneof(
  arbitrary
    .record<CandidatesMessage>({
      kind: fc.constant('candidates'),
      sequence: arbitrary.u32,
      relayOnly: fc.boolean(),
      nat: arbitrary.record<CandidatesMessage['nat']>({
        translation: fc.constantFrom('unknown', 'none', 'nat', 'blocked'),
        mapping: dependence,
        filtering: dependence,
        allocation: fc.constantFrom('unknown', 'preserving', 'sequential', 'random'),
        step: fc.integer({ min: -32_768, max: 32_767 }),
      }),
      seen: fc.option(endpoint, { nil: undefined }),
      endpoints: fc.array(
        arbitrary.record<CandidatesMessage['endpoints'][number]>({
          origin: fc.constantFrom('host', 'mapped', 'observed'),
          endpoint,
        }),
        { maxLength: MAX_TOLD_ENDPOINTS },
      ),
      relays: fc.array(relay, { maxLength: MAX_TOLD_RELAYS }),
    })
    .chain((one) =>
      fc.oneof(
        fc.constant(one),
        fc.integer({ min: 1, max: 65_535 }).map((largest): CandidatesMessage => ({ ...one, largest })),
      ),
    ),
  arbitrary.record<PunchMessage>({
    kind: fc.constant('punch'),
    sequence: arbitrary.u32,
    nonce: arbitrary.u32,
    step: fc.constantFrom('begin', 'ready', 'go', 'refuse'),
    strategy: fc.constantFrom('simple', 'prediction', 'birthday'),
    host,
    ports: fc.array(fc.integer({ min: 1, max: 65_535 }), { maxLength: MAX_TOLD_PORTS }),
  }),
  arbitrary.record<PathMessage>({
    kind: fc.constant('probe'),
    sequence: arbitrary.u32,
    nonce: arbitrary.u32,
  }),
  arbitrary.u32.map((sequence): PathMessage => ({ kind: 'acknowledged', sequence })),
  arbitrary.u32.map((sequence): PathMessage => ({ kind: 'size', sequence })),
  arbitrary.u32.map((sequence): PathMessage => ({ kind: 'carried', sequence })),
);

describe('path messages', () => {
  it('keep their layout', () => {
    assert.equal(
      toHex(encodePathMessage(candidates)),
      '5058504d' + // PXPM
        '0101' + // version, candidates
        '00000007' +
        '02' + // with the endpoint seen
        '02030302fffe' + // nat, dependent, dependent, sequential, -2
        '04c63364140fa0' +
        '02' +
        '001020010db80000000000000000000000010fa0' +
        '0204cb00710a9c40' +
        '03' +
        '0004cb0071012329' +
        `011d${toHex(new TextEncoder().encode('wss://a.example:443/v1/compat'))}01bb` +
        '0200000009',
    );
    assert.equal(
      toHex(encodePathMessage(punch)),
      '5058504d010300000008010203040201' + '04cb00710a' + '029c419c42',
    );
    assert.equal(toHex(encodePathMessage({ kind: 'acknowledged', sequence: 1 })), '5058504d010200000001');
    assert.equal(
      toHex(encodePathMessage({ kind: 'probe', sequence: 1, nonce: 2 })),
      '5058504d01040000000100000002',
    );
    assert.equal(toHex(encodePathMessage({ kind: 'carried', sequence: 1 })), '5058504d010600000001');
    const told = toHex(encodePathMessage({ ...candidates, seen: undefined, largest: 1_472 }));
    assert.equal(told.slice(20, 22), '04');
    assert.ok(told.endsWith('020000000905c0'));
  });

  it('survive encoding and decoding, and never exceed their limit', () => {
    fc.assert(
      fc.property(message, (one) => {
        const encoded = encodePathMessage(one);
        assert.ok(encoded.length <= MAX_PATH_MESSAGE);
        assert.ok(isPathMessage(encoded));
        assert.deepEqual(decodePathMessage(encoded), one);
        assert.deepEqual(decodePathMessage(concat(encoded, Uint8Array.of(1, 2))), one);
      }),
    );
  });

  it('probe a size by being of it', () => {
    const probe = encodeSizeProbe(7, 65_428);
    assert.equal(probe.length, 65_428);
    assert.deepEqual(decodePathMessage(probe), { kind: 'size', sequence: 7 });
    assert.deepEqual(decodePathMessage(encodeSizeProbe(8, 10)), { kind: 'size', sequence: 8 });
    assert.throws(() => encodeSizeProbe(7, 9), RangeError);
  });

  it('are refused when cut off, and never throw', () => {
    for (const one of [candidates, punch]) everyTruncationFails(encodePathMessage(one), decodePathMessage);
    neverThrows(decodePathMessage, [
      encodePathMessage(candidates),
      encodePathMessage(punch),
      encodePathMessage({ kind: 'probe', sequence: 1, nonce: 2 }),
    ]);
  });

  it('are foreign without the magic or of another version, and longer than any', () => {
    const encoded = encodePathMessage(punch);
    assert.equal(decodePathMessage(hex('0102030405060708')), 'foreign');
    const later = encoded.slice();
    later[4] = 2;
    assert.equal(decodePathMessage(later), 'foreign');
    assert.equal(decodePathMessage(concat(encoded, new Uint8Array(MAX_PATH_MESSAGE))), 'foreign');
    const unknown = encoded.slice();
    unknown[5] = 77;
    assert.equal(decodePathMessage(unknown), 'unknown_kind');
  });

  it('with too many entries are refused, and ports and endpoints that are none are left out', () => {
    const encoded = encodePathMessage({ ...punch, ports: [1] });
    const many = encoded.slice();
    many[many.length - 3] = MAX_TOLD_PORTS + 1;
    assert.equal(decodePathMessage(many), 'bad_value');
    const none = encoded.slice();
    none[none.length - 1] = 0;
    assert.deepEqual(decodePathMessage(none), { ...punch, ports: [] });
    const zero = { origin: 'host' as const, endpoint: { host: '192.0.2.1', port: 0 } };
    assert.deepEqual(
      decodePathMessage(encodePathMessage({ ...candidates, endpoints: [zero, ...candidates.endpoints] })),
      candidates,
    );
  });

  it('beyond the limits are mistakes of the sender', () => {
    const ports = new Array<number>(MAX_TOLD_PORTS + 1).fill(1);
    assert.throws(() => encodePathMessage({ ...punch, ports }), RangeError);
    assert.throws(() => encodePathMessage({ ...punch, host: 'example.org' }), TypeError);
  });
});
