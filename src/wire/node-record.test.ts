import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fromUtf8, utf8 } from '../base/bytes.ts';
import { nodeCrypto } from '../platform/crypto.ts';
import { arbitrary, everyTruncationFails, hex, loadVectors, neverThrows } from './codec.testkit.ts';
import {
  decodeNodeRecord,
  encodeNodeRecord,
  isServiceEntry,
  type NodeRecordMembers,
  nodeRecordBytes,
  signNodeRecord,
  verifyNodeRecord,
} from './node-record.ts';

const crypto = nodeCrypto();
const key = crypto.signingKey(new Uint8Array(32).fill(1));
const other = crypto.signingKey(new Uint8Array(32).fill(2));

const SAMPLE: Omit<NodeRecordMembers, 'key'> = {
  node: 7,
  epoch: 0,
  seq: 1,
  hostname: 'node-a',
  public: true,
  tags: ['weather', 'eu'],
  features: ['certificates1'],
  suites: ['pilot1'],
  services: [{ name: 'forecast', port: 1001, description: 'Tomorrow’s weather, 5 °C steps' }],
  issued: 1_000,
  expires: 2_000,
};

describe('node records', () => {
  it('are written byte for byte as in the golden vector', () => {
    const v = loadVectors<{ seed_hex: string; record: Omit<NodeRecordMembers, 'key'>; record_text: string }>(
      'identity-documents',
    );
    const signer = crypto.signingKey(hex(v.seed_hex));
    assert.equal(encodeNodeRecord(signNodeRecord(signer, v.record)), v.record_text);
    const decoded = decodeNodeRecord(v.record_text);
    assert.ok(typeof decoded !== 'string' && verifyNodeRecord(crypto, decoded, signer.publicKey));
  });

  it('survive encoding and decoding, and verify with the key they name', () => {
    fc.assert(
      fc.property(records, (members) => {
        const record = signNodeRecord(key, members);
        const decoded = decodeNodeRecord(encodeNodeRecord(record));
        assert.ok(typeof decoded !== 'string', String(decoded));
        assert.deepEqual(decoded, record);
        assert.ok(verifyNodeRecord(crypto, decoded, key.publicKey));
        assert.ok(!verifyNodeRecord(crypto, decoded, other.publicKey));
      }),
      { numRuns: 50 },
    );
  });

  it('sign the kind and every member', () => {
    const text = fromUtf8(nodeRecordBytes(signNodeRecord(key, SAMPLE)));
    assert.ok(text.startsWith('pilot-node-v1\n{"epoch":0,'), text);
    assert.ok(text.includes('"kind":"pilot-node"') && !text.includes('"sig"'));
    const record = signNodeRecord(key, SAMPLE);
    for (const change of [
      { node: 8 },
      { epoch: 1 },
      { seq: 2 },
      { hostname: 'node-b' },
      { public: false },
      { tags: [] },
      { features: [] },
      { suites: [] },
      { services: [] },
      { issued: 1 },
      { expires: 3_000 },
    ]) {
      assert.ok(!verifyNodeRecord(crypto, { ...record, ...change }, key.publicKey), JSON.stringify(change));
    }
  });

  it('never verify with one bit flipped, wherever it is', () => {
    const bytes = utf8(encodeNodeRecord(signNodeRecord(key, SAMPLE)));
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const damaged = bytes.slice();
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      const decoded = decodeNodeRecord(fromUtf8(damaged));
      if (typeof decoded === 'string') continue;
      assert.ok(!verifyNodeRecord(crypto, decoded, key.publicKey), `bit ${bit}`);
    }
  });

  it('are refused with members missing, unknown, or out of bounds', () => {
    const good = JSON.parse(encodeNodeRecord(signNodeRecord(key, SAMPLE))) as Record<string, unknown>;
    const refused = (change: object) => decodeNodeRecord(JSON.stringify({ ...good, ...change }));
    for (const member of Object.keys(good)) {
      assert.ok(typeof refused({ [member]: undefined }) === 'string', `without ${member}`);
      assert.ok(typeof refused({ [member]: {} }) === 'string', `${member} an object`);
    }
    assert.equal(refused({ extra: 1 }), 'bad_member');
    assert.equal(refused({ v: 2 }), 'wrong_kind');
    assert.equal(refused({ kind: 'pilot-trust' }), 'wrong_kind');
    for (const change of [
      { node: 0 },
      { node: 2 ** 32 },
      { key: 'AAAA' },
      { epoch: -1 },
      { seq: 1.5 },
      { seq: 2 ** 53 },
      { hostname: 'Node' },
      { hostname: 'a'.repeat(64) },
      { tags: Array(11).fill('a') },
      { tags: ['#a'] },
      { features: Array(33).fill('a') },
      { suites: [7] },
      { services: Array(17).fill(SAMPLE.services[0]) },
      { services: [{ name: 'a', port: 65536, description: '' }] },
      { services: [{ name: 'a', port: 1, description: '', more: 1 }] },
    ]) {
      assert.equal(refused(change), 'bad_member', JSON.stringify(change));
    }
    assert.equal(decodeNodeRecord('x'.repeat(4097)), 'too_large');
    assert.equal(decodeNodeRecord('{"a":"é'.padEnd(4096, 'é')), 'too_large');
    assert.equal(decodeNodeRecord('[]'), 'not_object');
    assert.equal(decodeNodeRecord('{'), 'invalid_json');
  });

  it('carry no description that rewrites a screen', () => {
    const entry = (description: string) => ({ name: 'a', port: 1, description });
    assert.ok(isServiceEntry(entry('Prices, €; 株価')));
    for (const text of ['\u001b[2J', 'a\nb', '\u0085', '\u202egnp.exe', '\ud800', 'x'.repeat(201)]) {
      assert.ok(!isServiceEntry(entry(text)), JSON.stringify(text));
    }
  });

  it('that cannot be published are not signed', () => {
    assert.throws(() => signNodeRecord(key, { ...SAMPLE, tags: ['Bad Tag'] }), RangeError);
    const services = Array.from({ length: 16 }, (_, i) => ({
      name: `s${i}`,
      port: i,
      description: '株'.repeat(200),
    }));
    assert.throws(() => signNodeRecord(key, { ...SAMPLE, services }), /too_large/);
  });

  it('are rejected at every truncation, and hostile bytes never throw', () => {
    const decode = (bytes: Uint8Array) => {
      const record = decodeNodeRecord(fromUtf8(bytes));
      if (typeof record !== 'string') verifyNodeRecord(crypto, record, key.publicKey);
      return record;
    };
    const sample = utf8(encodeNodeRecord(signNodeRecord(key, SAMPLE)));
    everyTruncationFails(sample, decode);
    neverThrows(decode, [sample]);
  });
});

const word = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?$/);
const count = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const records: fc.Arbitrary<Omit<NodeRecordMembers, 'key'>> = fc.record(
  {
    node: fc.integer({ min: 1, max: 0xffff_ffff }),
    epoch: count,
    seq: count,
    hostname: fc.oneof(fc.constant(''), word),
    public: fc.boolean(),
    tags: fc.array(word, { maxLength: 10 }),
    features: fc.array(word, { maxLength: 10 }),
    suites: fc.array(word, { maxLength: 8 }),
    services: fc.array(
      fc.record(
        { name: word, port: arbitrary.u16, description: fc.stringMatching(/^[ -~é株]{0,60}$/) },
        { noNullPrototype: true },
      ),
      { maxLength: 8 },
    ),
    issued: count,
    expires: count,
  },
  { noNullPrototype: true },
);
