/** Each weakness that spec/11 lists, tried against the machine. A refused message changes nothing and is counted. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromUtf8, utf8 } from '../../base/bytes.ts';
import { seededRandom } from '../../sim/net/seeded-random.ts';
import { encodeBase64 } from '../../wire/base64.ts';
import { loadVectors, neverThrows } from '../../wire/codec.testkit.ts';
import { decodeHandshake, encodeHandshake, type HandshakeMessage } from '../../wire/handshake.ts';
import { ALL_TERMS } from './terms.ts';
import {
  crypto,
  keyOf,
  legacyMessage,
  type Parcel,
  signedMessage,
  TrustBus,
  TrustNode,
  WALL,
} from './trust.testkit.ts';
import { Trust } from './trust.ts';
import type { TrustSnapshot } from './types.ts';

interface Scene {
  readonly bus: TrustBus;
  readonly a: TrustNode;
  readonly b: TrustNode;
  /** An attacker with a node and keys of its own. */
  readonly eve: TrustNode;
}

function scene(): Scene {
  const [a, b, eve] = [new TrustNode(1), new TrustNode(2), new TrustNode(66)];
  return { bus: new TrustBus([a, b, eve]), a, b, eve };
}

function trusting(): Scene {
  const made = scene();
  made.bus.ask(made.a, made.b);
  made.bus.flush();
  made.bus.approve(made.b, made.a);
  made.bus.flush();
  return made;
}

/** Everything decided, without the registers' times. */
function decided(node: TrustNode): unknown {
  const { trusted, pending, outgoing, tombstones, answers } = node.trust.snapshot();
  return { trusted, pending, outgoing, tombstones, answers };
}

/** Delivers on port 444 as if the tunnel of `source` had carried it. */
function inject(bus: TrustBus, to: TrustNode, source: TrustNode | number, bytes: Uint8Array): void {
  const from = typeof source === 'number' ? source : source.id;
  bus.do(to, (trust) => trust.directMessage(from, bytes, bus.wall, bus.now));
  bus.answerKeys();
}

function refuses(to: TrustNode, reason: string, attack: () => void): void {
  const before = decided(to);
  const counted = to.trust.refusals()[reason] ?? 0;
  const persisted = to.stored;
  attack();
  assert.equal(
    to.trust.refusals()[reason],
    counted + 1,
    `refused as ${reason}: ${JSON.stringify(to.trust.refusals())}`,
  );
  assert.equal(to.refused().at(-1), reason);
  assert.deepEqual(decided(to), before);
  assert.equal(to.stored, persisted, 'nothing is written');
}

function alter(bytes: Uint8Array, change: Partial<HandshakeMessage>): Uint8Array {
  const message = decodeHandshake(bytes);
  assert.ok(typeof message !== 'string');
  return encodeHandshake({ ...message, ...change });
}

function directOf(bus: TrustBus): Uint8Array {
  const parcel = bus.parcels.find(({ kind }) => kind === 'direct');
  assert.ok(parcel?.kind === 'direct');
  return parcel.bytes;
}

test('weakness 1: a report of trust is only ever our own, and nothing the registry relays makes trust alone', () => {
  const { bus, a, eve } = scene();
  const timestamp = Math.floor(bus.wall / 1000);
  refuses(a, 'unsolicited', () => {
    bus.do(a, (trust) => trust.relayedResponse({ from: eve.id, accept: true, timestamp }, bus.wall, bus.now));
    bus.answerKeys();
  });
  assert.ok(!bus.calls.some(({ output }) => output.type === 'reportTrust'));
});

test('weakness 2: an accept nobody asked for is refused, legacy or signed, direct or relayed', () => {
  const { bus, a, eve } = scene();
  refuses(a, 'unsolicited', () =>
    inject(bus, a, eve, legacyMessage(eve, 1, { type: 'handshake_accept' }, bus.wall)),
  );
  inject(
    bus,
    a,
    eve,
    signedMessage(eve, { type: 'handshake_accept', to: 1, reply_to: '00'.repeat(16) }, bus.wall),
  );
  assert.deepEqual(a.trust.trusted(), []);
  assert.equal(a.trust.refusals().unsolicited, 2);
});

