/** Random links and applications, and what every exchange over them must keep to. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type Closes, type ExchangeResult, exchange, type Plan } from './exchange.testkit.ts';
import { OldPeer } from './old-peer.testkit.ts';
import { type Link, type LinkConditions, seededRandom } from './streams.testkit.ts';
import { Streams } from './streams.ts';

const MSS = 1152;
const LONGEST_BACK_OFF = 5000;

export interface ExchangeCase {
  readonly seed: number;
  readonly link: LinkConditions;
  readonly plans: readonly Plan[];
  /** Nothing gets through from `after` ms on, for `length` ms. */
  readonly outage: { readonly after: number; readonly length: number } | undefined;
}

const size = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom(0, 1, 5, MSS, MSS + 1, 4 * MSS) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 300_000 }) },
);
const pair = <T>(arbitrary: fc.Arbitrary<T>) => fc.tuple(arbitrary, arbitrary);

export const plan: fc.Arbitrary<Plan> = fc.record({
  sizes: pair(size),
  writes: pair(fc.constantFrom(1 << 20, 65_536, 4096, 1152, 700, 100)),
  readPauses: pair(fc.constantFrom(0, 0, 0, 1, 20)),
  closes: fc.constantFrom<readonly [Closes, Closes]>(
    ['when_written', 'at_end'],
    ['at_end', 'when_written'],
    ['when_written', 'when_written'],
    ['when_received', 'when_received'],
  ),
});

export const conditions: fc.Arbitrary<LinkConditions> = fc.record({
  delay: fc.constantFrom(0, 0.2, 1, 10, 50, 150),
  jitter: fc.constantFrom(0, 0, 1, 10, 60),
  loss: fc.constantFrom(0, 0, 0.01, 0.03, 0.1),
  duplicate: fc.constantFrom(0, 0, 0.01, 0.1),
  reorder: fc.constantFrom(0, 0, 0.02, 0.2),
  rate: fc.constantFrom(Number.POSITIVE_INFINITY, 100e6, 10e6, 1e6),
  queue: fc.constantFrom(Number.POSITIVE_INFINITY, 250_000, 30_000),
});

export const exchangeCase: fc.Arbitrary<ExchangeCase> = fc.record({
  seed: fc.integer(),
  link: conditions,
  plans: fc.array(plan, { minLength: 1, maxLength: 3 }),
  outage: fc.option(
    fc.record({ after: fc.constantFrom(0, 10, 100, 1000, 5000), length: fc.constantFrom(500, 5000, 25_000) }),
    { nil: undefined, freq: 3 },
  ),
});

/** Runs a case between two of ours. */
export function runCase(given: ExchangeCase, prepare?: (link: Link) => void): ExchangeResult {
  const { seed, link, plans, outage } = given;
  const random = seededRandom(seed);
  const peers = [
    new Streams({ random: random.fork('a') }),
    new Streams({ random: random.fork('b') }),
  ] as const;
  peers[0].setNode(1);
  peers[1].setNode(2);
  return exchange(peers, random, link, plans, timeLimit(given), (on) => {
    prepare?.(on);
    if (outage !== undefined) interrupt(on, outage);
  });
}

function interrupt(link: Link, outage: { readonly after: number; readonly length: number }): void {
  const { filter } = link;
  link.at(link.now + outage.after, () => {
    link.filter = () => false;
  });
  link.at(link.now + outage.after + outage.length, () => {
    link.filter = filter;
  });
}

/** Everything arrived, both ends know, and neither time nor packets were wasted. */
export function checkCase({ link, plans, outage }: ExchangeCase, result: ExchangeResult): void {
  for (const [i, { sizes }] of plans.entries()) {
    assert.deepEqual(result.received[i], [sizes[1], sizes[0]]);
    assert.deepEqual(result.ends[i], ['finished', 'finished']);
  }
  const most = packetLimit(link, plans) + (outage === undefined ? 0 : 30 * plans.length);
  assert.ok(result.packets < most, `${result.packets} packets where ${Math.round(most)} are enough`);
}

/** Whoever is told that a stream has finished is right: both applications have everything. */
export function checkTruth({ plans }: ExchangeCase, result: ExchangeResult, sides: readonly (0 | 1)[]): void {
  for (const [i, { sizes }] of plans.entries()) {
    for (const side of sides) {
      if (result.ends[i]![side] !== 'finished') continue;
      assert.deepEqual(result.received[i], [sizes[1], sizes[0]]);
    }
  }
}

/**
 * The same against the model of an old peer, which dials or listens. An old peer loses what is not acknowledged when
 * either side finishes, so here applications agree on the end: ours closes once it has everything.
 */
export function runOldCase(given: ExchangeCase, oldSide: 0 | 1, breaks = false): ExchangeResult {
  const { seed, link, plans, outage } = given;
  const random = seededRandom(seed);
  const ours = new Streams({ random: random.fork('ours') });
  ours.setNode(2 - oldSide);
  const old = new OldPeer(1 + oldSide);
  const closes = [0, 1].map((side) => (side === oldSide ? 'at_end' : 'when_received')) as [Closes, Closes];
  const agreed = plans.map((plan) => ({ ...plan, closes }));
  const peers = oldSide === 0 ? ([old, ours] as const) : ([ours, old] as const);
  // One repetition per timeout, and up to a sweep and ten seconds until a finished connection is forgotten.
  const limit = 10 * timeLimit(given) + 60_000;
  return exchange(peers, random, link, agreed, limit, (on) => {
    if (breaks && outage !== undefined) interrupt(on, outage);
  });
}

/** Everything arrived, and both ends know. */
export function checkOldCase({ plans }: ExchangeCase, result: ExchangeResult): void {
  for (const [i, { sizes }] of plans.entries()) {
    assert.deepEqual(result.received[i], [sizes[1], sizes[0]]);
    assert.deepEqual(result.ends[i], ['finished', 'finished']);
  }
}

function packetLimit(link: LinkConditions, plans: readonly Plan[]): number {
  let segments = 0;
  for (const { sizes, writes } of plans) {
    for (const side of [0, 1] as const) segments += sizes[side] / Math.min(MSS, writes[side]) + 1;
  }
  return 30 * plans.length + 4 * segments * (1 + 3 * link.loss);
}

/** Generous, but a stall that only a long back-off or a keep-alive ends does not fit in. */
export function timeLimit({ link, plans, outage }: ExchangeCase): number {
  const bytes = plans.reduce((sum, { sizes }) => sum + sizes[0] + sizes[1], 0);
  const roundTrip = 2 * (link.delay + link.jitter + 1) * (1 + link.reorder);
  const wire = ((bytes * 1.2 * 8000) / link.rate) * 3;
  // What NewReno would reach at this loss, halved.
  const lossy = link.loss > 0 ? (bytes / MSS) * roundTrip * Math.sqrt(link.loss) * 2 : 0;
  const queued = Number.isFinite(link.rate) && Number.isFinite(link.queue);
  const queue = queued ? (bytes / MSS) * roundTrip * 0.2 : 0;
  let reads = 0;
  for (const { sizes, writes, readPauses } of plans) {
    for (const side of [0, 1] as const) {
      const chunks = sizes[1 - side]! / Math.min(MSS, writes[1 - side]!) + 1;
      reads = Math.max(reads, readPauses[side] * chunks);
    }
  }
  const silent = outage === undefined ? 0 : outage.length + LONGEST_BACK_OFF;
  return 20_000 + 40 * roundTrip + wire + lossy + queue + reads + silent;
}
