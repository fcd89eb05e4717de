/** Random histories of users, terms, messages, losses, repeats, recordings, restarts, rotations, time and wrong clocks. */
import { test } from 'node:test';
import fc from 'fast-check';
import { type Step, TrustModel } from './trust-model.testkit.ts';

/** How often each action is drawn: trust must come and go often, and messages must outlive what they said. */
const WEIGHTS = [6, 2, 5, 5, 1, 4, 3, 8, 8, 8, 6, 4, 6, 1, 1, 1, 1, 8, 6, 4, 2, 1];
const actionOf = WEIGHTS.flatMap((weight, action) => Array.from({ length: weight }, () => action));
// A failing history shrinks by leaving steps out; trying other numbers for what remains would take minutes.
const step: fc.Arbitrary<Step> = fc.noShrink(
  fc.tuple(
    fc.nat(actionOf.length - 1).map((index) => actionOf[index]!),
    fc.nat(2),
    fc.nat(2),
    fc.nat(1000),
  ),
);
const RUN = {
  numRuns: Number(process.env.TRUST_RUNS ?? 40),
  seed: Number(process.env.TRUST_SEED ?? 1),
  includeErrorInReport: true,
};

function histories(maxLength: number): fc.Arbitrary<Step[]> {
  return fc.array(step, { maxLength, size: 'max' });
}

function holds(nodes: number, steps: readonly Step[]): void {
  const model = new TrustModel('property', nodes);
  for (const each of steps) model.apply(each);
  model.heal();
  model.checkAgreement();
  model.approveAll();
  model.heal();
  model.checkAgreement();
}

test('two nodes: trust only by both, and agreement once messages arrive again', () => {
  fc.assert(
    fc.property(histories(120), (steps) => holds(2, steps)),
    RUN,
  );
});

test('three nodes: trust only by both, and agreement once messages arrive again', () => {
  fc.assert(
    fc.property(histories(160), (steps) => holds(3, steps)),
    RUN,
  );
});