test('weakness 2: an accept must come from the node that was asked', () => {
  const { bus, a, b, eve } = scene();
  bus.ask(a, b);
  const reply_to = a.trust.outgoing()[0]?.requestId ?? '';
  inject(bus, a, eve, signedMessage(eve, { type: 'handshake_accept', to: 1, reply_to }, bus.wall));
  inject(bus, a, eve, legacyMessage(eve, 1, { type: 'handshake_accept' }, bus.wall));
  assert.deepEqual(a.trust.trusted(), []);
  assert.equal(a.trust.outgoing().length, 1);
});

test('weakness 2: an accept must name a request of ours that is still open', () => {
  const { bus, a, b } = scene();
  bus.ask(a, b);
  refuses(a, 'unsolicited', () =>
    inject(
      bus,
      a,
      b,
      signedMessage(b, { type: 'handshake_accept', to: 1, reply_to: '11'.repeat(16) }, bus.wall),
    ),
  );
  refuses(a, 'unsolicited', () =>
    inject(bus, a, b, signedMessage(b, { type: 'handshake_accept', to: 1 }, bus.wall)),
  );
});

test('weakness 3: a message without key or signature is refused', () => {
  const { bus, a, b } = scene();
  bus.ask(a, b);
  for (const type of [
    'handshake_request',
    'handshake_accept',
    'handshake_reject',
    'handshake_revoke',
  ] as const) {
    refuses(a, 'unsigned', () => inject(bus, a, b, legacyMessage(b, 1, { type, public_key: '' }, bus.wall)));
    refuses(a, 'unsigned', () => inject(bus, a, b, legacyMessage(b, 1, { type, signature: '' }, bus.wall)));
  }
});

test('weakness 3: a message must come over the tunnel of the node it names', () => {
  const { bus, a, b, eve } = trusting();
  for (const bytes of [
    legacyMessage(b, 1, { type: 'handshake_revoke' }, bus.wall),
    signedMessage(b, { type: 'handshake_revoke', to: 1 }, bus.wall),
  ]) {
    refuses(a, 'wrong_sender', () => inject(bus, a, eve, bytes));
  }
  refuses(a, 'from_ourselves', () =>
    inject(bus, a, 1, signedMessage(a, { type: 'handshake_request', to: 1 }, bus.wall)),
  );
});

test('weakness 4: no member of a signed message can be changed', () => {
  const { bus, a, b } = scene();
  bus.ask(a, b);
  const request = directOf(bus);
  bus.parcels.length = 0;
  const changes: Partial<HandshakeMessage>[] = [
    { type: 'handshake_accept' },
    { type: 'handshake_revoke' },
    { justification: 'give me everything' },
    { reason: 'x' },
    { timestamp: Math.floor(bus.wall / 1000) + 1 },
    { id: 'ab'.repeat(16) },
    { reply_to: 'ab'.repeat(16) },
    { to: b.hostname },
    { extra: { more: 1 } },
  ];
  for (const change of changes) refuses(b, 'bad_signature', () => inject(bus, b, a, alter(request, change)));
  refuses(b, 'key_mismatch', () =>
    inject(bus, b, a, alter(request, { public_key: encodeBase64(keyOf('other').publicKey) })),
  );
});

test('weakness 4: a signed message can not be passed off as one of an old peer', () => {
  const { bus, a, b } = scene();
  bus.ask(a, b);
  const { sig: _, ...stripped } = decodeHandshake(directOf(bus)) as HandshakeMessage;
  refuses(b, 'unsigned', () => inject(bus, b, a, encodeHandshake(stripped)));
});

test('weakness 4: a message for someone else, by id or by name, is refused', () => {
  const { bus, a, b, eve } = scene();
  bus.ask(a, b);
  const request = directOf(bus);
  refuses(eve, 'wrong_recipient', () => inject(bus, eve, a, request));
  refuses(eve, 'wrong_recipient', () =>
    inject(bus, eve, a, signedMessage(a, { type: 'handshake_request', to: 'node-2' }, bus.wall)),
  );
});

