import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Admission, type Opening } from './admission.ts';
import { Memberships } from './network/memberships.ts';
import type { Scope } from './trust/certificates.ts';
import { portsOf } from './trust/terms.ts';
import { WaitingOpenings } from './waiting-openings.ts';

const PEER = 7;

class Rig {
  scopes = new Map<number, Scope>();
  asking = new Set<number>();
  telling = new Set<number>();
  readonly memberships = new Memberships({ wall: () => 0 });
  readonly admission: Admission;

  constructor(isPublic = false) {
    this.admission = new Admission({
      trust: {
        scope: (peer) => this.scopes.get(peer),
        isAsking: (peer) => this.asking.has(peer),
        isTelling: (peer) => this.telling.has(peer),
      },
      memberships: this.memberships,
      isPublic,
    });
  }

  trust(give: string, get: string, opens?: number): void {
    const [ours, theirs] = [portsOf({ ports: give }), portsOf({ ports: get })];
    this.scopes.set(PEER, { give: ours, get: theirs, giveOpens: opens, getOpens: opens });
  }

  share(network: number, ports: number[]): void {
    this.memberships.setOwn([{ network, name: 'n', role: 'member', tags: [], ports }]);
    this.memberships.answer(PEER, { shared: [{ network, tags: [], role: 'member', since: 0 }] }, 0, 1e9);
  }

  ask(opening: Partial<Opening>, now = 0): string {
    const verdict = this.admission.verdict(
      {
        direction: 'in',
        peer: PEER,
        network: 0,
        port: 80,
        sourcePort: 50_000,
        kind: 'stream',
        size: 0,
        ...opening,
      },
      now,
    );
    return typeof verdict === 'string' ? verdict : verdict.denied;
  }
}

test('strangers get in nowhere; whether they let us in is theirs to say', () => {
  const rig = new Rig();
  assert.equal(rig.ask({}), 'untrusted');
  assert.equal(rig.ask({ kind: 'datagram' }), 'untrusted');
  assert.equal(rig.ask({ direction: 'out' }), 'allowed');
  assert.equal(rig.ask({ network: 5 }), 'not_member');
  assert.equal(rig.ask({ network: 5, direction: 'out' }), 'not_member');
  assert.equal(new Rig(true).ask({}), 'allowed');
  assert.equal(new Rig(true).ask({ network: 5 }), 'not_member');
});

test('trust opens its ports in each direction, and nothing on networks', () => {
  const rig = new Rig();
  rig.trust('80', '443');
  assert.deepEqual([rig.ask({}), rig.ask({ port: 443 })], ['allowed', 'scope']);
  const out = { direction: 'out' } as const;
  assert.deepEqual([rig.ask({ ...out }), rig.ask({ ...out, port: 443 })], ['scope', 'allowed']);
  assert.equal(rig.ask({ network: 5 }), 'not_member');
  assert.equal(rig.ask({ port: 444 }), 'allowed', 'trust itself can always be spoken of');
  assert.equal(rig.ask({ port: 444, kind: 'datagram' }), 'scope');
});

test('a shared network opens what it allows, and asks where nobody knows', () => {
  const rig = new Rig();
  rig.memberships.setOwn([{ network: 5, name: 'n', role: 'member', tags: [], ports: [80] }]);
  assert.deepEqual(
    [rig.ask({}), rig.ask({ network: 5 }), rig.ask({ port: 444 })],
    ['unknown', 'unknown', 'unknown'],
  );
  rig.share(5, [80]);
  assert.deepEqual(
    [rig.ask({}), rig.ask({ network: 5 }), rig.ask({ port: 444 })],
    ['allowed', 'allowed', 'allowed'],
  );
  assert.deepEqual([rig.ask({ port: 22 }), rig.ask({ port: 22, network: 5 })], ['policy', 'policy']);
  assert.equal(rig.ask({ port: 22, direction: 'out' }), 'policy', 'no way round by network 0');
  rig.trust('22', '22');
  assert.deepEqual([rig.ask({ port: 22 }), rig.ask({ port: 22, network: 5 })], ['allowed', 'policy']);
  assert.equal(rig.ask({ port: 80 }), 'allowed', 'beyond the scope, by the network');
});

