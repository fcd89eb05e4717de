import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { decodeBase64, encodeBase64 } from './base64.ts';
import { arbitrary } from './codec.testkit.ts';

describe('base64', () => {
  it('equals the platform’s encoding and decodes back', () => {
    fc.assert(
      fc.property(arbitrary.bytes(80), (bytes) => {
        const text = encodeBase64(bytes);
        assert.equal(text, Buffer.from(bytes).toString('base64'));
        assert.deepEqual(decodeBase64(text), bytes);
      }),
    );
  });

  it('accepts a text only when it is the one text of its bytes', () => {
    const character = fc.constantFrom(...'AQgw+/z09=-_ \n\u00e9', 'ABCD', '==');
    fc.assert(
      fc.property(fc.array(character, { maxLength: 12 }), (parts) => {
        const text = parts.join('');
        const bytes = decodeBase64(text);
        assert.equal(bytes !== undefined, Buffer.from(text, 'base64').toString('base64') === text, text);
        if (bytes !== undefined) assert.equal(encodeBase64(bytes), text);
      }),
      { numRuns: 10_000 },
    );
  });
});