test('weakness 4: captured messages replayed later change nothing', () => {
  const { bus, a, b } = scene();
  const captured: Parcel[] = [];
  const record = (): void => {
    captured.push(...bus.parcels);
    bus.flush();
  };
  bus.ask(a, b);
  record();
  bus.approve(b, a);
  record();
  bus.pass(10_000);
  bus.untrust(a, b);
  record();
  assert.ok(!a.trust.isTrusted(2) && !b.trust.isTrusted(1));
  for (const parcel of captured) {
    bus.deliver(parcel);
    bus.flush();
    assert.ok(!a.trust.isTrusted(2) && !b.trust.isTrusted(1), parcel.kind);
  }
  assert.deepEqual([...a.trust.pending(), ...b.trust.pending()], []);
  bus.pass(10_000);
  bus.ask(b, a);
  bus.flush();
  bus.approve(a, b);
  bus.flush();
  for (const parcel of captured) bus.deliver(parcel);
  bus.heal();
  assert.ok(a.trust.isTrusted(2) && b.trust.isTrusted(1), 'an old revocation does not end the new trust');
});

test('weakness 4: legacy messages are bounded in age and are taken once', () => {
  const { bus, a, b } = scene();
  const at = (offset: number): Uint8Array =>
    legacyMessage(a, 2, { type: 'handshake_request' }, bus.wall + offset);
  refuses(b, 'too_old', () => inject(bus, b, a, at(-301_000)));
  refuses(b, 'in_the_future', () => inject(bus, b, a, at(32_000)));
  inject(bus, b, a, at(-299_000));
  assert.equal(b.trust.pending().length, 1);
  refuses(b, 'replayed', () => inject(bus, b, a, at(-299_000)));
  refuses(b, 'too_old', () =>
    inject(bus, b, a, signedMessage(a, { type: 'handshake_request', to: 2 }, bus.wall - 8 * 86_400_000)),
  );
});

test('weakness 5: a peer whose key can not be looked up is not believed', () => {
  const { bus, a, b } = scene();
  bus.ask(a, b);
  const request = directOf(bus);
  refuses(b, 'key_unknown', () => {
    bus.do(b, (trust) => trust.directMessage(1, request, bus.wall, bus.now));
    bus.answerKeys(false);
  });
  refuses(b, 'key_mismatch', () =>
    inject(
      bus,
      b,
      a,
      signedMessage(
        a,
        { type: 'handshake_request', to: 2, public_key: encodeBase64(keyOf('x').publicKey) },
        bus.wall,
        keyOf('x'),
      ),
    ),
  );
});

test('weakness 5: a trusted peer keeps the key it was trusted with, whatever the directory says now', () => {
  const { bus, a, b } = trusting();
  const thief = keyOf('thief');
  const public_key = encodeBase64(thief.publicKey);
  const asked = bus.calls.length;
  refuses(a, 'key_changed', () =>
    inject(bus, a, b, signedMessage(b, { type: 'handshake_revoke', to: 1, public_key }, bus.wall, thief)),
  );
  assert.equal(bus.calls.length, asked);
  assert.deepEqual(a.trust.trusted()[0]?.publicKey, b.identity.publicKey);
});

test('weakness 6: a withdrawal holds against everything the other side repeats', () => {
  const { bus, a, b } = trusting();
  const requestId = b.trust.trusted()[0]?.requestId ?? '';
  bus.untrust(a, b);
  bus.parcels.length = 0;
  const accept = signedMessage(b, { type: 'handshake_accept', to: 1, reply_to: requestId }, bus.wall + 5_000);
  bus.pass(5_000);
  inject(bus, a, b, accept);
  const timestamp = Math.floor(bus.wall / 1000);
  bus.do(a, (trust) => trust.relayedResponse({ from: 2, accept: true, timestamp }, bus.wall, bus.now));
  bus.answerKeys();
  assert.equal(a.trust.isTrusted(2), false);
  bus.heal();
  assert.ok(!a.trust.isTrusted(2) && !b.trust.isTrusted(1));
});

test('weakness 6: an old answer does not count for a question asked after the withdrawal', () => {
  const { bus, a, b } = scene();
  const timestamp = (): number => Math.floor(bus.wall / 1000);
  bus.ask(a, b);
  bus.parcels.length = 0;
  const early = timestamp();
  bus.do(a, (trust) => trust.relayedResponse({ from: 2, accept: true, timestamp: early }, bus.wall, bus.now));
  bus.answerKeys();
  assert.ok(a.trust.isTrusted(2));
  bus.pass(10_000);
  bus.untrust(a, b);
  bus.pass(10_000);
  bus.ask(a, b);
  bus.do(a, (trust) => trust.relayedResponse({ from: 2, accept: true, timestamp: early }, bus.wall, bus.now));
  bus.answerKeys();
  assert.equal(a.trust.isTrusted(2), false);
  assert.ok(a.refused().includes('stale'));
});

