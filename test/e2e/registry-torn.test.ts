import assert from 'node:assert/strict';
import { it } from 'node:test';
import { tornWrites } from './registry-torn.ts';

it('a write torn anywhere is there as a whole or not at all, and what was acknowledged before is there', async () => {
  const { bytes, opened, whole } = await tornWrites(4096);
  assert.ok(bytes > 4096 && opened > 100, `${opened} logs of ${bytes} bytes`);
  // The log that was not cut.
  assert.ok(whole > 0 && whole < opened, `${whole} of ${opened}`);
});
