import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeRandom } from './random.ts';

test('small and large draws differ every time, also across a refill of the pool', () => {
  const random = nodeRandom();
  const seen = new Set<string>();
  for (let i = 0; i < 1000; i++) seen.add(random.bytes(16).join());
  for (let i = 0; i < 10; i++) seen.add(random.bytes(5000).join());
  assert.equal(seen.size, 1010);
  assert.equal(random.bytes(0).length, 0);
});

test('what was drawn belongs to the caller alone', () => {
  const drawn = nodeRandom().bytes(16);
  assert.equal(drawn.buffer.byteLength, 16);
});

test('below covers its range and nothing else', () => {
  const random = nodeRandom();
  const counts = [0, 0, 0];
  for (let i = 0; i < 3000; i++) counts[random.below(3)]!++;
  for (const count of counts) assert.ok(count > 800 && count < 1200, String(counts));
  assert.ok(random.below(0x1_0000_0000) >= 0);
  assert.equal(random.below(1), 0);
  assert.throws(() => random.below(0), RangeError);
});

test('fractions stay within 0 and 1', () => {
  const random = nodeRandom().fork('any');
  for (let i = 0; i < 1000; i++) {
    const fraction = random.fraction();
    assert.ok(fraction >= 0 && fraction < 1);
  }
});