test('weakness 6: what a peer said before it withdrew does not meet a question of ours asked since', () => {
  const { bus, a, b } = scene();
  bus.ask(b, a);
  const [asked] = bus.parcels;
  bus.flush();
  bus.approve(a, b);
  bus.flush();
  bus.pass(10_000);
  bus.untrust(b, a);
  bus.flush();
  assert.equal(a.trust.isTrusted(2), false);
  bus.pass(10_000);
  bus.ask(a, b);
  bus.parcels.length = 0;
  bus.deliver(asked as Parcel);
  assert.equal(a.trust.isTrusted(2), false, 'the request is older than the withdrawal');
  assert.ok(a.refused().includes('stale'));
});

test('weakness 6: a question that was under way when both withdrew leaves the decision to the user', () => {
  const { bus, a, b } = trusting();
  bus.untrust(b, a);
  bus.parcels.length = 0;
  // a has not heard of it, loses its own trust for another reason, and asks.
  bus.untrust(a, b);
  bus.parcels.length = 0;
  bus.ask(a, b);
  bus.parcels.length = 0;
  bus.ask(b, a);
  bus.deliver(bus.parcels.shift() as Parcel);
  assert.equal(a.trust.isTrusted(2), false, 'the question of b names a withdrawal that a did not know of');
  assert.equal(a.trust.pending().length, 1);
  bus.approve(a, b);
  bus.heal();
  assert.ok(a.trust.isTrusted(2) && b.trust.isTrusted(1));
});

test('weakness 6: a question replaced by a newer one is void after a withdrawal, like the newer one', () => {
  const { bus, a, b } = scene();
  bus.ask(b, a);
  const [first] = bus.parcels;
  bus.flush();
  bus.ask(b, 'node-1');
  bus.flush();
  bus.approve(a, b);
  bus.untrust(a, b);
  bus.parcels.length = 0;
  bus.ask(a, b);
  bus.parcels.length = 0;
  bus.deliver(first as Parcel);
  assert.equal(a.trust.isTrusted(2), false);
});

test('weakness 6: of two withdrawals the older can not be used against what came after the newer', () => {
  const { bus, a, b } = trusting();
  const withdrawals: Parcel[] = [];
  for (let i = 0; i < 2; i++) {
    bus.pass(10_000);
    bus.untrust(a, b);
    withdrawals.push(bus.parcels[0] as Parcel);
    bus.flush();
    bus.pass(10_000);
    bus.ask(a, b);
    bus.flush();
    bus.approve(b, a);
    bus.flush();
  }
  for (const parcel of withdrawals) bus.deliver(parcel);
  bus.heal();
  assert.ok(a.trust.isTrusted(2) && b.trust.isTrusted(1));
});

test('a repeated withdrawal does not overtake the question asked after it', () => {
  const { bus, a, b } = trusting();
  bus.registryUp = false;
  bus.untrust(a, b);
  bus.parcels.length = 0;
  bus.pass(2_000);
  bus.ask(a, b);
  bus.flush();
  assert.equal(b.trust.pending().length, 1);
  bus.registryUp = true;
  bus.heal();
  assert.equal(b.trust.pending().length, 1, 'the registry hands over the withdrawal, with its old time');
  bus.approve(b, a);
  bus.heal();
  assert.ok(a.trust.isTrusted(2) && b.trust.isTrusted(1));
});

test('a withdrawal heard of only through a later question is confirmed all the same', () => {
  const { bus, a, b } = trusting();
  bus.registryUp = false;
  bus.untrust(a, b);
  bus.registryUp = true;
  bus.parcels.length = 0;
  bus.ask(a, b);
  bus.flush();
  assert.equal(b.trust.isTrusted(1), false);
  assert.equal(a.trust.snapshot().tombstones[0]?.tellPeer, false);
});

