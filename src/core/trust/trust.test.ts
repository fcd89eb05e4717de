import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8 } from '../../base/bytes.ts';
import { fingerprintOf } from '../../wire/fingerprint.ts';
import { decodeHandshake } from '../../wire/handshake.ts';
import { ALL_TERMS } from './terms.ts';
import { crypto, type Parcel, TrustBus, TrustNode, WALL } from './trust.testkit.ts';

function two(): { bus: TrustBus; a: TrustNode; b: TrustNode } {
  const [a, b] = [new TrustNode(1), new TrustNode(2)];
  return { bus: new TrustBus([a, b]), a, b };
}

function trusting(): { bus: TrustBus; a: TrustNode; b: TrustNode } {
  const made = two();
  made.bus.ask(made.a, made.b);
  made.bus.flush();
  made.bus.approve(made.b, made.a);
  made.bus.flush();
  assert.ok(made.a.trust.isTrusted(2) && made.b.trust.isTrusted(1));
  return made;
}

test('a request becomes pending, its approval makes both trust, and both pin the key', () => {
  const { bus, a, b } = two();
  assert.equal(bus.ask(a, b), 'sent');
  bus.flush();
  assert.equal(b.trust.pending()[0]?.justification, 'please');
  assert.equal(a.trust.isTrusted(2), false);
  assert.equal(bus.approve(b, a), 'approved');
  bus.flush();
  assert.deepEqual(a.trust.trusted()[0]?.publicKey, b.identity.publicKey);
  assert.deepEqual(b.trust.trusted()[0]?.publicKey, a.identity.publicKey);
  assert.equal(a.trust.trusted()[0]?.mutual, true);
  assert.equal(b.trust.trusted()[0]?.mutual, false);
  assert.deepEqual([a.trust.outgoing(), b.trust.pending()], [[], []]);
  assert.deepEqual(b.eventNames(), [
    'handshake.received',
    'handshake.pending',
    'handshake.approved',
    'trust.established',
    'trust.certified',
  ]);
  assert.deepEqual(a.eventNames(), ['trust.established', 'trust.certified']);
});

test('both sides keep both signed halves as proof', () => {
  const { a, b } = trusting();
  for (const node of [a, b]) {
    const proof = node.trust.trusted()[0]?.proof;
    const request = decodeHandshake(utf8(proof?.request ?? ''));
    const accept = decodeHandshake(utf8(proof?.accept ?? ''));
    assert.ok(typeof request !== 'string' && typeof accept !== 'string');
    assert.deepEqual([request.node_id, request.to, accept.node_id, accept.to], [1, 2, 2, 1]);
    assert.equal(accept.reply_to, request.id);
  }
});

test('approving twice is harmless, and approving nobody changes nothing', () => {
  const { bus, a, b } = trusting();
  assert.equal(bus.approve(b, a), 'approved');
  assert.equal(
    bus.do(b, (trust) => trust.approve(77, {}, WALL, 0)),
    'not_pending',
  );
  assert.equal(b.trust.trusted().length, 1);
  assert.equal(bus.ask(a, b), 'already_trusted');
});

test('two who ask each other trust each other without approval, whatever the order of messages', () => {
  const { bus, a, b } = two();
  bus.ask(a, b);
  bus.ask(b, a);
  bus.flush();
  assert.ok(a.trust.isTrusted(2) && b.trust.isTrusted(1));
  assert.ok(a.trust.trusted()[0]?.mutual && b.trust.trusted()[0]?.mutual);
  assert.deepEqual(
    [a.refused(), b.refused()].flat().filter((reason) => reason !== 'stale'),
    [],
  );
});

test('asking someone who already asked approves', () => {
  const { bus, a, b } = two();
  bus.ask(a, b);
  bus.flush();
  assert.equal(bus.ask(b, a), 'approved');
  bus.flush();
  assert.ok(a.trust.isTrusted(2));
});

