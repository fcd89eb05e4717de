import { test } from 'node:test';
import fc from 'fast-check';
import { checkCase, checkOldCase, exchangeCase, runCase, runOldCase } from './exchange-cases.testkit.ts';

const SEEDS = Number(process.env.PILOT_SEEDS ?? 100);

test('every byte arrives once and in order in both directions, and both ends close cleanly', () => {
  fc.assert(
    fc.property(exchangeCase, (given) => checkCase(given, runCase(given))),
    { numRuns: SEEDS },
  );
});

test('every byte arrives once and in order in both directions when the dialer is an old peer', () => {
  fc.assert(
    fc.property(exchangeCase, (given) => checkOldCase(given, runOldCase(given, 0))),
    { numRuns: Math.ceil(SEEDS / 2) },
  );
});

test('every byte arrives once and in order in both directions when the listener is an old peer', () => {
  fc.assert(
    fc.property(exchangeCase, (given) => checkOldCase(given, runOldCase(given, 1))),
    { numRuns: Math.ceil(SEEDS / 2) },
  );
});