test('an approval that comes after the question has ended is contradicted, so that nobody trusts alone', () => {
  const { bus, a, b } = scene();
  bus.ask(a, b);
  bus.flush();
  for (let day = 0; day < 8; day++) {
    bus.pass(86_400_000);
    bus.parcels.length = 0;
  }
  assert.deepEqual(a.trust.outgoing(), []);
  bus.approve(b, a);
  assert.ok(b.trust.isTrusted(1));
  bus.heal();
  assert.ok(!a.trust.isTrusted(2) && !b.trust.isTrusted(1));
});

test('the same holds for a question by hostname, whose end leaves no word to anyone in particular', () => {
  const { bus, a, b } = scene();
  bus.do(a, (trust) => trust.request({ hostname: b.hostname }, '', ALL_TERMS, bus.wall, bus.now));
  bus.flush();
  assert.equal(b.trust.pending().length, 1);
  for (let day = 0; day < 8; day++) {
    bus.pass(86_400_000);
    bus.parcels.length = 0;
  }
  assert.deepEqual(a.trust.outgoing(), []);
  bus.approve(b, a);
  bus.heal();
  assert.ok(!a.trust.isTrusted(2) && !b.trust.isTrusted(1));
});

test('an accept of somebody we never asked is not answered: nothing is told, and nobody let in to hear it', () => {
  const { bus, a, eve } = scene();
  const accept = (fields: Partial<HandshakeMessage>): Uint8Array =>
    signedMessage(eve, { type: 'handshake_accept', to: 1, ...fields }, bus.wall);
  for (const bytes of [accept({}), accept({ reply_to: '22'.repeat(16) })]) {
    refuses(a, 'unsolicited', () => inject(bus, a, eve, bytes));
    const timestamp = Math.floor(bus.wall / 1000);
    const message = fromUtf8(bytes);
    refuses(a, 'unsolicited', () =>
      bus.do(a, (trust) =>
        trust.relayedResponse({ from: eve.id, accept: true, timestamp, message }, bus.wall, bus.now),
      ),
    );
  }
  assert.deepEqual([a.trust.isTelling(eve.id), bus.parcels], [false, []]);
});

test('of somebody who may not ask directly only answers and withdrawals are taken', () => {
  const { bus, a, b } = trusting();
  bus.untrust(a, b);
  bus.parcels.length = 0;
  assert.ok(a.trust.isTelling(2));
  const revokeId = a.trust.tombstone(2)?.revokeId ?? '';
  const hear = (fields: Partial<HandshakeMessage> & Pick<HandshakeMessage, 'type'>): void =>
    bus.do(a, (trust) =>
      trust.directMessage(2, signedMessage(b, { to: 1, ...fields }, bus.wall), bus.wall, bus.now, false),
    );
  refuses(a, 'not_admitted', () => hear({ type: 'handshake_request' }));
  hear({ type: 'handshake_reject', reply_to: revokeId });
  bus.answerKeys();
  assert.equal(a.trust.isTelling(2), false);
});

test('a clock set back during a restart does not make our next word older than our last', () => {
  const { bus, a, b } = scene();
  a.skew = 3_600_000;
  bus.ask(a, b);
  bus.flush();
  bus.pass(30_000);
  bus.flush();
  a.skew = 0;
  a.restart();
  bus.untrust(a, b);
  bus.flush();
  assert.deepEqual(b.trust.pending(), [], 'the withdrawal is heard');
});

test('a registry alone can not end what two signatures made, but speaks for old peers', () => {
  const { bus, a, b } = trusting();
  refuses(a, 'unsigned', () => bus.do(a, (trust) => trust.relayedRevoke({ from: 2 }, bus.wall, bus.now)));
  const old = scene();
  old.bus.ask(old.a, old.b);
  const timestamp = Math.floor(old.bus.wall / 1000);
  old.bus.do(old.a, (trust) => trust.relayedResponse({ from: 2, accept: true, timestamp }, old.bus.wall, 0));
  old.bus.answerKeys();
  assert.ok(old.a.trust.isTrusted(2) && b.trust.isTrusted(1));
  old.bus.do(old.a, (trust) => trust.relayedRevoke({ from: 2 }, old.bus.wall, 0));
  assert.equal(old.a.trust.isTrusted(2), false);
});

