import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runLongStream } from './long-stream.testkit.ts';

const MB = 1_000_000;
const LOSSY = { delay: 5, jitter: 4, loss: 0.01, duplicate: 0.01, reorder: 0.02, rate: 400e6, queue: 4 * MB };

for (const [name, start] of [
  ['2^32', 2 ** 32 - 6 * MB],
  ['2^31', 2 ** 31 - 6 * MB],
] as const) {
  test(`a stream crosses ${name} with loss, repetition and disorder on both sides of it`, () => {
    const { packets } = runLongStream({ bytes: 12 * MB, start, segment: 1152, seed: 1, conditions: LOSSY });
    assert.ok(packets < (2.5 * 12 * MB) / 1152, `${packets} packets`);
  });
}

test('a stream of large segments crosses 2^32, too', () => {
  runLongStream({ bytes: 200 * MB, start: 2 ** 32 - 100 * MB, segment: 32_000, seed: 2, conditions: LOSSY });
});
