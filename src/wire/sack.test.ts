import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { concat, toHex } from '../base/bytes.ts';
import { arbitrary, everyTruncationFails, hex, loadVectors, neverThrows } from './codec.testkit.ts';
import { decodeSack, encodeSack, looksLikeSack } from './sack.ts';

interface Vector {
  readonly kind: string;
  readonly hex: string;
  readonly is_sack?: boolean;
  readonly blocks: { Left: number; Right: number }[] | null;
}
const vectors = loadVectors<Vector[]>('sack');
const blocksOf = (v: Vector) => v.blocks?.map((block) => ({ left: block.Left, right: block.Right }));

describe('SACK payloads', () => {
  it('are encoded as in every golden vector, at most four blocks', () => {
    for (const v of vectors.filter((v) => v.kind === 'encode')) {
      assert.equal(toHex(encodeSack(blocksOf(v)!)), v.hex);
    }
  });

  it('are told from user data as in every golden vector', () => {
    for (const v of vectors.filter((v) => v.kind === 'decode')) {
      assert.deepEqual(decodeSack(hex(v.hex)), blocksOf(v), v.hex);
      assert.equal(looksLikeSack(hex(v.hex), 0, v.hex.length / 2), v.is_sack, v.hex);
    }
  });

  it('survive encoding and decoding, with any trailing bytes', () => {
    const block = arbitrary.record({ left: arbitrary.u32, right: arbitrary.u32 });
    fc.assert(
      fc.property(
        fc.array(block, { minLength: 1, maxLength: 6 }),
        arbitrary.bytes(10),
        (blocks, trailing) => {
          assert.deepEqual(decodeSack(concat(encodeSack(blocks), trailing)), blocks.slice(0, 4));
        },
      ),
    );
  });

  it('are recognised inside a buffer exactly when a receiver of that part would swallow it', () => {
    const piece = fc.oneof(
      arbitrary.bytes(12),
      fc.constant(encodeSack([{ left: 1, right: 2 }])),
      fc.constant(hex('5341434b')),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 5 }), fc.nat(40), fc.nat(60), (parts, from, size) => {
        const payload = concat(...parts);
        const at = Math.min(from, payload.length);
        const length = Math.min(size, payload.length - at);
        assert.equal(
          looksLikeSack(payload, at, length),
          decodeSack(payload.slice(at, at + length)) !== undefined,
        );
      }),
      { numRuns: 5000 },
    );
  });

  it('become user data at every truncation', () => {
    const encoded = encodeSack([
      { left: 1, right: 2 },
      { left: 3, right: 4 },
    ]);
    everyTruncationFails(encoded, decodeSack, (result) => result === undefined);
  });

  it('never throw on hostile bytes', () => {
    neverThrows(
      (bytes) => [decodeSack(bytes), looksLikeSack(bytes, 0, bytes.length)],
      vectors.filter((v) => v.hex !== undefined).map((v) => hex(v.hex)),
    );
  });
});