test('a relayed message is checked like a direct one', () => {
  const { bus, a, b, eve } = scene();
  const timestamp = Math.floor(bus.wall / 1000);
  const relay = (message: Uint8Array, from = 1): void => {
    bus.do(b, (trust) =>
      trust.relayedRequest({ from, justification: '', timestamp, message: fromUtf8(message) }, bus.wall, 0),
    );
    bus.answerKeys();
  };
  refuses(b, 'wrong_sender', () => relay(signedMessage(eve, { type: 'handshake_request', to: 2 }, bus.wall)));
  refuses(b, 'wrong_type', () => relay(signedMessage(a, { type: 'handshake_accept', to: 2 }, bus.wall)));
  refuses(b, 'unsigned', () => relay(legacyMessage(a, 2, { type: 'handshake_request' }, bus.wall)));
  refuses(b, 'bad_signature', () =>
    relay(signedMessage(a, { type: 'handshake_request', to: 2 }, bus.wall, eve.identity)),
  );
  refuses(b, 'malformed', () => relay(utf8('not json')));
});

test('weakness 9: a flood of strangers fills no set, and the honest request gets through', () => {
  const { bus, b, a } = scene();
  const crowd = Array.from({ length: 600 }, (_, i) => new TrustNode(1000 + i));
  bus.nodes.push(...crowd);
  for (const stranger of crowd)
    inject(bus, b, stranger, signedMessage(stranger, { type: 'handshake_request', to: 2 }, bus.wall));
  assert.equal(b.trust.pending().length, 256);
  bus.ask(a, b);
  bus.flush();
  assert.ok(b.trust.pending().some(({ node }) => node === 1));
  bus.approve(b, a);
  bus.flush();
  assert.ok(a.trust.isTrusted(2));
});

test('weakness 9: thousands of cheap legacy messages do not shut others out', () => {
  const { bus, a, b, eve } = scene();
  for (let i = 0; i < 9_000; i++) {
    bus.do(b, (trust) =>
      trust.directMessage(
        66,
        legacyMessage(eve, 2, { type: 'handshake_request', justification: `${i}` }, WALL),
        bus.wall,
        bus.now,
      ),
    );
    if (i === 0) bus.answerKeys();
  }
  bus.ask(a, b);
  bus.flush();
  assert.ok(b.trust.pending().some(({ node }) => node === 1));
  assert.ok(b.trust.pending().length <= 2);
});

test('weakness 9: while the directory is silent, few messages wait and the rest is refused', () => {
  const { bus, b } = scene();
  const send = (stranger: TrustNode, justification: string): void =>
    bus.do(b, (trust) =>
      trust.directMessage(
        stranger.id,
        signedMessage(stranger, { type: 'handshake_request', to: 2, justification }, bus.wall),
        bus.wall,
        bus.now,
      ),
    );
  for (let i = 0; i < 300; i++) send(new TrustNode(1000 + i), '');
  assert.equal(b.trust.refusals().too_many_waiting, 300 - 128);
  bus.now += 301_000;
  bus.do(b, (trust) => trust.handleTimeout(bus.now));
  const one = new TrustNode(5000);
  for (let i = 0; i < 10; i++) send(one, `${i}`);
  assert.equal(b.trust.refusals().too_many_waiting, 300 - 128 + 6);
});

test('unasked accepts from many strangers do not push out what the user withdrew', () => {
  const { bus, a, b } = trusting();
  bus.untrust(a, b);
  bus.parcels.length = 0;
  const crowd = Array.from(
    { length: 3_000 },
    (_, i) => ({ id: 1000 + i, identity: keyOf('crowd') }) as TrustNode,
  );
  for (const stranger of crowd) {
    bus.do(a, (trust) => {
      trust.directMessage(
        stranger.id,
        signedMessage(stranger, { type: 'handshake_accept', to: 1, reply_to: 'cd'.repeat(16) }, bus.wall),
        bus.wall,
        bus.now,
      );
      trust.identityKey(stranger.id, stranger.identity.publicKey, bus.now);
    });
  }
  const { tombstones } = a.trust.snapshot();
  assert.ok(tombstones.some(({ node }) => node === 2));
  assert.ok(tombstones.length <= 2048);
});

