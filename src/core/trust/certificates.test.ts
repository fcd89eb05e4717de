import assert from 'node:assert/strict';
import { test } from 'node:test';
import { signKeyRotation } from '../../wire/key-rotation.ts';
import {
  decodeTrustCertificate,
  type TrustCertificate,
  verifyTrustCertificate,
} from '../../wire/trust-certificate.ts';
import { decodeTrustRevocation } from '../../wire/trust-revocation.ts';
import type { Terms } from './terms.ts';
import { crypto, keyOf, TrustBus, TrustNode, WALL } from './trust.testkit.ts';

const NOW = WALL / 1000;
const HOUR = 3600;

/** Terms by ports given and wanted, and what else is to be said. */
function terms(give: string, get: string, more: Partial<Terms> = {}): Terms {
  return { give: { ports: give }, get: { ports: get }, ...more };
}

function two(): { bus: TrustBus; a: TrustNode; b: TrustNode } {
  const [a, b] = [new TrustNode(1), new TrustNode(2)];
  return { bus: new TrustBus([a, b]), a, b };
}

/** `a` asked with `asked`, `b` granted `granted`. */
function trusting(asked?: Terms, granted?: Terms): { bus: TrustBus; a: TrustNode; b: TrustNode } {
  const made = two();
  made.bus.ask(made.a, made.b, asked);
  made.bus.flush();
  made.bus.approve(made.b, made.a, { terms: granted });
  made.bus.flush();
  assert.ok(made.a.trust.isTrusted(2) && made.b.trust.isTrusted(1));
  return made;
}

function certificateOf(node: TrustNode, peer: number): TrustCertificate {
  const text = node.trust.record(peer)?.certificate;
  assert.ok(text !== undefined, `${node.id} has a certificate for ${peer}`);
  const certificate = decodeTrustCertificate(text);
  assert.ok(typeof certificate !== 'string');
  return certificate;
}

/** What a node lets its peer reach, and what it may reach there, as ports. */
function scope(node: TrustNode, peer: number): [give: string, get: string] | undefined {
  const effective = node.trust.effective(peer);
  return effective && [effective.give.ports, effective.get.ports];
}

test('trust ends in one certificate that both hold, both reported, and anyone can verify', () => {
  const { bus, a, b } = trusting(terms('7', '80,1001'), terms('80,443', '*'));
  const certificate = certificateOf(a, 2);
  assert.deepEqual(certificateOf(b, 1), certificate);
  assert.equal(verifyTrustCertificate(crypto, certificate, { at: NOW }), 'valid');
  assert.deepEqual([certificate.a.offers.ports, certificate.b.offers.ports], ['7', '80']);
  assert.deepEqual(
    [scope(a, 2), scope(b, 1)],
    [
      ['7', '80'],
      ['80', '7'],
    ],
  );
  const reported = bus.calls.flatMap(({ from, output }) =>
    output.type === 'reportTrust' ? [[from, output.certificate !== '']] : [],
  );
  assert.deepEqual(reported.sort(), [
    [1, true],
    [2, true],
  ]);
  assert.deepEqual([a.trust.record(2)?.approvedBy, b.trust.record(1)?.approvedBy], ['peer', 'user']);
});

test('two questions at once end in one certificate', () => {
  const { bus, a, b } = two();
  bus.ask(a, b, terms('1-10', '*'));
  bus.ask(b, a, terms('80,443', '5-20'));
  bus.heal(60_000);
  assert.deepEqual(certificateOf(a, 2), certificateOf(b, 1));
  assert.deepEqual(
    [scope(a, 2), scope(b, 1)],
    [
      ['5-10', '80,443'],
      ['80,443', '5-10'],
    ],
  );
  assert.deepEqual([a.trust.record(2)?.draft, b.trust.record(1)?.draft], [undefined, undefined]);
  assert.deepEqual([...a.trust.outgoing(), ...b.trust.outgoing()], []);
});

test('a lost confirmation is repeated, whatever is lost and whoever restarts', () => {
  const { bus, a, b } = two();
  bus.ask(a, b);
  bus.flush();
  bus.approve(b, a);
  // Everything the requester says after the accept is lost.
  for (const parcel of bus.parcels.splice(0)) if (parcel.from === 2) bus.deliver(parcel);
  bus.parcels.length = 0;
  assert.equal(b.trust.record(1)?.certificate, undefined);
  assert.ok(b.trust.record(1)?.draft !== undefined);
  b.restart();
  a.restart();
  bus.heal(600_000);
  assert.deepEqual(certificateOf(b, 1), certificateOf(a, 2));
});

