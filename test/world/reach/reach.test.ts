import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runSequence } from './sequence.ts';

/** A taste of what `run.ts` runs by the thousand. */
const SEEDS = 25;

for (let seed = 1; seed <= SEEDS; seed++) {
  test(`sequence ${seed}: who may reach whom on which port is as the model says`, async () => {
    const { failures, journal, checks } = await runSequence(seed);
    assert.deepEqual(failures, [], [`sequence ${seed}:`, ...failures, '', ...journal].join('\n'));
    assert.ok(checks > 0);
  });
}
