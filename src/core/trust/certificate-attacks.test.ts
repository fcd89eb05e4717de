/** Certificates in the hands of those who should not have them, or would like them to say more. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromUtf8 } from '../../base/bytes.ts';
import type { SigningKey } from '../../base/crypto.ts';
import { decodeHandshake } from '../../wire/handshake.ts';
import type { JsonObject } from '../../wire/json.ts';
import {
  decodeTrustCertificate,
  signTrustCertificate,
  type TrustCertificate,
  trustCertificateFrom,
  trustCertificateMembers,
  verifyTrustCertificate,
} from '../../wire/trust-certificate.ts';
import type { Terms } from './terms.ts';
import { crypto, type Parcel, signedMessage, TrustBus, TrustNode, WALL } from './trust.testkit.ts';

const NOW = WALL / 1000;
const ASKED: Terms = { give: { ports: '7' }, get: { ports: '80' }, not_after: NOW + 3600 };

interface Scene {
  readonly bus: TrustBus;
  readonly a: TrustNode;
  readonly b: TrustNode;
  /** Made as the honest peer would make it, half signed. */
  readonly offer: TrustCertificate;
  /** Id of the question of `a`. */
  readonly question: string;
}

/** `a` has asked; what `b` answers is up to the test. */
function asked(): Scene {
  const [a, b] = [new TrustNode(1), new TrustNode(2)];
  const bus = new TrustBus([a, b, new TrustNode(66)]);
  bus.ask(a, b, ASKED);
  bus.parcels.length = 0;
  const question = a.trust.outgoing()[0]!.requestId;
  const offer = sign(b.identity, {
    serial: 1,
    a: { node: 1, key: a.identity.publicKey, offers: { ports: '7' } },
    b: { node: 2, key: b.identity.publicKey, offers: { ports: '80' } },
    notBefore: NOW,
    notAfter: NOW + 3600,
    reason: 'please',
  });
  return { bus, a, b, offer, question };
}

function sign(key: SigningKey, certificate: TrustCertificate, node = 2): TrustCertificate {
  const { sigA: _, sigB: __, ...plain } = certificate;
  return signTrustCertificate(key, node, plain);
}

/** `b` accepts with this certificate, in a message that is signed as it should be. */
function accept({ bus, a, b, question }: Scene, certificate: JsonObject | TrustCertificate): string {
  const member =
    'serial' in certificate && 'notBefore' in certificate
      ? trustCertificateMembers(certificate as TrustCertificate)
      : certificate;
  const extra = { features: ['certificates1'], certificate: member };
  const fields = { type: 'handshake_accept', to: a.id, reply_to: question, extra } as const;
  const before = a.refused().length;
  bus.do(a, (trust) =>
    trust.directMessage(b.id, signedMessage(b, fields, bus.wall + before), bus.wall, bus.now),
  );
  bus.answerKeys();
  return a.refused().at(-1) ?? '';
}

test('the honest answer is taken, so that the refusals below mean something', () => {
  const it = asked();
  accept(it, it.offer);
  assert.ok(it.a.trust.isTrusted(2));
  const text = it.a.trust.record(2)?.certificate ?? '';
  const certificate = decodeTrustCertificate(text);
  assert.ok(typeof certificate !== 'string');
  assert.equal(verifyTrustCertificate(crypto, certificate, { at: NOW }), 'valid');
});

test('a certificate that says more than was asked is not signed', () => {
  const wider: ((offer: TrustCertificate) => TrustCertificate)[] = [
    (offer) => ({ ...offer, a: { ...offer.a, offers: { ports: '7,22' } } }),
    (offer) => ({ ...offer, a: { ...offer.a, offers: { ports: '*' } } }),
    (offer) => ({ ...offer, b: { ...offer.b, offers: { ports: '80-81' } } }),
    (offer) => ({ ...offer, notAfter: NOW + 3601 }),
    ({ notAfter: _, ...offer }) => offer,
    (offer) => ({ ...offer, notBefore: NOW + 10 * 86_400, notAfter: NOW + 11 * 86_400 }),
    (offer) => ({ ...offer, notBefore: NOW - 100, notAfter: NOW - 10 }),
  ];
  for (const [i, widen] of wider.entries()) {
    const it = asked();
    assert.equal(accept(it, sign(it.b.identity, widen(it.offer))), 'certificate_invalid', `${i}`);
    assert.ok(!it.a.trust.isTrusted(2));
    accept(it, it.offer);
    assert.ok(it.a.trust.isTrusted(2), 'the question is still open');
  }
});

test('a certificate of other nodes, keys or signers is not signed', () => {
  const eve = new TrustNode(66);
  const it = asked();
  const { offer } = it;
  const key = it.b.identity;
  const members = trustCertificateMembers(offer);
  const wrong: (JsonObject | TrustCertificate)[] = [
    sign(key, { ...offer, a: { ...offer.a, key: eve.identity.publicKey } }),
    sign(eve.identity, { ...offer, b: { ...offer.b, key: eve.identity.publicKey } }),
    sign(eve.identity, offer),
    sign(key, { ...offer, b: { ...offer.b, node: 3 } }, 3),
    sign(key, { ...offer, a: { ...offer.b }, b: { ...offer.a, node: 66 } }),
    { ...offer, sigB: new Uint8Array(64) },
    // No signature at all, or ours that we never made.
    trustCertificateMembers({ ...offer, sigB: undefined } as never),
    trustCertificateMembers({ ...offer, sigA: offer.sigB } as never),
    // Swapped sides.
    { ...members, a: members.b, b: members.a },
    { ...members, more: 1 },
    { ...members, serial: 0 },
    { ...members, serial: 2 ** 47 },
  ];
  for (const [i, certificate] of wrong.entries()) {
    assert.equal(accept(it, certificate), 'certificate_invalid', `${i}`);
    assert.ok(!it.a.trust.isTrusted(2));
  }
});

