import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { CAUSES, type Cause, type Verdict } from '../../api/causes.ts';
import { type NatBehaviour, UNKNOWN_NAT } from '../nat/behaviour.ts';
import { type ExplainInput, explain, UNDER_WAY } from './explain.ts';
import type { CandidateFacts, PathFacts } from './facts.ts';
import type { AboutPeer, OwnFacts } from './node-facts.ts';

const NOW = 1_000_000;

const SEEN = { host: '203.0.113.10', port: 4000 };
const OWN: OwnFacts = {
  registered: true,
  relayOnly: false,
  streamsOnly: false,
  registry: 'connected',
  beacons: [{ endpoint: { host: '203.0.113.1', port: 9001 }, usable: true, observed: SEEN, rtt: 20 }],
  addresses: ['192.168.10.2'],
  carrierProblem: undefined,
};
const ABOUT: AboutPeer = {
  relation: 'allowed',
  directory: 'found',
  online: true,
  relayOnly: false,
  identityChanged: false,
  speaksPaths: true,
};
const RELAY: CandidateFacts = {
  kind: 'relay',
  endpoint: { host: '203.0.113.1', port: 9001 },
  origin: 'beacon',
  phase: 'proven',
  selected: true,
  addedAt: NOW - 60_000,
  probes: 3,
  firstProbeAt: NOW - 60_000,
  heardAt: NOW - 1_000,
  provenAt: NOW - 59_000,
  rtt: 40,
  loss: undefined,
  size: 1_231,
  sizePhase: 'base',
};
const TRIED: CandidateFacts = {
  ...RELAY,
  kind: 'direct',
  endpoint: { host: '203.0.113.20', port: 5000 },
  origin: 'registered',
  phase: 'unproven',
  selected: false,
  heardAt: undefined,
  provenAt: undefined,
  rtt: undefined,
};
const WORKS: CandidateFacts = { ...TRIED, phase: 'proven', selected: true, heardAt: NOW, provenAt: NOW };
const EASY: NatBehaviour = {
  translation: 'nat',
  mapping: 'endpoint-independent',
  filtering: 'address-dependent',
  allocation: 'preserving',
  step: 0,
};
const STRICT: NatBehaviour = { ...EASY, filtering: 'address-and-port-dependent' };
const HARD: NatBehaviour = { ...STRICT, mapping: 'address-and-port-dependent', allocation: 'random' };
const BLOCKED: NatBehaviour = { ...UNKNOWN_NAT, translation: 'blocked' };
const PATHS: PathFacts = {
  established: true,
  candidates: [RELAY, TRIED],
  reason: 'proven',
  changedAt: NOW - 59_000,
  startedAt: NOW - 60_000,
  firstProvenAt: NOW - 59_000,
  firstDirectAt: undefined,
  own: EASY,
  peer: EASY,
  punch: { strategy: 'simple', at: NOW - 30_000, packets: 8, budget: 20, outcome: 'no_answer' },
};

interface Change {
  readonly own?: Partial<OwnFacts>;
  readonly about?: Partial<AboutPeer>;
  readonly paths?: Partial<PathFacts> | 'none';
}
function given({ own, about, paths }: Change): ExplainInput {
  return {
    peer: 'node-b',
    own: { ...OWN, ...own },
    about: { ...ABOUT, ...about },
    paths: paths === 'none' ? undefined : { ...PATHS, ...paths },
  };
}