test('a rejection reaches the requester once, with its reason, and is repeated for a repeated request', () => {
  const { bus, a, b } = two();
  bus.ask(a, b);
  const request = bus.parcels[0] as Parcel;
  bus.flush();
  assert.equal(bus.reject(b, a, 'not now'), 'rejected');
  bus.flush();
  assert.deepEqual(a.events, [{ name: 'handshake.rejected', peer: 2, reason: 'not now' }]);
  assert.deepEqual(a.trust.outgoing(), []);
  bus.deliver(request);
  assert.deepEqual(b.trust.pending(), [], 'the same request does not come back');
  bus.ask(a, b);
  bus.flush();
  assert.equal(b.trust.pending().length, 1, 'a new one does');
});

test('a request by hostname is answered by the node that has the name', () => {
  const { bus, a, b } = two();
  assert.equal(bus.ask(a, 'Node-2'), 'sent');
  assert.equal(bus.parcels.length, 1, 'only the registry knows where to');
  assert.equal(a.trust.outgoing()[0]?.node, undefined);
  bus.flush();
  bus.approve(b, a);
  bus.flush();
  assert.ok(a.trust.isTrusted(2));
  assert.deepEqual(a.trust.outgoing(), []);
});

test('a request for a name is refused by a node with another name', () => {
  const { bus, a, b } = two();
  bus.ask(a, 'node-2');
  b.trust.setHostname('somebody-else');
  bus.flush();
  assert.deepEqual(b.refused(), ['wrong_recipient']);
  assert.deepEqual(b.trust.pending(), []);
});

test('asking by name and by id at once ends in one trust on both sides', () => {
  const { bus, a, b } = two();
  bus.ask(a, 'node-2');
  bus.ask(b, a);
  bus.heal();
  assert.ok(a.trust.isTrusted(2) && b.trust.isTrusted(1));
  assert.deepEqual(
    [a.trust.outgoing(), b.trust.outgoing(), a.trust.pending(), b.trust.pending()],
    [[], [], [], []],
  );
});

test('everything is repeated until it arrives: request, answer, report', () => {
  const { bus, a, b } = two();
  bus.registryUp = false;
  bus.ask(a, b);
  bus.parcels.length = 0;
  bus.pass(20_000);
  assert.ok(bus.parcels.length > 0, 'the request is sent again');
  bus.registryUp = true;
  bus.flush();
  bus.registryUp = false;
  bus.approve(b, a);
  bus.parcels.length = 0;
  bus.pass(20_000);
  bus.registryUp = true;
  bus.heal(120_000);
  assert.ok(a.trust.isTrusted(2));
  assert.equal(a.trust.trusted()[0]?.reported, true);
  assert.equal(b.trust.trusted()[0]?.reported, true);
});

test('a first request waits a second for the direct way before the registry relays it', () => {
  const { bus, a, b } = two();
  bus.ask(a, b);
  assert.deepEqual(
    bus.parcels.map(({ kind }) => kind),
    ['direct'],
  );
  bus.pass(1_000);
  assert.deepEqual(
    bus.parcels.map(({ kind }) => kind),
    ['direct', 'request'],
  );
  const other = two();
  other.bus.ask(other.a, other.b);
  other.bus.settleDirect(other.bus.parcels[0] as Parcel, false);
  assert.deepEqual(
    other.bus.parcels.map(({ kind }) => kind),
    ['direct', 'request'],
  );
});

test('what was unfinished goes on after a restart', () => {
  const { bus, a, b } = two();
  bus.ask(a, b);
  bus.parcels.length = 0;
  a.restart();
  assert.equal(a.trust.outgoing().length, 1);
  bus.pass(1);
  bus.flush();
  bus.registryUp = false;
  bus.approve(b, a);
  bus.parcels.length = 0;
  b.restart();
  bus.registryUp = true;
  bus.pass(1);
  bus.flush();
  assert.ok(a.trust.isTrusted(2), 'the untold answer is told after the restart');
});

