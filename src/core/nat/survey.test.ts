import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Endpoint } from '../../base/units.ts';
import { UNKNOWN_NAT } from './behaviour.ts';
import { natName } from './describe.ts';
import type { Observation } from './observation.ts';
import { BLOCKED_AFTER, classify } from './survey.ts';

const OWN: Endpoint = { host: '192.168.1.2', port: 4000 };
const PUBLIC = '203.0.113.9';
const FIRST: Endpoint = { host: '198.51.100.1', port: 9001 };
const SECOND: Endpoint = { host: '198.51.100.2', port: 9001 };

/** A NAT that has just been switched on, asked by the rules of the survey. */
interface Model {
  readonly mapping: 'endpoint-independent' | 'address-dependent' | 'address-and-port-dependent';
  readonly letsIn: boolean;
  readonly ports: 'preserving' | 'sequential' | 'random';
  readonly step: number;
  readonly first: number;
  readonly random: readonly number[];
}

function observe(model: Model, beacons: readonly Endpoint[], from = 0): Observation[] {
  const mappings = new Map<string, number>();
  const portFor = (remote: Endpoint): number => {
    const scope = { 'endpoint-independent': '', 'address-dependent': remote.host }[model.mapping as string];
    const key = scope ?? `${remote.host}:${remote.port}`;
    const known = mappings.get(key);
    if (known !== undefined) return known;
    const made = mappings.size;
    const port = {
      preserving: made === 0 ? OWN.port : 30_000 + made * 100,
      sequential: model.first + made * model.step,
      random: model.random[made]!,
    }[model.ports];
    mappings.set(key, port);
    return port;
  };
  let at = from;
  const asked = (beacon: Endpoint, alternate: boolean): Observation => {
    const remote = alternate ? { ...beacon, port: beacon.port + 2 } : beacon;
    at += 10;
    const endpoint = { host: PUBLIC, port: portFor(remote) };
    return { ...QUESTION, beacon, alternate, askedAt: at, endpoint, since: at, at, unanswered: 0 };
  };
  const solicited = beacons.map((beacon) => asked(beacon, false));
  const filter = beacons.map((beacon): Observation => {
    const answer = model.letsIn ? { endpoint: { host: PUBLIC, port: portFor(beacon) }, since: at, at } : {};
    const test = { ...QUESTION, beacon, unsolicited: true, askedAt: at, ...answer };
    return { ...test, unanswered: model.letsIn ? 0 : 3 };
  });
  return [...solicited, ...filter, ...beacons.map((beacon) => asked(beacon, true))];
}

const QUESTION: Observation = {
  beacon: FIRST,
  alternate: false,
  unsolicited: false,
  via: 0,
  unanswered: 0,
  firstAskedAt: 0,
  askedAt: 0,
  endpoint: undefined,
  since: undefined,
  at: undefined,
  rtt: undefined,
};

const model: fc.Arbitrary<Model> = fc.record({
  mapping: fc.constantFrom(
    'endpoint-independent' as const,
    'address-dependent' as const,
    'address-and-port-dependent' as const,
  ),
  letsIn: fc.boolean(),
  ports: fc.constantFrom('preserving' as const, 'sequential' as const, 'random' as const),
  step: fc.constantFrom(1, 2, -1, 4),
  first: fc.integer({ min: 20_000, max: 60_000 }),
  // Draws that lie near each other look sequential, and are: no test of four ports can tell.
  random: fc
    .uniqueArray(fc.integer({ min: 100, max: 400 }), { minLength: 4, maxLength: 4 })
    .map((draws) => draws.map((draw) => draw * 149 + 1_024)),
});

function survey(observations: readonly Observation[], streamsWork = false) {
  return classify({ observations, own: [OWN], streamsWork });
}