/** One case for each cause of the catalogue; the compiler demands that none is missing. */
const CASES: Readonly<Record<Exclude<Cause, 'ipv6_broken' | 'small_datagrams'>, Change>> = {
  same_lan: { paths: { candidates: [{ ...WORKS, kind: 'lan' }, TRIED] } },
  direct: { paths: { candidates: [{ ...RELAY, selected: false }, WORKS] } },
  relay_only_here: { own: { relayOnly: true } },
  streams_only_here: { own: { streamsOnly: true } },
  relay_only_there: { about: { relayOnly: true }, paths: { candidates: [RELAY] } },
  udp_blocked_here: { paths: { own: BLOCKED } },
  udp_blocked_there: { paths: { peer: BLOCKED } },
  no_common_family: { own: { addresses: ['2001:db8::2', 'fe80::1'] } },
  punching: { paths: { punch: { ...PATHS.punch!, outcome: 'running' } } },
  both_symmetric: { paths: { own: HARD, peer: HARD } },
  symmetric_vs_port_restricted: { paths: { own: HARD, peer: STRICT } },
  symmetric_here: { paths: { own: HARD } },
  symmetric_there: { paths: { peer: HARD } },
  peer_old: { about: { speaksPaths: false }, paths: { peer: undefined, punch: undefined } },
  no_hairpin: { own: { beacons: [{ ...OWN.beacons[0]!, observed: { host: '203.0.113.20', port: 7 } }] } },
  direct_lost: { paths: { firstDirectAt: NOW - 50_000, changedAt: NOW - 2_000 } },
  no_candidates: { paths: { candidates: [RELAY] } },
  no_direct_answer: {},
  connecting: { paths: { established: false, candidates: [TRIED], startedAt: NOW - UNDER_WAY + 1 } },
  idle: { paths: 'none' },
  this_node: { about: { relation: 'self' } },
  no_such_peer: { about: { directory: 'refused', relation: 'none' }, paths: 'none' },
  not_trusted: { about: { relation: 'none' }, paths: 'none' },
  trust_pending: { about: { directory: 'refused', relation: 'asked' }, paths: 'none' },
  identity_changed: { about: { identityChanged: true }, paths: 'none' },
  no_network: { own: { addresses: [] }, paths: 'none' },
  not_registered: { own: { registered: false }, paths: 'none' },
  registry_unreachable: {
    own: { registry: 'unreachable' },
    about: { directory: 'unknown', relation: 'unknown' },
    paths: 'none',
  },
  offline: { own: { registry: 'unreachable', beacons: [] }, paths: 'none' },
  no_beacon: { own: { beacons: [{ ...OWN.beacons[0]!, usable: false }] }, paths: { established: false } },
  proxy_auth_failed: {
    own: { beacons: [], carrierProblem: 'proxy_auth_failed' },
    paths: { established: false, own: BLOCKED },
  },
  carrier_failed: {
    own: { beacons: [], carrierProblem: 'carrier_failed' },
    paths: { established: false, own: BLOCKED },
  },
  peer_offline: { about: { online: false }, paths: { established: false } },
  peer_silent: { paths: { established: false } },
};