test('bytes of any kind are refused without a throw', () => {
  const { bus, a, b } = scene();
  bus.ask(a, b);
  const sample = directOf(bus);
  neverThrows(
    (bytes) => {
      b.trust.directMessage(1, bytes, bus.wall, bus.now);
      b.trust.relayedRequest(
        { from: 1, justification: '', timestamp: 0, message: fromUtf8(bytes) },
        bus.wall,
        bus.now,
      );
      for (let output = b.trust.poll(); output !== undefined; output = b.trust.poll());
    },
    [sample],
  );
});

test('an old peer and we come to trust each other in both directions', () => {
  const { bus, a, b } = scene();
  // a plays an old daemon: it sends seven members and reads seven members.
  inject(bus, b, a, legacyMessage(a, 2, { type: 'handshake_request', justification: 'old' }, bus.wall));
  assert.equal(b.trust.pending()[0]?.requestId, '');
  bus.approve(b, a);
  const accept = decodeHandshake(directOf(bus));
  assert.ok(typeof accept !== 'string' && accept.type === 'handshake_accept');
  assert.equal(
    crypto.verify(b.identity.publicKey, utf8('handshake:2:1'), Buffer.from(accept.signature, 'base64')),
    true,
  );
  assert.deepEqual(Object.keys(accept).slice(0, 7), [
    'type',
    'node_id',
    'public_key',
    'justification',
    'signature',
    'reason',
    'timestamp',
  ]);
  assert.ok(b.trust.isTrusted(1));
  assert.equal(b.trust.trusted()[0]?.proof, undefined);
  inject(bus, b, a, legacyMessage(a, 2, { type: 'handshake_revoke', reason: 'trust revoked' }, bus.wall));
  assert.equal(b.trust.isTrusted(1), false);
  bus.ask(b, a);
  inject(bus, b, a, legacyMessage(a, 2, { type: 'handshake_accept' }, bus.wall + 1_000));
  assert.ok(b.trust.isTrusted(1));
});

test('an old peer that keeps asking after a withdrawal has to ask anew', () => {
  const { bus, a, b } = scene();
  inject(bus, b, a, legacyMessage(a, 2, { type: 'handshake_request' }, bus.wall));
  bus.approve(b, a);
  bus.pass(60_000);
  bus.untrust(b, a);
  const timestamp = Math.floor(bus.wall / 1000) - 30;
  bus.do(b, (trust) => trust.relayedRequest({ from: 1, justification: '', timestamp }, bus.wall, bus.now));
  bus.answerKeys();
  assert.deepEqual(b.trust.pending(), []);
  bus.pass(2_000);
  const later = Math.floor(bus.wall / 1000);
  bus.do(b, (trust) =>
    trust.relayedRequest({ from: 1, justification: '', timestamp: later }, bus.wall, bus.now),
  );
  bus.answerKeys();
  assert.equal(b.trust.pending().length, 1);
});

interface Vectors {
  readonly ed25519_seed_hex: string;
  readonly messages: readonly { readonly name: string; readonly hex: string; readonly to_node: number }[];
}

test('the golden messages of old daemons pass every check', () => {
  const vectors = loadVectors<Vectors>('handshake');
  const old = crypto.signingKey(Buffer.from(vectors.ed25519_seed_hex, 'hex'));
  const us = keyOf('us');
  for (const { name, hex, to_node } of vectors.messages) {
    const bytes = Buffer.from(hex, 'hex');
    const message = decodeHandshake(bytes) as HandshakeMessage;
    const wall = message.timestamp * 1000;
    const snapshot: TrustSnapshot = {
      trusted: [],
      pending: [],
      outgoing: [
        {
          requestId: '',
          node: message.node_id,
          hostname: undefined,
          justification: '',
          createdAt: wall,
          expiresAt: wall + 1000,
          message: '',
          terms: ALL_TERMS,
        },
      ],
      tombstones: [],
    };
    const trust = new Trust({ crypto, random: seededRandom(name), identity: us, node: to_node, snapshot });
    trust.directMessage(message.node_id, bytes, wall, 0);
    trust.identityKey(message.node_id, old.publicKey, 0);
    assert.deepEqual(trust.refusals(), {}, name);
    const expected = {
      handshake_request: [1, 0],
      handshake_accept: [1, 0],
      handshake_reject: [0, 0],
      handshake_revoke: [0, 0],
    };
    assert.deepEqual([trust.trusted().length, trust.outgoing().length], expected[message.type], name);
  }
});