test('narrowing what we give counts at once here, and soon in a new certificate there', () => {
  const { bus, a, b } = trusting(terms('1-100', '1-100'));
  assert.equal(bus.ask(a, b, terms('80', '1-100')), 'sent');
  assert.deepEqual(scope(a, 2), ['80', '1-100']);
  assert.deepEqual(scope(b, 1), ['1-100', '1-100'], 'the other side has not heard of it');
  bus.heal(60_000);
  assert.deepEqual(scope(b, 1), ['1-100', '80']);
  assert.equal(certificateOf(b, 1).serial, 2);
  assert.deepEqual(b.trust.pending(), [], 'nobody was asked');
});

test('wanting more waits for the user while the old trust goes on, and may be refused', () => {
  const { bus, a, b } = trusting(terms('7', '80'));
  bus.ask(a, b, terms('7', '80,443'));
  bus.heal(60_000);
  assert.deepEqual(
    [scope(a, 2), scope(b, 1)],
    [
      ['7', '80'],
      ['80', '7'],
    ],
  );
  assert.equal(b.trust.pending()[0]?.change, true);
  bus.reject(b, a);
  bus.heal(60_000);
  assert.deepEqual([scope(a, 2), a.trust.outgoing()], [['7', '80'], []]);
  bus.ask(a, b, terms('7', '80,1001'));
  bus.flush();
  bus.approve(b, a, { terms: terms('80,1001', '*') });
  bus.heal(60_000);
  assert.deepEqual(
    [scope(a, 2), scope(b, 1)],
    [
      ['7', '80,1001'],
      ['80,1001', '7'],
    ],
  );
  assert.equal(certificateOf(a, 2).serial, 2);
});

test('trust ends by itself on both sides, and what was said before brings nothing back', () => {
  const made = two();
  const { bus, a, b } = made;
  const recorded: typeof bus.parcels = [];
  bus.onDeliver = (parcel) => recorded.push(parcel);
  bus.ask(a, b, terms('*', '*', { not_after: NOW + HOUR }));
  bus.flush();
  bus.approve(b, a);
  bus.flush();
  assert.equal(a.trust.record(2)?.notAfter, NOW + HOUR);
  bus.heal((HOUR - 10) * 1000);
  assert.ok(a.trust.isTrusted(2) && b.trust.isTrusted(1));
  bus.heal(20_000);
  assert.ok(!a.trust.isTrusted(2) && !b.trust.isTrusted(1));
  assert.ok(a.eventNames().includes('trust.expired') && b.eventNames().includes('trust.expired'));
  bus.onDeliver = undefined;
  for (const parcel of [...recorded]) bus.deliver(parcel);
  bus.flush();
  assert.ok(!a.trust.isTrusted(2) && !b.trust.isTrusted(1));
  assert.deepEqual(b.trust.pending(), []);
  bus.ask(a, b);
  bus.flush();
  bus.approve(b, a);
  bus.heal(60_000);
  assert.equal(certificateOf(a, 2).serial, 2, 'the serial goes on');
});

test('trust with an end of our own ends for an old peer too', () => {
  const { bus, a, b } = trusting();
  // The new end is only ours: nothing of it reaches the other side.
  bus.ask(a, b, terms('*', '*', { not_after: NOW + HOUR }));
  bus.parcels.length = 0;
  for (let i = 0; i < 13; i++) {
    bus.pass(300_000);
    bus.parcels.length = 0;
  }
  assert.ok(!a.trust.isTrusted(2) && b.trust.isTrusted(1));
  bus.heal();
  assert.ok(!b.trust.isTrusted(1));
});

test('a trust both want to renew goes on without anybody being asked', () => {
  const until = { not_after: NOW + HOUR, renew: true };
  const { bus, a, b } = trusting(terms('7', '80', until), terms('*', '*', until));
  bus.heal(5 * HOUR * 1000);
  assert.ok(a.trust.isTrusted(2) && b.trust.isTrusted(1));
  assert.ok(certificateOf(a, 2).serial > 4);
  assert.deepEqual(
    [scope(a, 2), scope(b, 1)],
    [
      ['7', '80'],
      ['80', '7'],
    ],
  );
  const { notBefore, notAfter } = certificateOf(a, 2);
  assert.ok(notAfter !== undefined && Math.abs(notAfter - notBefore - HOUR) < 60);
});