describe('an explanation', () => {
  for (const [cause, change] of Object.entries(CASES)) {
    it(`finds ${cause}`, () => {
      const found = explain(given(change), NOW);
      assert.equal(found.cause, cause);
      assert.ok((CAUSES[found.cause].verdicts as readonly Verdict[]).includes(found.verdict), found.verdict);
      assert.doesNotMatch(found.sentence, /\.$/);
      assert.doesNotMatch(found.help ?? '', /\{|\.$/);
    });
  }

  it('remarks on IPv6 that leads nowhere, and only when an IPv6 beacon was asked', () => {
    const six = {
      endpoint: { host: '2001:db8::1', port: 9001 },
      usable: false,
      observed: undefined,
      rtt: undefined,
    };
    const own = { addresses: ['192.168.1.2', '2001:db8::2'], beacons: [...OWN.beacons, six] };
    const paths = { candidates: [WORKS] };
    assert.deepEqual(explain(given({ own, paths }), NOW).remarks, ['ipv6_broken']);
    assert.deepEqual(explain(given({ own: { ...own, beacons: OWN.beacons }, paths }), NOW).remarks, []);
  });

  it('remarks on a path that carries only small datagrams', () => {
    const paths = { candidates: [{ ...WORKS, size: 1_000, sizePhase: 'settled' as const }] };
    assert.deepEqual(explain(given({ paths }), NOW).remarks, ['small_datagrams']);
    const usual = { candidates: [{ ...WORKS, size: 1_222 }] };
    assert.deepEqual(explain(given({ paths: usual }), NOW).remarks, []);
  });

  it('believes the peer more than a beacon that remembers where it was', () => {
    const before: CandidateFacts = {
      ...TRIED,
      endpoint: { host: '2001:db8::20', port: 5000 },
      origin: 'commanded',
    };
    const own = { addresses: ['2001:db8::2'] };
    const causeOf = (candidates: readonly CandidateFacts[]): string =>
      explain(given({ own, paths: { candidates } }), NOW).cause;
    assert.equal(causeOf([RELAY, TRIED, before]), 'no_common_family');
    assert.equal(causeOf([RELAY, before]), 'no_direct_answer');
  });

  it('names the side that is blocked, whichever asks', () => {
    const here = explain(given({ paths: { own: BLOCKED, peer: EASY } }), NOW);
    const there = explain(given({ paths: { own: EASY, peer: BLOCKED } }), NOW);
    assert.deepEqual([here.cause, there.cause], ['udp_blocked_here', 'udp_blocked_there']);
  });

  it('takes a relay over a byte stream for a sign that UDP is blocked here', () => {
    const carried = { ...RELAY, endpoint: { host: 'wss://beacon.example:443/v1/compat', port: 443 } };
    assert.equal(explain(given({ paths: { candidates: [carried] } }), NOW).cause, 'udp_blocked_here');
  });

  it('does not blame the NATs while the first attempt is running', () => {
    const begun = { firstProvenAt: NOW - UNDER_WAY + 1, punch: undefined, own: HARD, peer: HARD };
    assert.equal(explain(given({ paths: begun }), NOW).cause, 'punching');
    const failed = { ...begun, punch: { ...PATHS.punch!, outcome: 'over_budget' as const } };
    assert.equal(explain(given({ paths: failed }), NOW).cause, 'both_symmetric');
  });
});

const dependence = fc.constantFrom(
  'endpoint-independent' as const,
  'address-dependent' as const,
  'address-and-port-dependent' as const,
  'unknown' as const,
);
const nat: fc.Arbitrary<NatBehaviour> = fc.record({
  translation: fc.constantFrom('none' as const, 'nat' as const, 'blocked' as const, 'unknown' as const),
  mapping: dependence,
  filtering: dependence,
  allocation: fc.constantFrom(
    'preserving' as const,
    'sequential' as const,
    'random' as const,
    'unknown' as const,
  ),
  step: fc.integer({ min: 0, max: 9 }),
});
const host = fc.constantFrom('192.168.1.2', '203.0.113.1', '2001:db8::1', 'fe80::1', 'wss://b:443/v1/compat');
const endpoint = fc.record({ host, port: fc.integer({ min: 1, max: 65535 }) });
const instant = fc.option(fc.integer({ min: 0, max: NOW }), { nil: undefined });
const candidate: fc.Arbitrary<CandidateFacts> = fc.record({
  kind: fc.constantFrom('lan' as const, 'direct' as const, 'relay' as const),
  endpoint,
  origin: fc.constantFrom('registered' as const, 'lan' as const, 'beacon' as const, 'heard' as const),
  phase: fc.constantFrom('unproven' as const, 'proven' as const, 'failed' as const),
  selected: fc.constant(false),
  addedAt: fc.integer({ min: 0, max: NOW }),
  probes: fc.nat(500),
  firstProbeAt: instant,
  heardAt: instant,
  provenAt: instant,
  rtt: fc.option(fc.nat(2000), { nil: undefined }),
  loss: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: undefined }),
  size: fc.integer({ min: 548, max: 65_498 }),
  sizePhase: fc.constantFrom('base' as const, 'searching' as const, 'settled' as const),
});
const input: fc.Arbitrary<ExplainInput> = fc.record({
  peer: fc.string(),
  own: fc.record({
    registered: fc.boolean(),
    relayOnly: fc.boolean(),
    streamsOnly: fc.boolean(),
    registry: fc.constantFrom('connected' as const, 'unreachable' as const),
    beacons: fc.array(
      fc.record({
        endpoint,
        usable: fc.boolean(),
        observed: fc.option(endpoint, { nil: undefined }),
        rtt: instant,
      }),
      { maxLength: 3 },
    ),
    addresses: fc.array(host, { maxLength: 3 }),
    carrierProblem: fc.constantFrom(undefined, 'proxy_auth_failed' as const, 'carrier_failed' as const),
  }),
  about: fc.record({
    relation: fc.constantFrom(
      'self' as const,
      'allowed' as const,
      'asked' as const,
      'none' as const,
      'unknown' as const,
    ),
    directory: fc.constantFrom('found' as const, 'refused' as const, 'unknown' as const),
    online: fc.constantFrom(true, false, undefined),
    relayOnly: fc.boolean(),
    identityChanged: fc.boolean(),
    speaksPaths: fc.constantFrom(true, false, undefined),
  }),
  paths: fc.option(
    fc
      .record({
        established: fc.boolean(),
        candidates: fc.array(candidate, { maxLength: 6 }),
        choice: fc.nat(6),
        reason: fc.constantFrom(undefined, 'proven'),
        changedAt: instant,
        startedAt: instant,
        firstProvenAt: instant,
        firstDirectAt: instant,
        own: nat,
        peer: fc.option(nat, { nil: undefined }),
        punch: fc.option(
          fc.record({
            strategy: fc.constantFrom('simple' as const, 'prediction' as const, 'birthday' as const),
            at: fc.integer({ min: 0, max: NOW }),
            packets: fc.nat(2000),
            budget: fc.nat(2000),
            outcome: fc.constantFrom(
              'running' as const,
              'direct' as const,
              'no_answer' as const,
              'refused' as const,
              'over_budget' as const,
            ),
          }),
          { nil: undefined },
        ),
      })
      .map(({ candidates, choice, ...rest }) => ({
        ...rest,
        candidates: candidates.map((one, at) => ({ ...one, selected: at === choice })),
      })),
    { nil: undefined },
  ),
});