describe('a survey', () => {
  it('finds what the NAT does, with two beacons of two ports each', () => {
    fc.assert(
      fc.property(model, (nat) => {
        const found = survey(observe(nat, [FIRST, SECOND]));
        assert.equal(found.translation, 'nat');
        assert.equal(found.mapping, nat.mapping);
        assert.equal(found.filtering, nat.letsIn ? 'address-dependent' : 'address-and-port-dependent');
        const isDependent = nat.mapping !== 'endpoint-independent';
        if (nat.ports === 'preserving') {
          if (!isDependent) assert.equal(found.allocation, 'preserving');
        } else if (isDependent) {
          assert.equal(found.allocation, nat.ports);
          if (nat.ports === 'sequential') assert.equal(found.step, nat.step);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it('finds with one beacon all but a mapping that depends on the address alone', () => {
    fc.assert(
      fc.property(model, (nat) => {
        const found = survey(observe(nat, [FIRST]));
        const expected = nat.mapping === 'address-dependent' ? 'endpoint-independent' : nat.mapping;
        assert.equal(found.mapping, expected);
      }),
    );
  });

  it('does not compare what was seen before and after a move to another network', () => {
    fc.assert(
      fc.property(model, model, fc.integer({ min: 6_000, max: 60_000 }), (before, after, later) => {
        const old = observe(before, [SECOND], 0);
        const now = observe({ ...after, mapping: 'endpoint-independent' }, [FIRST], later);
        assert.equal(survey([...old, ...now]).mapping, 'endpoint-independent');
        // What is left over of the old network does not outlive the first sight of the new one.
        assert.equal(survey([...old, ...now.slice(0, 1)]).mapping, 'unknown');
      }),
    );
  });

  it('says nothing of a NAT when a beacon sees an address of ours', () => {
    const open = observe({ ...NAT, ports: 'preserving' }, [FIRST]).map((one) => ({
      ...one,
      ...(one.endpoint && { endpoint: OWN }),
    }));
    const found = survey(open);
    assert.deepEqual([found.translation, found.mapping], ['none', 'endpoint-independent']);
    assert.equal(natName(found), 'no NAT');
  });

  it('does not call a filter closed before the second port has answered', () => {
    const half = observe(NAT, [FIRST]).filter(({ alternate }) => !alternate);
    assert.equal(survey(half).filtering, 'unknown');
    assert.equal(survey(observe(NAT, [FIRST])).filtering, 'address-and-port-dependent');
  });

  it('calls UDP blocked when beacons stay silent while something else gets through', () => {
    const silent: Observation = { ...QUESTION, unanswered: 4, firstAskedAt: 0, askedAt: BLOCKED_AFTER + 0 };
    assert.equal(survey([silent], true).translation, 'blocked');
    assert.equal(survey([silent], false).translation, 'unknown');
    assert.equal(survey([{ ...silent, askedAt: BLOCKED_AFTER - 1 }], true).translation, 'unknown');
    const answers = { ...silent, unanswered: 0, beacon: SECOND, endpoint: OWN, since: 1, at: 1 };
    assert.notEqual(survey([silent, answers], true).translation, 'blocked');
  });

  it('believes a beacon outside more than one on this machine or on our network', () => {
    const seen = (host: string, beacon: Endpoint): Observation => ({
      ...{ ...QUESTION, beacon, endpoint: { host, port: 4000 }, since: 1, at: 1 },
    });
    const here = seen('127.0.0.1', { host: '127.0.0.1', port: 9001 });
    const near = seen(OWN.host, { host: '192.168.1.1', port: 9001 });
    const far = seen(PUBLIC, FIRST);
    assert.deepEqual(survey([here]), UNKNOWN_NAT);
    assert.equal(survey([here, near]).translation, 'none');
    assert.equal(survey([here, near, far]).translation, 'nat');
  });

  it('ignores other sockets, and knows nothing without an answer', () => {
    const others = observe(NAT, [FIRST]).map((one) => ({ ...one, via: 3 }));
    assert.deepEqual(survey(others), UNKNOWN_NAT);
    assert.deepEqual(survey([]), UNKNOWN_NAT);
  });
});

const NAT: Model = {
  mapping: 'endpoint-independent',
  letsIn: false,
  ports: 'preserving',
  step: 1,
  first: 30_000,
  random: [1, 2, 3, 4],
};