test('an answer that is still to be told ends with the trust, also over a restart', () => {
  const { bus, a, b } = two();
  bus.ask(a, b);
  bus.flush();
  bus.registryUp = false;
  bus.approve(b, a);
  bus.flush();
  bus.untrust(a, b);
  bus.flush();
  assert.ok(b.eventNames().includes('trust.revoked_by_peer'));
  bus.parcels.length = 0;
  b.restart();
  bus.registryUp = true;
  const before = bus.calls.length;
  bus.ask(a, b);
  bus.heal();
  const told = bus.calls
    .slice(before)
    .filter(({ from, output }) => from === 2 && output.type === 'relayRespond' && output.accept);
  assert.deepEqual(told, [], 'else the registry takes it for the answer to the new question');
  assert.deepEqual([a.trust.isTrusted(2), b.trust.isTrusted(1)], [false, false]);
});

test('untrust is immediate here, is told to the peer and to the registry, and the peer confirms', () => {
  const { bus, a, b } = trusting();
  assert.equal(bus.untrust(a, b), 'revoked');
  assert.equal(a.trust.isTrusted(2), false);
  assert.equal(bus.untrust(a, b), 'not_trusted');
  assert.ok(bus.calls.some(({ from, output }) => from === 1 && output.type === 'revokeTrust'));
  bus.flush();
  assert.equal(b.trust.isTrusted(1), false);
  assert.ok(b.eventNames().includes('trust.revoked_by_peer'));
  const [tombstone] = a.trust.snapshot().tombstones;
  assert.deepEqual([tombstone?.tellPeer, tombstone?.tellRegistry], [false, false]);
  assert.deepEqual(a.refused(), []);
  const before = bus.calls.length;
  bus.heal();
  assert.equal(bus.calls.length, before, 'nothing is repeated once it was heard');
});

test('untrust reaches a peer that was away for hours, and survives a restart in between', () => {
  const { bus, a, b } = trusting();
  bus.registryUp = false;
  bus.untrust(a, b);
  bus.parcels.length = 0;
  a.restart();
  for (let i = 0; i < 200; i++) {
    bus.pass(60_000);
    bus.parcels.length = 0;
  }
  assert.ok(b.trust.isTrusted(1));
  bus.heal();
  assert.equal(b.trust.isTrusted(1), false);
});

test('untrust of a peer that only was asked withdraws the question', () => {
  const { bus, a, b } = two();
  bus.ask(a, b);
  bus.flush();
  assert.equal(bus.untrust(a, b), 'revoked');
  bus.flush();
  assert.deepEqual(b.trust.pending(), []);
  assert.equal(bus.approve(b, a), 'not_pending');
});

test('after a withdrawal both must ask or approve anew', () => {
  const { bus, a, b } = trusting();
  bus.untrust(a, b);
  bus.flush();
  bus.ask(b, a);
  bus.flush();
  assert.ok(!a.trust.isTrusted(2) && !b.trust.isTrusted(1));
  assert.equal(bus.approve(a, b), 'approved');
  bus.flush();
  assert.ok(a.trust.isTrusted(2) && b.trust.isTrusted(1));
  assert.deepEqual(a.trust.snapshot().tombstones, []);
});

test('a peer that missed the withdrawal learns of it from the next request and asks its user', () => {
  const { bus, a, b } = trusting();
  bus.untrust(a, b);
  bus.parcels.length = 0;
  bus.ask(a, b);
  bus.flush();
  assert.ok(!a.trust.isTrusted(2), 'the old approval does not count any more');
  assert.ok(!b.trust.isTrusted(1));
  assert.equal(b.trust.pending().length, 1);
  bus.approve(b, a);
  bus.flush();
  assert.ok(a.trust.isTrusted(2) && b.trust.isTrusted(1));
});

test('a withdrawal sent again does not overtake a later question by hostname', () => {
  const { bus, a, b } = trusting();
  bus.untrust(a, b);
  bus.parcels.length = 0;
  bus.pass(2_000);
  bus.parcels.length = 0;
  bus.ask(a, b.hostname);
  const question = bus.parcels.splice(0);
  bus.pass(600_000);
  const withdrawal = bus.parcels.splice(0).filter((parcel) => parcel.kind !== 'request');
  assert.ok(withdrawal.length > 0);
  for (const parcel of [...question, ...withdrawal]) bus.deliver(parcel);
  bus.heal();
  if (b.trust.pending().length > 0) bus.approve(b, a);
  bus.heal();
  assert.ok(a.trust.isTrusted(2) && b.trust.isTrusted(1));
});

