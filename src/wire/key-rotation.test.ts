import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fromUtf8, utf8 } from '../base/bytes.ts';
import { nodeCrypto } from '../platform/crypto.ts';
import { encodeBase64 } from './base64.ts';
import { everyTruncationFails, hex, loadVectors, neverThrows } from './codec.testkit.ts';
import {
  decodeKeyRotation,
  encodeKeyRotation,
  followRotations,
  type KeyRotation,
  keyRotationBytes,
  signKeyRotation,
  verifyKeyRotation,
} from './key-rotation.ts';

const crypto = nodeCrypto();
const keys = Array.from({ length: 6 }, (_, i) => crypto.signingKey(new Uint8Array(32).fill(i + 1)));
const [first, second, third] = [keys[0]!, keys[1]!, keys[2]!];
const NODE = 7;

/** Rotations from key `from` to key `to`, one step each; a key's epoch is its index. */
function chain(from: number, to: number): KeyRotation[] {
  const out: KeyRotation[] = [];
  for (let epoch = from + 1; epoch <= to; epoch++) {
    out.push(signKeyRotation(keys[epoch - 1]!, keys[epoch]!, { node: NODE, epoch, at: 1000 + epoch }));
  }
  return out;
}

describe('key rotations', () => {
  it('are written byte for byte as in the golden vector', () => {
    const v = loadVectors<{
      seed_hex: string;
      next_seed_hex: string;
      rotation: { node: number; epoch: number; at: number };
      rotation_text: string;
    }>('identity-documents');
    const [from, to] = [crypto.signingKey(hex(v.seed_hex)), crypto.signingKey(hex(v.next_seed_hex))];
    assert.equal(encodeKeyRotation(signKeyRotation(from, to, v.rotation)), v.rotation_text);
    const decoded = decodeKeyRotation(v.rotation_text);
    assert.ok(typeof decoded !== 'string' && verifyKeyRotation(crypto, decoded));
  });

  it('survive encoding and decoding, and verify', () => {
    const rotation = signKeyRotation(first, second, { node: NODE, epoch: 1, at: 1_700_000_000 });
    assert.deepEqual(decodeKeyRotation(encodeKeyRotation(rotation)), rotation);
    assert.ok(verifyKeyRotation(crypto, rotation));
    assert.ok(fromUtf8(keyRotationBytes(rotation)).startsWith('pilot-rotation-v1\n{"at":1700000000,'));
  });

  it('need both signatures, and two keys', () => {
    const rotation = signKeyRotation(first, second, { node: NODE, epoch: 1, at: 1 });
    assert.ok(!verifyKeyRotation(crypto, { ...rotation, sig_new: rotation.sig_old }));
    assert.ok(!verifyKeyRotation(crypto, { ...rotation, sig_old: rotation.sig_new }));
    assert.ok(
      !verifyKeyRotation(crypto, signKeyRotation(first, first, { node: NODE, epoch: 1, at: 1 })),
      'to itself',
    );
  });

  it('never verify with one bit flipped, wherever it is', () => {
    const bytes = utf8(encodeKeyRotation(signKeyRotation(first, second, { node: NODE, epoch: 1, at: 9 })));
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const damaged = bytes.slice();
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      const decoded = decodeKeyRotation(fromUtf8(damaged));
      if (typeof decoded === 'string') continue;
      assert.ok(!verifyKeyRotation(crypto, decoded), `bit ${bit}`);
    }
  });

  it('are refused with members missing, unknown, or out of bounds', () => {
    const rotation = signKeyRotation(first, second, { node: NODE, epoch: 1, at: 1 });
    const good = JSON.parse(encodeKeyRotation(rotation)) as Record<string, unknown>;
    const decode = (change: object) => decodeKeyRotation(JSON.stringify({ ...good, ...change }));
    for (const member of Object.keys(good)) {
      assert.ok(typeof decode({ [member]: undefined }) === 'string', `without ${member}`);
    }
    assert.equal(decode({ extra: 1 }), 'bad_member');
    assert.equal(decode({ epoch: 0 }), 'bad_member');
    assert.equal(decode({ node: 0 }), 'bad_member');
    assert.equal(decode({ sig_old: 'AAAA' }), 'bad_member');
    assert.equal(decode({ v: 2 }), 'wrong_kind');
    assert.equal(decodeKeyRotation('x'.repeat(5000)), 'too_large');
  });

  it('are rejected at every truncation, and hostile bytes never throw', () => {
    const decode = (bytes: Uint8Array) => {
      const rotation = decodeKeyRotation(fromUtf8(bytes));
      if (typeof rotation !== 'string') verifyKeyRotation(crypto, rotation);
      return rotation;
    };
    const sample = utf8(encodeKeyRotation(signKeyRotation(first, second, { node: NODE, epoch: 1, at: 1 })));
    everyTruncationFails(sample, decode);
    neverThrows(decode, [sample]);
  });
});

describe('a chain of rotations', () => {
  const follow = (from: number, rotations: readonly KeyRotation[]) => {
    const result = followRotations(crypto, NODE, keys[from]!.publicKey, rotations);
    if (typeof result === 'string') return result;
    return {
      key: keys.findIndex((key) => encodeBase64(key.publicKey) === encodeBase64(result.key)),
      epoch: result.epoch,
    };
  };

  it('leads from any of its keys to the newest, in whatever order it comes', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 5 }),
        fc.shuffledSubarray([0, 1, 2, 3, 4], { minLength: 5 }),
        (from, order) => {
          const whole = chain(0, 5);
          assert.deepEqual(
            follow(
              from,
              order.map((i) => whole[i]!),
            ),
            { key: 5, epoch: 5 },
          );
        },
      ),
      { numRuns: 20 },
    );
  });

  it('that is empty leads nowhere else', () => {
    assert.deepEqual(follow(0, []), { key: 0, epoch: 0 });
  });

  it('is broken with a link missing, or when the key is none of its', () => {
    const whole = chain(0, 4);
    assert.equal(follow(0, [whole[0]!, whole[2]!]), 'broken_chain');
    assert.equal(follow(0, chain(1, 3)), 'broken_chain');
    assert.equal(follow(5, whole), 'broken_chain');
  });

  it('with two successors of one key is not followed', () => {
    const fork = signKeyRotation(first, third, { node: NODE, epoch: 1, at: 2000 });
    assert.equal(follow(0, [...chain(0, 1), fork]), 'forked');
    const later = signKeyRotation(first, third, { node: NODE, epoch: 2, at: 2000 });
    assert.equal(follow(0, [...chain(0, 1), later]), 'broken_chain');
  });

  it('with a link that is not signed by both is not followed', () => {
    const [link] = chain(0, 1);
    const forged = { ...link!, new_key: encodeBase64(third.publicKey) };
    assert.equal(follow(0, [forged]), 'bad_signature');
  });

  it('of another node is not followed, nor one that is too long', () => {
    const foreign = signKeyRotation(first, second, { node: 8, epoch: 1, at: 1 });
    assert.equal(follow(0, [foreign]), 'wrong_node');
    assert.equal(follow(0, Array(65).fill(chain(0, 1)[0])), 'too_long');
  });
});
