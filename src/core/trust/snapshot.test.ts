import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { toHex } from '../../base/bytes.ts';
import { formatTime, parseTime } from './rfc3339.ts';
import { formatTrustFile, parseTrustFile } from './snapshot.ts';
import { ALL_TERMS } from './terms.ts';
import type { TrustSnapshot } from './types.ts';

const node = fc.nat(0xffff_ffff);
const key = fc.uint8Array({ minLength: 32, maxLength: 32 });
const time = fc.integer({ min: 0, max: 4_102_444_800_000 });
const seconds = fc.nat(4_102_444_800);
const id = fc.uint8Array({ minLength: 16, maxLength: 16 }).map(toHex);

const grant = fc.record(
  { ports: fc.constantFrom('*', '', '80', '7,1000-1002'), opens: fc.nat(1_000_000) },
  { requiredKeys: ['ports'] },
);
const terms = fc.record(
  { give: grant, get: grant, not_after: seconds, renew: fc.constant(true) },
  { requiredKeys: ['give', 'get'] },
);
const serial = fc.nat(1_000_000);

const snapshot: fc.Arbitrary<TrustSnapshot> = fc.record({
  trusted: fc.array(
    fc.record(
      {
        node,
        publicKey: key,
        approvedAt: time,
        mutual: fc.boolean(),
        proof: fc.record({ request: fc.string(), accept: fc.string() }),
        requestId: id,
        reported: fc.boolean(),
        terms,
        termsAt: seconds,
        peerTerms: terms,
        certificate: fc.string(),
        draft: fc.string(),
        serial,
        notAfter: seconds,
        approvedBy: fc.constantFrom('user', 'mutual', 'peer', 'renewal', 'auto:data'),
        renewAsked: serial,
      },
      {
        requiredKeys: [
          'node',
          'publicKey',
          'approvedAt',
          'mutual',
          'terms',
          'peerTerms',
          'serial',
          'approvedBy',
        ],
      },
    ),
  ),
  pending: fc.array(
    fc.record({
      node,
      publicKey: key,
      justification: fc.string({ unit: 'binary' }),
      receivedAt: time,
      requestId: id,
      message: fc.string(),
      terms,
      change: fc.boolean(),
      certifies: fc.boolean(),
    }),
  ),
  outgoing: fc.array(
    fc.record(
      {
        requestId: id,
        node: fc.option(node, { nil: undefined }),
        hostname: fc.option(fc.string(), { nil: undefined }),
        justification: fc.string(),
        createdAt: time,
        expiresAt: time,
        message: fc.string(),
        terms,
        statedAt: seconds,
      },
      {
        requiredKeys: [
          'requestId',
          'node',
          'hostname',
          'justification',
          'createdAt',
          'expiresAt',
          'message',
          'terms',
        ],
      },
    ),
  ),
  tombstones: fc.array(
    fc.record(
      {
        node,
        revokedAt: time,
        tellPeer: fc.boolean(),
        tellRegistry: fc.boolean(),
        revokeId: id,
        statedAt: seconds,
        requestId: id,
        serial,
        revocation: fc.string(),
        peerRevocation: fc.string(),
      },
      { requiredKeys: ['node', 'revokedAt', 'tellPeer', 'tellRegistry', 'serial'] },
    ),
  ),
  answers: fc.array(
    fc.record({
      node,
      requestId: id,
      answer: fc.constantFrom('accepted', 'rejected', 'revoked', 'replaced'),
      reason: fc.string(),
      at: time,
      told: fc.boolean(),
    }),
  ),
  registers: fc.array(
    fc.record({
      node,
      voidUntil: fc.option(seconds, { nil: undefined }),
      saidAt: seconds,
      heardAt: seconds,
      heardNo: fc.boolean(),
      heardRevoke: fc.oneof(id, fc.constant('')),
      serial,
      certifies: fc.boolean(),
    }),
  ),
});

/** Buffers and arrays of the same bytes, members absent and members undefined: the same to whoever reads them. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_key, item) => (item instanceof Uint8Array ? toHex(item) : item)));
}

test('every snapshot comes back from its file', () => {
  fc.assert(
    fc.property(snapshot, (stored) => {
      assert.deepEqual(plain(parseTrustFile(formatTrustFile(stored))), plain(stored));
    }),
    { numRuns: 200 },
  );
});

test('the file of an old daemon is read', () => {
  const text = `{
  "trusted": [
    {"node_id": 7, "public_key": "1AS8RFZa7buJkVDlsLOzK5RBvwy3iEwzEw2o28J90s8=", "approved_at": "2026-04-01T12:00:00Z", "mutual": true, "network": 3},
    {"node_id": 8, "public_key": "", "approved_at": "2026-04-01T12:00:00Z", "mutual": false}
  ],
  "pending": [
    {"node_id": 9, "public_key": "1AS8RFZa7buJkVDlsLOzK5RBvwy3iEwzEw2o28J90s8=", "received_at": "2026-04-01T14:00:00+02:00"}
  ]
}`;
  const read = parseTrustFile(text);
  assert.ok(read !== 'corrupt');
  assert.deepEqual(
    read.trusted.map(({ node: peer }) => peer),
    [7],
    'trust without a key to pin is left out',
  );
  assert.equal(read.trusted[0]?.approvedAt, Date.UTC(2026, 3, 1, 12));
  assert.equal(read.pending[0]?.receivedAt, Date.UTC(2026, 3, 1, 12));
  assert.equal(read.pending[0]?.justification, '');
  assert.deepEqual(parseTrustFile('{"trusted": null}'), {
    trusted: [],
    pending: [],
    outgoing: [],
    tombstones: [],
    answers: [],
    registers: [],
  });
});

test('a damaged file is called corrupt, never read in part', () => {
  const good = formatTrustFile({
    trusted: [
      {
        node: 1,
        publicKey: new Uint8Array(32),
        approvedAt: 0,
        mutual: true,
        terms: ALL_TERMS,
        peerTerms: ALL_TERMS,
        serial: 0,
        approvedBy: 'user',
      },
    ],
    pending: [],
    outgoing: [],
    tombstones: [],
  });
  for (const text of [
    '',
    '{',
    '[]',
    'null',
    '7',
    good.slice(0, -10),
    good.replace('"node_id": 1', '"node_id": "1"'),
    good.replace('1970', '197O'),
    good.replace('AAAA', 'A!AA'),
    good.replace('true', '1'),
    '{"trusted": {}}',
    '{"tombstones": [7]}',
  ]) {
    assert.equal(parseTrustFile(text), 'corrupt', text);
  }
});

test('times agree with the platform in both directions', () => {
  fc.assert(
    fc.property(fc.integer({ min: -62_135_596_800_000, max: 253_402_300_799_999 }), (at) => {
      const year = new Date(at).getUTCFullYear();
      fc.pre(year >= 0 && year <= 9999);
      assert.equal(formatTime(at), new Date(at).toISOString());
      assert.equal(parseTime(formatTime(at)), at);
    }),
    { numRuns: 2_000 },
  );
  assert.equal(parseTime('2026-04-01T12:00:00.123456789-01:30'), Date.UTC(2026, 3, 1, 13, 30, 0, 123));
  for (const text of [
    '2026-04-01',
    '2026-13-01T00:00:00Z',
    '2026-04-01T24:00:00Z',
    '2026-04-01T12:00:00',
    'x',
  ]) {
    assert.equal(parseTime(text), undefined, text);
  }
});
