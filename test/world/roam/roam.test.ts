import assert from 'node:assert/strict';
import { test } from 'node:test';
import { report } from './report.ts';
import { BACK_WITHIN, IDLE_RATE, runSoak, type SoakResult } from './soak.ts';

/** A taste of what `run.ts` does for a day with fifty nodes. */
const SHORT = { nodes: 8, hours: 1, outages: 2 } as const;

for (const seed of ['short 1', 'short 2', 'short 3']) {
  test(`roaming nodes are back within 10 s and say little, seed "${seed}"`, async () => {
    const result = await runSoak({ seed, ...SHORT });
    const seen = report(result, 0);
    assert.deepEqual(result.failures, [], seen);
    assert.ok(result.checks >= 15, seen);
    assert.deepEqual(result.late, [], seen);
    assert.ok(result.times.at(-1)! <= BACK_WITHIN, seen);
    for (const rates of [result.idle, result.warm]) {
      assert.equal(rates.length, SHORT.nodes);
      const mean = rates.reduce((sum, { total }) => sum + total, 0) / rates.length;
      // Somebody who says nothing at all was not counted, or is not there.
      assert.ok(mean > 5 && mean < IDLE_RATE, seen);
    }
    for (const { total } of result.idle) assert.ok(total < IDLE_RATE, seen);
  });
}

test('the soak notices a node that does not come back', async () => {
  const result = await runSoak({
    seed: 'deaf',
    nodes: 6,
    hours: 0.5,
    outages: 0,
    onWorld: ({ world, machines }) => {
      world.schedule(600_000, () => {
        const { link } = machines[0]!.host;
        link.conditions = { ...link.conditions, loss: 1 };
      });
    },
  });
  assert.ok(
    result.late.some(({ pair, after }) => pair.includes('node-0') && after === undefined),
    report(result, 0),
  );
});

test('the same seed gives the same soak', async () => {
  const run = (): Promise<SoakResult> => runSoak({ seed: 'again', nodes: 6, hours: 0.3, outages: 1 });
  assert.deepEqual(await run(), await run());
});