describe('explanations of any facts', () => {
  it('say what is so: the verdict is the path in use, and the cause is one of that verdict', () => {
    fc.assert(
      fc.property(input, (facts) => {
        const found = explain(facts, NOW);
        const selected =
          facts.paths?.established === true ? facts.paths.candidates.find((one) => one.selected) : undefined;
        assert.ok((CAUSES[found.cause].verdicts as readonly Verdict[]).includes(found.verdict));
        if (facts.about.relation === 'self') assert.equal(found.cause, 'this_node');
        else if (selected === undefined) assert.ok(!['direct', 'relayed'].includes(found.verdict));
        else assert.equal(found.verdict, selected.kind === 'relay' ? 'relayed' : 'direct');
      }),
      { numRuns: 2_000 },
    );
  });

  it('help exactly when something is wrong, and repeat nothing', () => {
    fc.assert(
      fc.property(input, (facts) => {
        const { cause, help, remarks, sentence } = explain(facts, NOW);
        assert.equal(help === undefined, cause === 'direct' || cause === 'same_lan');
        assert.ok(!remarks.includes(cause));
        assert.equal(new Set(remarks).size, remarks.length);
        assert.ok(sentence.length > 10);
      }),
      { numRuns: 1_000 },
    );
  });

  it('blame both NATs alike from either side', () => {
    fc.assert(
      fc.property(nat, nat, (own, peer) => {
        const mirror = (a: NatBehaviour, b: NatBehaviour) =>
          explain(given({ paths: { own: a, peer: b } }), NOW).cause;
        const swapped: Partial<Record<Cause, Cause>> = {
          udp_blocked_here: 'udp_blocked_there',
          udp_blocked_there: 'udp_blocked_here',
          symmetric_here: 'symmetric_there',
          symmetric_there: 'symmetric_here',
        };
        const here = mirror(own, peer);
        const there = mirror(peer, own);
        // Blocked on both sides, each names itself.
        if (own.translation === 'blocked' && peer.translation === 'blocked') assert.equal(here, there);
        else assert.equal(there, swapped[here] ?? here);
      }),
    );
  });
});