test('a trust only one side wants to renew waits for the other user, and ends without', () => {
  const until = { not_after: NOW + HOUR, renew: true };
  const { bus, a, b } = trusting(terms('*', '*', until));
  bus.heal(0.8 * HOUR * 1000);
  assert.equal(b.trust.pending()[0]?.change, true);
  bus.heal(HOUR * 1000);
  assert.ok(!a.trust.isTrusted(2) && !b.trust.isTrusted(1));
  assert.deepEqual([b.trust.pending(), a.trust.outgoing()], [[], []]);
});

test('a withdrawal leaves a revocation that a third party can check', () => {
  const { bus, a, b } = trusting();
  const certificate = certificateOf(b, 1);
  bus.untrust(a, b);
  bus.heal(60_000);
  const ours = decodeTrustRevocation(a.trust.tombstone(2)?.revocation ?? '');
  const heard = decodeTrustRevocation(b.trust.tombstone(1)?.peerRevocation ?? '');
  assert.ok(typeof ours !== 'string' && typeof heard !== 'string');
  assert.deepEqual(heard, ours);
  const check = { at: NOW, revocations: [heard] };
  assert.equal(verifyTrustCertificate(crypto, certificate, check), 'revoked');
  bus.ask(a, b);
  bus.flush();
  bus.approve(b, a);
  bus.heal(60_000);
  assert.equal(certificateOf(a, 2).serial, 2);
  assert.equal(verifyTrustCertificate(crypto, certificateOf(a, 2), check), 'valid');
});

test('a peer that rotates its key is followed, and gets a certificate with the new one', () => {
  const { bus, a, b } = trusting(terms('7', '80'));
  bus.givesRotations = false;
  const rotation = signKeyRotation(b.identity, keyOf('later'), { node: 2, epoch: 1, at: NOW });
  b.identity = keyOf('later');
  bus.do(b, (trust) => trust.setIdentity(b.identity, bus.now));
  bus.flush();
  assert.ok(a.refused().includes('key_changed'), 'not before the rotation is known');
  const forged = signKeyRotation(keyOf('mallory'), keyOf('mine'), { node: 2, epoch: 1, at: NOW });
  bus.do(a, (trust) => trust.keyRotated(2, [forged], bus.now));
  assert.ok(!a.eventNames().includes('trust.key_rotated'));
  bus.do(a, (trust) => trust.keyRotated(2, [rotation], bus.now));
  assert.ok(a.eventNames().includes('trust.key_rotated'));
  bus.heal(600_000);
  const certificate = certificateOf(a, 2);
  assert.deepEqual(certificateOf(b, 1), certificate);
  assert.deepEqual(Buffer.from(certificate.b.key), Buffer.from(keyOf('later').publicKey));
  assert.deepEqual(
    [scope(a, 2), scope(b, 1)],
    [
      ['7', '80'],
      ['80', '7'],
    ],
  );
  assert.deepEqual(a.trust.pending(), []);
});

test('asking anew with other terms takes the first question back', () => {
  const { bus, a, b } = two();
  bus.ask(a, b, terms('*', '*'));
  const first = [...bus.parcels];
  bus.ask(a, b, terms('', '80'));
  bus.heal(60_000);
  assert.deepEqual(
    b.trust.pending().map(({ terms: asked }) => asked.get.ports),
    ['80'],
  );
  for (const parcel of first) bus.deliver(parcel);
  assert.deepEqual(
    b.trust.pending().map(({ terms: asked }) => asked.get.ports),
    ['80'],
  );
  bus.approve(b, a);
  bus.heal(60_000);
  assert.deepEqual(
    [scope(a, 2), scope(b, 1)],
    [
      ['', '80'],
      ['80', ''],
    ],
  );
});

test("terms that are none, or over, are the caller's mistake", () => {
  const { bus, a, b } = two();
  for (const wrong of [terms('x', '*'), terms('*', '*', { not_after: NOW - 1 }), terms('70000', '')])
    assert.throws(() => bus.ask(a, b, wrong), { code: 'invalid_argument' });
  assert.deepEqual(a.trust.outgoing(), []);
});

test('a key that changes does not answer what waits for the user', () => {
  const { bus, a, b } = trusting(terms('7', '80'));
  bus.ask(a, b, terms('7', '80,443'));
  bus.flush();
  const [question] = b.trust.pending();
  for (const node of [b, a]) {
    node.rotate(NOW);
    bus.do(node, (trust) => trust.setIdentity(node.identity, bus.now));
    bus.heal(600_000);
    assert.deepEqual(
      b.trust.pending().map(({ requestId }) => requestId),
      [question?.requestId],
    );
    assert.equal(a.trust.outgoing()[0]?.requestId, question?.requestId);
    assert.equal(certificateOf(a, 2).b.offers.ports, '80', 'nor does the peer get it');
  }
});

