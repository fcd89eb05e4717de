import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Outcome, runScenario } from '../../src/sim/index.ts';

/** A taste of what `seeds.ts` runs by the thousand. */
const SEEDS = 30;

function told({ seed, failures, journal, flow }: Outcome): string {
  return [`seed ${seed} broke a promise:`, ...failures, '', ...journal, '', flow].join('\n');
}

for (let seed = 1; seed <= SEEDS; seed++) {
  test(`world ${seed} keeps every promise`, async () => {
    const outcome = await runScenario(seed);
    assert.deepEqual(outcome.failures, [], told(outcome));
    assert.ok(outcome.packets > 100 && outcome.seals > 0, 'the world was alive');
  });
}

test('the same seed gives the same packets at the same times', async () => {
  for (const seed of [3, 7]) {
    const [first, second] = [await runScenario(seed), await runScenario(seed)];
    assert.deepEqual(second, first);
  }
  assert.notEqual((await runScenario(3)).hash, (await runScenario(7)).hash);
});
