import { test } from 'node:test';
import fc from 'fast-check';
import {
  checkCase,
  checkOldCase,
  checkTruth,
  type ExchangeCase,
  exchangeCase,
  runCase,
  runOldCase,
} from './exchange-cases.testkit.ts';

/** The listener's first word is heard only after an outage: the time until then is no round trip. */
const lateConfirmation: ExchangeCase = {
  seed: 0,
  link: {
    delay: 50,
    jitter: 1,
    loss: 0,
    duplicate: 0,
    reorder: 0,
    rate: Number.POSITIVE_INFINITY,
    queue: Number.POSITIVE_INFINITY,
  },
  plans: [
    { sizes: [0, 1], writes: [1_048_576, 1_048_576], readPauses: [0, 0], closes: ['at_end', 'when_written'] },
  ],
  outage: { after: 100, length: 25_000 },
};

const SEEDS = Number(process.env.PILOT_SEEDS ?? 100);

test('every byte arrives once and in order in both directions, and both ends close cleanly', () => {
  fc.assert(
    fc.property(exchangeCase, (given) => checkCase(given, runCase(given))),
    { numRuns: SEEDS, examples: [[lateConfirmation]] },
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

const brokenCase = fc
  .tuple(
    exchangeCase,
    fc.constantFrom(0, 10, 100, 1000, 3000),
    fc.constantFrom(20_000, 90_000, 130_000, 400_000),
  )
  .map(([given, after, length]) => ({ ...given, outage: { after, length } }));

test('a stream that ends as finished has delivered everything, however long the link is down', () => {
  fc.assert(
    fc.property(brokenCase, (given) => checkTruth(given, runCase(given), [0, 1])),
    { numRuns: Math.ceil(SEEDS / 2) },
  );
});

test('the same with an old peer, which itself may lose what it likes', () => {
  fc.assert(
    fc.property(brokenCase, fc.constantFrom<0 | 1>(0, 1), (given, oldSide) =>
      checkTruth(given, runOldCase(given, oldSide, true), [oldSide === 0 ? 1 : 0]),
    ),
    { numRuns: Math.ceil(SEEDS / 2) },
  );
});
