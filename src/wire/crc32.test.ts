import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { utf8 } from '../base/bytes.ts';
import { arbitrary, hex, loadVectors } from './codec.testkit.ts';
import { crc32 } from './crc32.ts';

interface Vector {
  readonly kind: string;
  readonly data_hex: string;
  readonly crc: number;
}

describe('crc32', () => {
  it('gives the check value and every golden sample', () => {
    assert.equal(crc32(utf8('123456789')), 0xcbf43926);
    for (const v of loadVectors<Vector[]>('packets').filter((v) => v.kind === 'crc32_ieee')) {
      assert.equal(crc32(hex(v.data_hex)), v.crc);
    }
  });

  it('equals the bit-by-bit definition at every length and offset', () => {
    fc.assert(
      fc.property(arbitrary.bytes(100), fc.nat(100), (bytes, skip) => {
        const start = Math.min(skip, bytes.length);
        assert.equal(crc32(bytes, start), bitwise(bytes.subarray(start)));
      }),
    );
  });

  it('continues from the CRC of earlier bytes', () => {
    fc.assert(
      fc.property(arbitrary.bytes(100), fc.nat(100), (bytes, cut) => {
        const at = Math.min(cut, bytes.length);
        assert.equal(crc32(bytes, at, bytes.length, crc32(bytes, 0, at)), crc32(bytes));
      }),
    );
  });
});

function bitwise(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return ~crc >>> 0;
}
