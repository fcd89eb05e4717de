import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { nodeCrypto } from '../platform/crypto.ts';
import {
  type AuditEntry,
  type AuditFacts,
  auditHash,
  CHAIN_START,
  ChainVerifier,
  decodeAuditLine,
  encodeAuditLine,
} from './audit-entry.ts';
import { loadVectors } from './codec.testkit.ts';
import { canonicalJson } from './json.ts';

const crypto = nodeCrypto();
const recorded = loadVectors<{ entries: AuditEntry[] }>('audit').entries;

function chain(count: number): AuditEntry[] {
  const entries: AuditEntry[] = [];
  let prev = CHAIN_START;
  for (let seq = 1; seq <= count; seq++) {
    const facts: AuditFacts = { at: 1000 + seq, action: 'node.registered', by: `node:${seq}`, node: seq };
    const hash = auditHash(crypto, seq, facts, prev);
    entries.push({ ...facts, seq, prev, hash });
    prev = hash;
  }
  return entries;
}

function faultIn(entries: readonly AuditEntry[], verifier = new ChainVerifier(crypto)): unknown {
  for (const entry of entries) {
    const fault = verifier.add(entry);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

const facts: fc.Arbitrary<AuditFacts> = fc.record(
  {
    at: fc.nat(),
    action: fc.string(),
    by: fc.string(),
    node: fc.nat(),
    target: fc.nat(),
    network: fc.nat(65_535),
    source: fc.string(),
    details: fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.nat(), fc.boolean(), fc.array(fc.string()))),
  },
  { requiredKeys: ['at', 'action', 'by'] },
);

describe('entries of the audit log', () => {
  it('hash as the vectors say', () => {
    for (const { seq, prev, hash, ...rest } of recorded)
      assert.equal(auditHash(crypto, seq, rest, prev), hash);
    assert.equal(faultIn(recorded), undefined);
  });

  it('survive encoding and decoding, and keep their hash', () => {
    fc.assert(
      fc.property(facts, fc.integer({ min: 1 }), (said, seq) => {
        const hash = auditHash(crypto, seq, said, CHAIN_START);
        const entry = { ...said, seq, prev: CHAIN_START, hash };
        const line = encodeAuditLine(entry);
        fc.pre(line.length <= 8192);
        const read = decodeAuditLine(line);
        assert.ok(typeof read !== 'string');
        assert.equal(canonicalJson(read), canonicalJson(entry));
        assert.equal(auditHash(crypto, seq, read, CHAIN_START), hash);
      }),
    );
  });

  it('have one text: anything else is refused, and nothing throws', () => {
    const line = encodeAuditLine(recorded[0]!);
    assert.equal(decodeAuditLine(` ${line}`), 'not_canonical');
    assert.equal(decodeAuditLine(JSON.stringify(recorded[0])), 'not_canonical');
    assert.equal(decodeAuditLine('x'.repeat(9000)), 'too_long');
    for (let length = 0; length < line.length; length++)
      assert.equal(typeof decodeAuditLine(line.slice(0, length)), 'string');
    const wrong: object[] = [
      { seq: 0 },
      { seq: 1.5 },
      { at: -1 },
      { hash: 'A'.repeat(64) },
      { prev: '00' },
      { node: '1' },
      { details: [] },
      { extra: 1 },
      { source: 7 },
    ];
    for (const change of wrong)
      assert.equal(decodeAuditLine(canonicalJson({ ...recorded[0], ...change })), 'not_an_entry');
    fc.assert(fc.property(fc.string(), (text) => typeof decodeAuditLine(text) === 'string'));
    fc.assert(fc.property(fc.json(), (text) => void decodeAuditLine(text)));
  });
});

describe('the chain', () => {
  it('is right as a whole, and from any place that is known', () => {
    const entries = chain(9);
    assert.equal(faultIn(entries), undefined);
    const { seq, hash } = entries[3]!;
    assert.equal(faultIn(entries.slice(4), new ChainVerifier(crypto, { after: { seq, hash } })), undefined);
    const elsewhere = { seq, hash: entries[2]!.hash };
    assert.deepEqual(faultIn(entries.slice(4), new ChainVerifier(crypto, { after: elsewhere })), {
      seq: 5,
      problem: 'broken',
    });
  });

  it('shows every change of every member of every entry', () => {
    const entries = recorded.length > 1 ? recorded : [];
    for (const [index, entry] of entries.entries()) {
      for (const name of Object.keys(entry)) {
        const value = entry[name as keyof AuditEntry];
        const other =
          typeof value === 'number'
            ? value + 1
            : typeof value === 'string'
              ? `0${value}`.slice(0, value.length)
              : {};
        if (canonicalJson(other) === canonicalJson(value)) continue;
        const changed = entries.map((one, i) => (i === index ? { ...one, [name]: other } : one));
        const fault = faultIn(changed);
        assert.ok(fault !== undefined, `${index} ${name}`);
      }
      const bare: Record<string, unknown> = { ...entry };
      delete bare.details;
      const without = entries.map((one, i) => (i === index ? (bare as unknown as AuditEntry) : one));
      assert.deepEqual(faultIn(without), { seq: index + 1, problem: 'edited' });
    }
  });

  it('shows entries that were taken out, put in, or changed places, wherever', () => {
    const entries = chain(8);
    for (let at = 1; at < 7; at++) {
      const removed = entries.filter((_, i) => i !== at);
      assert.deepEqual(faultIn(removed), { seq: at + 2, problem: 'missing' });
      const twice = [...entries.slice(0, at), entries[at - 1]!, ...entries.slice(at)];
      assert.deepEqual(faultIn(twice), { seq: at, problem: 'missing' });
      const swapped = [...entries.slice(0, at), entries[at + 1]!, entries[at]!, ...entries.slice(at + 2)];
      assert.deepEqual(faultIn(swapped), { seq: at + 2, problem: 'missing' });
    }
  });

  it('shows an end that was cut off, and a past that was written anew, to who noted a hash', () => {
    const entries = chain(8);
    const known = [5, 8].map((seq) => ({ seq, hash: entries[seq - 1]!.hash }));
    const whole = new ChainVerifier(crypto, { known });
    assert.equal(faultIn(entries, whole), undefined);
    assert.deepEqual(whole.unreached, []);
    const cut = new ChainVerifier(crypto, { known });
    assert.equal(faultIn(entries.slice(0, 6), cut), undefined);
    assert.deepEqual(cut.unreached, [known[1]]);
    // Whoever has the store can make a chain that is right in itself.
    let prev = entries[1]!.hash;
    const anew = entries.slice(2).map((entry) => {
      const { seq, prev: _, hash: __, ...rest } = entry;
      const facts = { ...rest, by: 'node:99' };
      const hash = auditHash(crypto, seq, facts, prev);
      const written = { ...facts, seq, prev, hash };
      prev = hash;
      return written;
    });
    assert.equal(faultIn([...entries.slice(0, 2), ...anew]), undefined);
    const fault = faultIn([...entries.slice(0, 2), ...anew], new ChainVerifier(crypto, { known }));
    assert.deepEqual(fault, { seq: 5, problem: 'rewritten' });
  });
});