/** `b` has granted `granted` to `a`, which does not hear of it and asks for `then` instead. */
function changedItsMind(
  before: Terms,
  granted: Terms,
  then: Terms,
): { bus: TrustBus; a: TrustNode; b: TrustNode } {
  const made = trusting(before);
  const { bus, a, b } = made;
  bus.ask(a, b, granted);
  bus.flush();
  bus.approve(b, a);
  bus.parcels.length = 0;
  bus.ask(a, b, then);
  bus.heal(600_000);
  return made;
}

/** What the two ends show of their certificate. */
function serials({ a, b }: { a: TrustNode; b: TrustNode }): (number | undefined)[] {
  return [a.trust.record(2)?.serial, b.trust.record(1)?.serial];
}

test('an answer to a wish that was replaced does not stand against what is in force', () => {
  const made = changedItsMind(terms('7', '1-100'), terms('7', '80-200'), terms('7', '1-50'));
  const [one, other] = serials(made);
  assert.equal(one, other);
  assert.deepEqual(made.b.trust.pending(), [], 'it asks for nothing that it does not have');
  assert.deepEqual(
    [scope(made.a, 2), scope(made.b, 1)],
    [
      ['7', '1-50'],
      ['1-50', '7'],
    ],
  );
});

test('while a newer wish waits for the user, what both have signed goes on', () => {
  const made = changedItsMind(terms('7', '1-100'), terms('7', '80-200'), terms('7', '1-50,300'));
  assert.deepEqual(certificateOf(made.a, 2), certificateOf(made.b, 1));
  assert.deepEqual(serials(made), [3, 3]);
  assert.equal(made.b.trust.pending()[0]?.terms.get.ports, '1-50,300');
  assert.deepEqual(
    [scope(made.a, 2), scope(made.b, 1)],
    [
      ['7', '1-50'],
      ['1-50', '7'],
    ],
  );
  made.bus.approve(made.b, made.a);
  made.bus.heal(600_000);
  assert.deepEqual(certificateOf(made.a, 2), certificateOf(made.b, 1));
  assert.deepEqual(scope(made.a, 2), ['7', '1-50,300']);
});

test('an answer to a wish that was widened since is still taken', () => {
  const made = changedItsMind(terms('7', '80'), terms('7', '80,443'), terms('7', '80,443,1001'));
  assert.deepEqual(scope(made.a, 2), ['7', '80,443']);
  assert.deepEqual(certificateOf(made.a, 2), certificateOf(made.b, 1));
  assert.equal(made.b.trust.pending()[0]?.terms.get.ports, '80,443,1001');
});

test('an answer that the peer has signed before it changed its mind is kept', () => {
  const made = trusting(terms('7', '1-100'));
  const { bus, a, b } = made;
  bus.ask(a, b, terms('7', '80-200'));
  bus.flush();
  bus.approve(b, a);
  for (const parcel of bus.parcels.splice(0)) bus.deliver(parcel);
  assert.equal(a.trust.record(2)?.serial, 2);
  bus.parcels.length = 0;
  assert.ok(b.trust.record(1)?.draft !== undefined, 'its confirmation is lost');
  bus.ask(a, b, terms('7', '1-50'));
  bus.flush();
  bus.heal(600_000);
  assert.deepEqual(certificateOf(a, 2), certificateOf(b, 1));
});

test('what was asked by name does not outlive a later question for less', () => {
  for (const ends of ['rejected', 'expired']) {
    const { bus, a, b } = two();
    bus.ask(a, b.hostname);
    bus.ask(a, b, terms('80', '', { not_after: NOW + HOUR }));
    const [byName, byId] = [...bus.parcels];
    bus.parcels.length = 0;
    assert.ok(byName !== undefined && byId !== undefined);
    if (ends === 'rejected') {
      bus.deliver(byId);
      bus.reject(b, a);
      bus.flush();
    } else {
      bus.pass(2 * HOUR * 1000);
      bus.parcels.length = 0;
    }
    bus.deliver(byName);
    bus.approve(b, a);
    bus.heal(60_000);
    assert.ok(!a.trust.isTrusted(2), ends);
    assert.ok(!b.trust.isTrusted(1), ends);
  }
});
