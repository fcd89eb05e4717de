import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fromUtf8, utf8 } from '../base/bytes.ts';
import { nodeCrypto } from '../platform/crypto.ts';
import { encodeBase64 } from './base64.ts';
import { arbitrary, everyTruncationFails, hex, loadVectors, neverThrows } from './codec.testkit.ts';
import { formatIdentityFile, parseIdentityFile } from './identity-file.ts';

interface Vector {
  readonly name?: string;
  readonly ok?: boolean;
  readonly file_text: string;
  readonly ed25519_seed_hex: string;
  readonly public_key_hex: string;
  readonly sign_hello_b64: string;
}
const vectors = loadVectors<Vector[]>('identity');
const crypto = nodeCrypto();

describe('identity files', () => {
  it('are written byte for byte as in every golden vector, and load the same key', () => {
    const good = vectors.filter((v) => v.ok !== false);
    assert.equal(good.length, 4);
    for (const v of good) {
      const keys = { seed: hex(v.ed25519_seed_hex), publicKey: hex(v.public_key_hex) };
      assert.equal(formatIdentityFile(keys), v.file_text);
      const loaded = parseIdentityFile(v.file_text, crypto);
      assert.deepEqual(loaded, keys);
      assert.equal(encodeBase64(crypto.signingKey(keys.seed).sign(utf8('hello'))), v.sign_hello_b64);
    }
  });

  it('that a loader must reject are rejected with the reason', () => {
    const reasons: Record<string, string> = {
      'mismatched public key': 'key_mismatch',
      'not json': 'invalid_json',
      'short private key': 'bad_private_key',
      'bad base64': 'bad_private_key',
      'empty object': 'bad_private_key',
    };
    for (const v of vectors.filter((v) => v.ok === false)) {
      assert.equal(parseIdentityFile(v.file_text, crypto), reasons[v.name!], v.name);
    }
    assert.equal(parseIdentityFile('[]', crypto), 'not_object');
    assert.equal(parseIdentityFile('null', crypto), 'not_object');
  });

  it('whose two public keys agree but do not belong to the seed are rejected', () => {
    const wrong = new Uint8Array(32).fill(9);
    const text = formatIdentityFile({ seed: new Uint8Array(32), publicKey: wrong });
    assert.equal(parseIdentityFile(text, crypto), 'key_mismatch');
  });

  it('with a damaged public key are rejected', () => {
    const { private_key } = JSON.parse(vectors[0]!.file_text) as { private_key: string };
    for (const public_key of [undefined, 7, '', 'AAAA', '@@@@']) {
      assert.equal(parseIdentityFile(JSON.stringify({ private_key, public_key }), crypto), 'bad_public_key');
    }
  });

  it('survive writing and loading', () => {
    fc.assert(
      fc.property(arbitrary.exactly(32), (seed) => {
        const publicKey = Uint8Array.from(crypto.signingKey(seed).publicKey);
        assert.deepEqual(parseIdentityFile(formatIdentityFile({ seed, publicKey }), crypto), {
          seed,
          publicKey,
        });
      }),
      { numRuns: 30 },
    );
  });

  it('are rejected at every truncation, and hostile bytes never throw', () => {
    const parse = (bytes: Uint8Array) => parseIdentityFile(fromUtf8(bytes), crypto);
    const samples = vectors.map((v) => utf8(v.file_text));
    everyTruncationFails(samples[0]!, parse);
    neverThrows(parse, samples);
  });
});
