import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import {
  Memberships,
  NEGATIVE_LIFETIME,
  type OwnNetwork,
  POSITIVE_LIFETIME,
  type Relation,
  type Traffic,
} from './memberships.ts';

const EPOCH = 1_700_000_000_000;
const WEB: Traffic = { direction: 'in', port: 80, kind: 'stream', size: 0 };

function own(network: number, more: Partial<OwnNetwork> = {}): OwnNetwork {
  return { network, name: `net-${network}`, role: 'member', tags: [], ports: [], ...more };
}

function shared(...networks: number[]): Relation {
  return {
    shared: networks.map((network) => ({
      network,
      tags: ['service'],
      role: 'member',
      since: EPOCH / 1000 - 100,
    })),
  };
}

function policy(match: string, on = 'connect'): string {
  return JSON.stringify({
    version: 1,
    rules: [
      { name: 'yes', on, match, actions: [{ type: 'allow' }] },
      { name: 'no', on, match: 'true', actions: [{ type: 'deny' }] },
    ],
  });
}

function memberships(...networks: OwnNetwork[]): Memberships {
  const made = new Memberships({ wall: (now) => EPOCH + now });
  made.setOwn(networks);
  return made;
}

test('without networks of our own nothing needs to be asked', () => {
  const none = memberships();
  assert.equal(none.shares(7, 0), 'no');
  assert.equal(none.verdict(0, 7, WEB, 0), 'not_member');
  assert.equal(none.verdict(3, 7, WEB, 0), 'not_member');
});

test('an answer counts for a while, and a stranger is asked about sooner', () => {
  const some = memberships(own(3));
  assert.equal(some.verdict(3, 7, WEB, 0), 'unknown');
  some.answer(7, shared(3), 0);
  some.answer(8, shared(), 0);
  some.answer(9, undefined, 0);
  assert.equal(some.verdict(3, 7, WEB, (POSITIVE_LIFETIME as number) - 1), 'allowed');
  assert.equal(some.verdict(3, 7, WEB, POSITIVE_LIFETIME as number), 'unknown');
  for (const stranger of [8, 9]) {
    assert.equal(some.verdict(3, stranger, WEB, (NEGATIVE_LIFETIME as number) - 1), 'not_member');
    assert.equal(some.shares(stranger, NEGATIVE_LIFETIME as number), 'unknown');
  }
});

test('forgetting makes it ask again', () => {
  const some = memberships(own(3));
  some.answer(7, shared(3), 0);
  some.answer(8, shared(3), 0);
  some.forget(7);
  assert.equal(some.verdict(3, 7, WEB, 1), 'unknown');
  assert.equal(some.verdict(3, 8, WEB, 1), 'allowed');
  some.forget();
  assert.equal(some.verdict(3, 8, WEB, 1), 'unknown');
});

test('only networks that both are in count, whatever the registry says', () => {
  const some = memberships(own(3));
  some.answer(7, shared(4), 0);
  assert.equal(some.verdict(4, 7, WEB, 1), 'not_member');
  assert.equal(some.verdict(0, 7, WEB, 1), 'not_member');
  assert.equal(some.shares(7, 1), 'no');
  some.answer(7, shared(3), 1);
  assert.equal(some.verdict(3, 7, WEB, 2), 'allowed');
  some.setOwn([]);
  assert.equal(some.verdict(3, 7, WEB, 2), 'not_member');
  assert.equal(some.shares(7, 2), 'no');
});

test('a list of ports lets these pass, both ways and for datagrams', () => {
  const some = memberships(own(3, { ports: [80, 443] }));
  some.answer(7, shared(3), 0);
  for (const direction of ['in', 'out'] as const) {
    for (const kind of ['stream', 'datagram'] as const) {
      assert.equal(some.verdict(3, 7, { direction, kind, port: 443, size: 1 }, 1), 'allowed');
      assert.equal(some.verdict(3, 7, { direction, kind, port: 22, size: 1 }, 1), 'policy');
    }
  }
});

