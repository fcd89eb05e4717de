import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fromBase64, toBase64 } from './base64.ts';

test('encodes and decodes as the platform does', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      const text = toBase64(bytes);
      assert.equal(text, Buffer.from(bytes).toString('base64'));
      assert.deepEqual(fromBase64(text), bytes);
    }),
  );
});

test('refuses unpadded, padded in the middle, foreign and non-canonical text', () => {
  for (const text of ['AA', 'AAA', '@@@@', 'A===', 'AA=A', 'AA==AA==', 'AB==', 'AA A', 'AAé=', '====']) {
    assert.equal(fromBase64(text), undefined, text);
  }
  assert.deepEqual(fromBase64(''), new Uint8Array(0));
});

test('never throws on any text', () => {
  fc.assert(fc.property(fc.string({ maxLength: 40 }), (text) => void fromBase64(text)));
});
