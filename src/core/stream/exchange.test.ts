import { test } from 'node:test';
import fc from 'fast-check';
import { checkCase, exchangeCase, runCase } from './exchange-cases.testkit.ts';

const SEEDS = Number(process.env.PILOT_SEEDS ?? 100);

test('every byte arrives once and in order in both directions, and both ends close cleanly', () => {
  fc.assert(
    fc.property(exchangeCase, (given) => checkCase(given, runCase(given))),
    { numRuns: SEEDS },
  );
});