test('half a certificate proves nothing to others, and gives the peer nothing it has not signed', () => {
  const { offer } = asked();
  assert.equal(verifyTrustCertificate(crypto, offer, { at: NOW }), 'missing_signature');
});

/** Everything that `b` ever said to `a`, up to a trust that both have. */
function recorded(end: (scene: { bus: TrustBus; a: TrustNode; b: TrustNode }) => void): void {
  const [a, b] = [new TrustNode(1), new TrustNode(2)];
  const bus = new TrustBus([a, b]);
  const seen: Parcel[] = [];
  bus.onDeliver = (parcel) => seen.push(parcel);
  bus.ask(a, b, ASKED);
  bus.flush();
  bus.approve(b, a);
  bus.flush();
  bus.onDeliver = undefined;
  assert.ok(a.trust.record(2)?.certificate !== undefined);
  end({ bus, a, b });
  assert.ok(!a.trust.isTrusted(2) && !b.trust.isTrusted(1));
  const again = (): void => {
    for (const parcel of seen) bus.deliver(parcel);
    bus.heal(600_000);
    assert.ok(!a.trust.isTrusted(2) && !b.trust.isTrusted(1));
  };
  again();
  // Not even while the victim asks anew.
  bus.ask(a, b, { ...ASKED, not_after: bus.wall / 1000 + 9999 });
  bus.parcels.length = 0;
  for (const parcel of seen) if (parcel.to === 1) bus.deliver(parcel);
  assert.ok(!a.trust.isTrusted(2));
}

test('a certificate that was revoked does not come back', () => {
  recorded(({ bus, a, b }) => {
    bus.untrust(a, b);
    bus.heal(600_000);
  });
  recorded(({ bus, a, b }) => {
    bus.untrust(b, a);
    bus.heal(600_000);
  });
});

test('a certificate that is over does not come back', () => {
  recorded(({ bus }) => bus.heal(3_700_000));
});

test('the accept of an old question, sent as the answer to a new one, brings its old certificate to nothing', () => {
  const it = asked();
  accept(it, it.offer);
  it.bus.untrust(it.a, it.b);
  it.bus.heal(60_000);
  it.bus.ask(it.a, it.b, ASKED);
  const question = it.a.trust.outgoing()[0]!.requestId;
  it.bus.pass(5_000);
  assert.equal(accept({ ...it, question }, it.offer), 'stale');
  assert.equal(accept({ ...it, question }, sign(it.b.identity, { ...it.offer, serial: 1 })), 'stale');
  assert.ok(!it.a.trust.isTrusted(2));
  accept({ ...it, question }, sign(it.b.identity, { ...it.offer, serial: 2 }));
  assert.ok(it.a.trust.isTrusted(2));
});

test('a trusted peer can not bring back a certificate that was narrowed, nor widen it', () => {
  const it = asked();
  accept(it, it.offer);
  const first = it.a.trust.record(2)?.certificate ?? '';
  it.bus.ask(it.a, it.b, { ...ASKED, give: { ports: '' } });
  it.bus.parcels.length = 0;
  const question = it.a.trust.outgoing()[0]!.requestId;
  const narrowed = sign(it.b.identity, {
    ...it.offer,
    serial: 2,
    a: { ...it.offer.a, offers: { ports: '' } },
  });
  it.bus.pass(2_000);
  assert.equal(
    accept({ ...it, question }, sign(it.b.identity, { ...it.offer, serial: 2 })),
    'certificate_invalid',
  );
  accept({ ...it, question }, narrowed);
  assert.equal(it.a.trust.record(2)?.serial, 2);
  it.bus.pass(2_000);
  accept({ ...it, question }, JSON.parse(first));
  accept({ ...it, question }, it.offer);
  assert.equal(it.a.trust.record(2)?.serial, 2);
  assert.equal(it.a.trust.effective(2)?.give.ports, '');
});

test('a revocation counts only when the peer made it for us', () => {
  const it = asked();
  accept(it, it.offer);
  it.bus.untrust(it.a, it.b);
  const sent = it.bus.calls.findLast(({ output }) => output.type === 'revokeTrust')?.output;
  assert.ok(sent?.type === 'revokeTrust');
  const message = decodeHandshake(Buffer.from(sent.message));
  assert.ok(typeof message !== 'string');
  assert.equal(JSON.stringify(message.extra?.revocation), sent.revocation);
  assert.ok(fromUtf8(Buffer.from(sent.revocation)).includes('"serial":1'));
  assert.equal(typeof trustCertificateFrom(JSON.parse(sent.revocation)), 'string');
});
