/** Every pair of translators: who meets directly, how soon, and what it costs. The same seeds every time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { attemptsOf, directIsPossible, KINDS, type Kind, meet } from './nat-pairs.ts';

const kinds = Object.keys(KINDS) as Kind[];

for (const [at, a] of kinds.entries()) {
  for (const b of kinds.slice(at)) {
    const isPossible = directIsPossible(a, b);
    test(`${a} and ${b}: at once by relay, ${isPossible ? 'soon direct' : 'never direct'}`, async () => {
      const result = await meet(`${a} ${b}`, a, b, isPossible ? 20_000 : 8_000);
      const { arrived, direct, roundTrip, pilot } = result;
      assert.ok(arrived !== undefined && arrived < 3 * roundTrip + 200, `first message after ${arrived} ms`);
      if (isPossible) assert.ok(direct !== undefined && direct < 8_000, `direct after ${direct} ms`);
      else assert.equal(direct, undefined);
      assert.deepEqual(pilot.world.errors, []);
      assert.deepEqual(pilot.world.breakages, []);
      if (isPossible && kinds.indexOf(b) < kinds.indexOf('sequential'))
        assert.deepEqual(attemptsOf(result), []);
    });
  }
}

test('what an attempt opened and does not need is closed, and its packets stay within the budget', async () => {
  for (const [a, b] of [
    ['random', 'port'],
    ['sequential', 'sequential'],
  ] as const) {
    const result = await meet(`closing ${a} ${b}`, a, b);
    assert.notEqual(result.direct, undefined);
    for (const { packets } of attemptsOf(result)) assert.ok(packets <= 1_024, `${packets} packets`);
    await result.pilot.world.runFor(40_000);
    for (const { host } of [result.a, result.b])
      assert.ok(host.udpSockets <= 3, `${host.udpSockets} sockets`);
  }
});
