import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { restored, stored } from './text.ts';

const any = fc
  .array(fc.constantFrom('\0', '\u{e000}', '0', '1', 'a', '💥'), { maxLength: 12 })
  .map((parts) => parts.join(''));

test('any text comes back as it was, and nothing stored has a zero character', () => {
  fc.assert(
    fc.property(any, (text) => {
      assert.equal(restored(stored(text)), text);
      assert.equal(stored(text).includes('\0'), false);
    }),
  );
});

test('different texts are stored differently', () => {
  fc.assert(fc.property(any, any, (a, b) => assert.equal(a === b, stored(a) === stored(b))));
});
