import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runSequence } from './sequence.ts';

/** A taste of what `run.ts` runs by the thousand, and what it found: a withdrawal took the question after it along. */
const SEEDS = [...Array.from({ length: 25 }, (_, i) => i + 1), 705_278];

for (const seed of SEEDS) {
  test(`sequence ${seed}: who may reach whom on which port is as the model says`, async () => {
    const { failures, journal, checks } = await runSequence(seed);
    assert.deepEqual(failures, [], [`sequence ${seed}:`, ...failures, '', ...journal].join('\n'));
    assert.ok(checks > 0);
  });
}