test('an expression policy replaces the ports and sees who asks', () => {
  const some = memberships(
    own(3, { ports: [22], tags: ['client'], policy: policy('port == 80 and has_tag(peer_tags, "service")') }),
    own(4, { policy: policy('peer_age_s >= 100 and peer_age_s < 200 and network_id == 4') }),
    own(5, { policy: policy('size < 10 and direction == "out"', 'datagram') }),
  );
  some.answer(7, shared(3, 4, 5), 0);
  assert.equal(some.verdict(3, 7, WEB, 1), 'allowed');
  assert.equal(some.verdict(3, 7, { ...WEB, port: 22 }, 1), 'policy');
  assert.equal(some.verdict(4, 7, WEB, 1), 'allowed');
  const small: Traffic = { direction: 'out', port: 9, kind: 'datagram', size: 9 };
  assert.equal(some.verdict(5, 7, small, 1), 'allowed');
  assert.equal(some.verdict(5, 7, { ...small, size: 10 }, 1), 'policy');
  assert.equal(some.verdict(5, 7, { ...small, direction: 'in' }, 1), 'policy');
});

test('network 0 passes through no gate that is shut in every shared network', () => {
  const some = memberships(own(3, { ports: [80] }), own(4, { ports: [443] }));
  some.answer(7, shared(3, 4), 0);
  assert.equal(some.verdict(0, 7, { ...WEB, port: 443 }, 1), 'allowed');
  assert.equal(some.verdict(3, 7, { ...WEB, port: 443 }, 1), 'policy');
  assert.equal(some.verdict(0, 7, { ...WEB, port: 22 }, 1), 'policy');
});

test('a policy that is not understood lets nothing pass until it is replaced', () => {
  const some = memberships(own(3, { policy: policy('port in') }));
  some.answer(7, shared(3), 0);
  assert.equal(some.verdict(3, 7, WEB, 1), 'policy');
  assert.equal(some.verdict(0, 7, WEB, 1), 'policy');
  assert.match(some.policyError(3)?.at ?? '', /rules\[0\].match/);
  some.setOwn([own(3, { policy: policy('true') })]);
  assert.equal(some.verdict(3, 7, WEB, 1), 'allowed');
  assert.equal(some.policyError(3), undefined);
});

test('strangers cannot make it forget members', () => {
  const some = memberships(own(3));
  some.answer(7, shared(3), 0);
  for (let peer = 1000; peer < 5000; peer++) some.answer(peer, shared(), 0);
  assert.equal(some.verdict(3, 7, WEB, 1), 'allowed');
  assert.equal(some.shares(1000, 1), 'unknown');
  assert.equal(some.shares(4999, 1), 'no');
});

test('network 0 lets through exactly what some shared network lets through', () => {
  const networks = fc.uniqueArray(
    fc.record({
      network: fc.integer({ min: 1, max: 4 }),
      ports: fc.subarray([22, 80, 443]),
      match: fc.constantFrom(undefined, 'port == 80', 'has_tag(peer_tags, "service")', 'port /'),
    }),
    { selector: ({ network }) => network, maxLength: 4 },
  );
  const port = fc.constantFrom(22, 80, 443);
  fc.assert(
    fc.property(networks, fc.subarray([1, 2, 3, 4]), port, (ours, theirs, wanted) => {
      const some = memberships(
        ...ours.map(({ network, ports, match }) =>
          own(network, { ports, ...(match !== undefined && { policy: policy(match) }) }),
        ),
      );
      some.answer(7, shared(...theirs), 0);
      const verdicts = [1, 2, 3, 4].map((network) => {
        const verdict = some.verdict(network, 7, { ...WEB, port: wanted }, 1);
        const entry = ours.find((one) => one.network === network);
        const isShared = entry !== undefined && theirs.includes(network);
        if (!isShared) assert.equal(verdict, 'not_member');
        else if (entry.match === 'port /') assert.equal(verdict, 'policy');
        else if (entry.match === undefined) {
          const passes = entry.ports.length === 0 || entry.ports.includes(wanted);
          assert.equal(verdict, passes ? 'allowed' : 'policy');
        }
        return verdict;
      });
      const any = some.verdict(0, 7, { ...WEB, port: wanted }, 1);
      const expected = ['allowed', 'policy'].find((verdict) => verdicts.includes(verdict as 'allowed'));
      assert.equal(any, expected ?? 'not_member');
    }),
  );
});