test('port 444 is open to whom we ask and whom we have to tell', () => {
  const rig = new Rig();
  const trustPort = { port: 444 };
  assert.equal(rig.ask(trustPort), 'untrusted');
  rig.asking.add(PEER);
  assert.deepEqual([rig.ask(trustPort), rig.ask({})], ['allowed', 'untrusted']);
  rig.asking.clear();
  rig.telling.add(PEER);
  assert.deepEqual([rig.ask(trustPort), rig.ask({})], ['allowed', 'untrusted']);
  assert.deepEqual([rig.admission.admits(PEER, 0), rig.admission.answers(PEER, 0)], ['yes', false]);
  rig.telling.clear();
  assert.deepEqual([rig.admission.admits(PEER, 0), rig.admission.answers(PEER, 0)], ['no', false]);
});

test('a rate refills over a minute; each direction has its own', () => {
  const rig = new Rig();
  rig.trust('*', '*', 6);
  const burst = (now: number): string[] => Array.from({ length: 8 }, () => rig.ask({}, now));
  assert.equal(burst(0).filter((verdict) => verdict === 'allowed').length, 6);
  assert.equal(rig.ask({}, 0), 'rate');
  assert.equal(rig.ask({ direction: 'out' }, 0), 'allowed');
  assert.deepEqual([rig.ask({}, 10_000), rig.ask({}, 10_001)], ['allowed', 'rate']);
  assert.equal(burst(200_000).filter((verdict) => verdict === 'allowed').length, 6);
  assert.equal(rig.ask({ port: 444 }, 200_000), 'allowed');
});

test('datagrams between two ports are one flow, both ways, while it is used and trust lasts', () => {
  const rig = new Rig();
  rig.trust('9', '', 1);
  const datagram = { kind: 'datagram', port: 9 } as const;
  const answer = { kind: 'datagram', direction: 'out', port: 50_000, sourcePort: 9 } as const;
  assert.equal(rig.ask(answer), 'scope');
  for (let at = 0; at < 600_000; at += 50_000) {
    assert.equal(rig.ask(datagram, at), 'allowed');
    assert.equal(rig.ask(answer, at), 'allowed');
  }
  assert.equal(rig.ask({ ...answer, port: 50_001 }, 550_000), 'scope');
  rig.admission.forget(PEER);
  assert.equal(rig.ask(answer, 550_001), 'scope');
});

test('what waits is bounded, and comes back in order', () => {
  const waiting = new WaitingOpenings();
  const dial = (conn: number) => ({
    kind: 'dial' as const,
    dial: { conn, remote: { network: 5, node: PEER }, port: 80, options: {} },
  });
  assert.equal(waiting.hold(PEER, dial(1), 0), 'ask');
  for (let conn = 2; conn <= 8; conn++) assert.equal(waiting.hold(PEER, dial(conn), 0), 'asked');
  assert.equal(waiting.hold(PEER, dial(9), 0), 'full');
  for (let peer = 100; peer < 355; peer++) assert.equal(waiting.hold(peer, dial(peer), 0), 'ask');
  assert.equal(waiting.hold(999, dial(999), 0), 'full');
  assert.ok(waiting.cancel(3) && !waiting.cancel(3));
  assert.equal(waiting.nextTimeout(), 3_000);
  assert.deepEqual(
    waiting.take(PEER).map((each) => each.kind === 'dial' && each.dial.conn),
    [1, 2, 4, 5, 6, 7, 8],
  );
  assert.equal(waiting.expired(2_999).length, 0);
  assert.equal(waiting.expired(3_000).length, 255);
  assert.equal(waiting.nextTimeout(), undefined);
});

test('who only has to hear of our withdrawal may answer that, but neither asks nor pings', () => {
  const rig = new Rig();
  rig.telling.add(PEER);
  assert.deepEqual([rig.ask({ port: 444 }), rig.admission.admits(PEER, 0)], ['allowed', 'yes']);
  assert.equal(rig.admission.answers(PEER, 0), false);
  rig.asking.add(PEER);
  assert.equal(rig.admission.answers(PEER, 0), true);
});

test('nothing goes out to a peer that still has to hear of our withdrawal: it would let us in', () => {
  const rig = new Rig();
  rig.telling.add(PEER);
  assert.equal(rig.ask({ direction: 'out' }), 'untrusted');
  assert.equal(rig.ask({ direction: 'out', kind: 'datagram' }), 'untrusted');
  assert.equal(rig.ask({ direction: 'out', port: 444 }), 'allowed', 'but for the withdrawal itself');
  rig.telling.clear();
  assert.equal(rig.ask({ direction: 'out' }), 'allowed');
});