test('a rule that approves is named in the record', () => {
  const { bus, a, b } = two();
  bus.ask(a, b);
  bus.flush();
  bus.approve(b, a, { by: 'auto:data' });
  bus.flush();
  assert.ok(a.trust.isTrusted(2) && b.trust.isTrusted(1));
  assert.ok(b.eventNames().includes('handshake.auto_approved'));
  assert.equal(b.trust.record(1)?.approvedBy, 'auto:data');
});

test('what is stored precedes everything it causes', () => {
  const { bus, a, b } = two();
  const outputs: string[] = [];
  a.trust.request({ node: 2 }, '', ALL_TERMS, WALL, 0);
  for (let output = a.trust.poll(); output !== undefined; output = a.trust.poll()) outputs.push(output.type);
  assert.deepEqual(outputs, ['persist', 'sendDirect']);
  bus.pass(20_000);
  bus.flush();
  b.trust.approve(1, {}, WALL, 0);
  assert.equal(b.trust.poll()?.type, 'persist');
});

test('a question can be repeated, but not asked of oneself, without an id, too long, or without end', () => {
  const { bus, a, b } = two();
  bus.ask(a, b);
  bus.ask(a, b);
  assert.equal(a.trust.outgoing().length, 1);
  const refusal = (target: { node: number } | { hostname: string }, text = ''): string => {
    try {
      bus.do(a, (trust) => trust.request(target, text, ALL_TERMS, WALL, 0));
      return 'none';
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  assert.equal(refusal({ node: 1 }), 'invalid_argument');
  assert.equal(refusal({ hostname: 'node-1' }), 'invalid_argument');
  assert.equal(refusal({ node: 2 }, 'x'.repeat(1025)), 'too_large');
  assert.equal(refusal({ node: 3 }, '<'.repeat(1024)), 'too_large');
  for (let i = 0; i < 255; i++) assert.equal(refusal({ node: 100 + i }), 'none');
  assert.equal(refusal({ node: 999 }), 'rate_limited');
});

test('a message that does not fit one segment goes through the registry only', () => {
  const { bus, a, b } = two();
  bus.do(a, (trust) => trust.request({ node: 2 }, 'x'.repeat(1000), ALL_TERMS, WALL, 0));
  assert.deepEqual(
    bus.parcels.map(({ kind }) => kind),
    ['request'],
  );
  bus.flush();
  assert.equal(b.trust.pending()[0]?.justification.length, 1000);
});

test('an unanswered question ends after seven days', () => {
  const { bus, a, b } = two();
  bus.ask(a, b);
  for (let day = 0; day < 8; day++) {
    bus.pass(86_400_000);
    bus.parcels.length = 0;
  }
  assert.deepEqual(a.trust.outgoing(), []);
});

test('a question that names a key is answered by its holder only', () => {
  for (const isHolder of [true, false]) {
    const [a, b] = [new TrustNode(1), new TrustNode(2)];
    const bus = new TrustBus([a, b]);
    const fingerprint = fingerprintOf(crypto, isHolder ? b.identity.publicKey : a.identity.publicKey);
    const target = { hostname: b.hostname, fingerprint };
    bus.do(a, (trust) => trust.request(target, 'please', ALL_TERMS, bus.wallOf(a), bus.now));
    bus.flush();
    a.restart();
    bus.approve(b, a);
    bus.flush();
    assert.equal(a.trust.isTrusted(2), isHolder);
    if (!isHolder) assert.ok(a.refused().includes('key_mismatch'));
    // Nor does the other side's own question count as an answer.
    if (isHolder) continue;
    bus.untrust(b, a);
    bus.do(a, (trust) =>
      trust.request({ node: 2, fingerprint }, 'please', ALL_TERMS, bus.wallOf(a), bus.now),
    );
    bus.ask(b, a);
    bus.flush();
    assert.ok(!a.trust.isTrusted(2));
  }
});
