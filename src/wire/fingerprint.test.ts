import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { nodeCrypto } from '../platform/crypto.ts';
import { arbitrary, hex, loadVectors } from './codec.testkit.ts';
import { fingerprintOf, parseFingerprint, splitFingerprint } from './fingerprint.ts';

const crypto = nodeCrypto();

describe('fingerprints', () => {
  it('are those of the golden vectors', () => {
    const v = loadVectors<Record<string, string>>('identity-documents');
    assert.equal(fingerprintOf(crypto, hex(v.public_key_hex!)), v.fingerprint);
    assert.equal(fingerprintOf(crypto, hex(v.next_public_key_hex!)), v.next_fingerprint);
  });

  it('are the first 80 bits of SHA-256 in lower-case base32', () => {
    // SHA-256 of nothing begins e3b0c44298fc1c149afb; base32 of these ten bytes by hand.
    assert.equal(fingerprintOf(crypto, new Uint8Array(0)), '4oymiquy7qobjgx3');
    const sha256 = () => hex('00'.repeat(32));
    assert.equal(fingerprintOf({ sha256 }, new Uint8Array(32)), 'aaaaaaaaaaaaaaaa');
    assert.equal(fingerprintOf({ sha256: () => hex('ff'.repeat(32)) }, hex('00')), '7777777777777777');
  });

  it('are always 16 characters that parse, in either case', () => {
    fc.assert(
      fc.property(arbitrary.exactly(32), (key) => {
        const text = fingerprintOf(crypto, key);
        assert.match(text, /^[a-z2-7]{16}$/);
        assert.equal(parseFingerprint(text.toUpperCase()), text);
      }),
      { numRuns: 50 },
    );
  });

  it('are not what is shorter, longer, or has other characters', () => {
    for (const text of ['', 'a'.repeat(15), 'a'.repeat(17), `${'a'.repeat(15)}1`, 'aaaa-aaaa-aaaa-a']) {
      assert.equal(parseFingerprint(text), undefined, text);
    }
  });

  it('stand behind a name after a #', () => {
    const fingerprint = 'a'.repeat(16);
    assert.deepEqual(splitFingerprint(`node-b#${fingerprint}`), { name: 'node-b', fingerprint });
    assert.deepEqual(splitFingerprint(`0:0000.0000.0002#${fingerprint}`), {
      name: '0:0000.0000.0002',
      fingerprint,
    });
    assert.equal(splitFingerprint('node-b'), undefined);
    assert.equal(splitFingerprint('node-b#'), 'bad_fingerprint');
    assert.equal(splitFingerprint(`node-b#${fingerprint}#`), 'bad_fingerprint');
    assert.equal(splitFingerprint(`#${fingerprint}`), 'no_name');
  });
});
