import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Dependence, NatBehaviour, PortAllocation } from '../nat/behaviour.ts';
import { planFor, roleOf } from './strategy.ts';

const DEPENDENT: Dependence = 'address-and-port-dependent';

const nat = (
  mapping: Dependence,
  filtering: Dependence,
  allocation: PortAllocation,
  translation: NatBehaviour['translation'] = 'nat',
): NatBehaviour => ({
  translation,
  mapping,
  filtering,
  allocation,
  step: allocation === 'sequential' ? 1 : 0,
});

const OPEN = nat('endpoint-independent', 'unknown', 'preserving', 'none');
const LAX = nat('endpoint-independent', 'address-dependent', 'unknown');
const STRICT = nat('endpoint-independent', DEPENDENT, 'unknown');
const KEEPS = nat(DEPENDENT, DEPENDENT, 'preserving');
const COUNTS = nat(DEPENDENT, DEPENDENT, 'sequential');
const RANDOM = nat(DEPENDENT, DEPENDENT, 'random');
const UNKNOWN = nat('unknown', 'unknown', 'unknown', 'unknown');
const BLOCKED = nat('unknown', 'unknown', 'unknown', 'blocked');

test('the strategy follows from both translators', () => {
  const plan = (a: NatBehaviour, b: NatBehaviour): string => planFor(a, b).strategy;
  for (const easy of [OPEN, LAX, STRICT, KEEPS])
    for (const other of [OPEN, LAX, STRICT, KEEPS]) assert.equal(plan(easy, other), 'simple');
  for (const easy of [STRICT, KEEPS]) {
    assert.equal(plan(COUNTS, easy), 'prediction');
    assert.equal(plan(RANDOM, easy), 'birthday');
    assert.equal(planFor(RANDOM, easy).patient, false);
  }
  assert.equal(plan(COUNTS, COUNTS), 'prediction');
  assert.equal(plan(RANDOM, COUNTS), 'none');
  assert.equal(plan(RANDOM, RANDOM), 'none');
  assert.equal(plan(BLOCKED, OPEN), 'none');
  assert.equal(plan(UNKNOWN, RANDOM), 'simple');
});

test('where the filter is said to be lax simple punching gets its time first', () => {
  for (const lax of [OPEN, LAX])
    assert.deepEqual([planFor(RANDOM, lax).patient, planFor(lax, RANDOM).patient], [true, true]);
});

test('a sequential allocator whose step is not known is taken for a random one', () => {
  assert.equal(roleOf({ ...COUNTS, step: 0 }), 'random');
});

test('both sides come to the same plan', () => {
  const dependence = fc.constantFrom<Dependence>(
    'endpoint-independent',
    'address-dependent',
    DEPENDENT,
    'unknown',
  );
  const any = fc.record({
    translation: fc.constantFrom('none' as const, 'nat' as const, 'blocked' as const, 'unknown' as const),
    mapping: dependence,
    filtering: dependence,
    allocation: fc.constantFrom<PortAllocation>('preserving', 'sequential', 'random', 'unknown'),
    step: fc.integer({ min: -4, max: 4 }),
  });
  fc.assert(
    fc.property(any, any, (a, b) => {
      const [here, there] = [planFor(a, b), planFor(b, a)];
      assert.equal(here.strategy, there.strategy);
      assert.equal(here.patient, there.patient);
      assert.deepEqual([here.own, here.peer], [there.peer, there.own]);
    }),
  );
});
