import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fromUtf8, utf8 } from '../base/bytes.ts';
import type { SigningKey } from '../base/crypto.ts';
import { nodeCrypto } from '../platform/crypto.ts';
import { everyTruncationFails, neverThrows } from './codec.testkit.ts';
import { signKeyRotation } from './key-rotation.ts';
import {
  type CertificateCheck,
  certificateCovers,
  decodeTrustCertificate,
  encodeTrustCertificate,
  isTrustCertificateSignedBy,
  signTrustCertificate,
  type TrustCertificate,
  trustCertificateFrom,
  trustCertificateMembers,
  verifyTrustCertificate,
} from './trust-certificate.ts';
import {
  decodeTrustRevocation,
  encodeTrustRevocation,
  isTrustRevocationSigned,
  signTrustRevocation,
  type TrustRevocation,
} from './trust-revocation.ts';

const crypto = nodeCrypto();
const alice = keyOf('alice');
const bob = keyOf('bob');
const NOW = 1_795_000_000;

describe('trust certificates', () => {
  it('survive encoding and decoding', () => {
    fc.assert(
      fc.property(certificates, (certificate) => {
        const text = encodeTrustCertificate(certificate);
        assert.deepEqual(decodeTrustCertificate(text), certificate);
        assert.deepEqual(trustCertificateFrom(JSON.parse(text)), certificate);
      }),
    );
  });

  it('are valid when both signed, for the time they name', () => {
    const certificate = signed();
    assert.equal(verify(certificate), 'valid');
    assert.equal(verify(certificate, { at: NOW + 3599 }), 'valid');
    assert.equal(verify(certificate, { at: NOW + 3600 }), 'expired');
    assert.equal(verify(certificate, { at: NOW - 200 }), 'valid');
    assert.equal(verify(certificate, { at: NOW - 1000 }), 'not_yet_valid');
    const { notAfter: _, ...endless } = draft();
    assert.equal(verify(both(endless), { at: NOW * 2 }), 'valid');
  });

  it('are no proof while a signature is missing or made by somebody else', () => {
    const half = signTrustCertificate(alice, 7, draft());
    assert.equal(verify(half), 'missing_signature');
    assert.ok(isTrustCertificateSignedBy(crypto, half, 7) && !isTrustCertificateSignedBy(crypto, half, 9));
    const forged = signTrustCertificate(keyOf('mallory'), 9, half);
    assert.equal(verify(forged), 'bad_signature');
    assert.ok(!isTrustCertificateSignedBy(crypto, forged, 9));
    assert.ok(!isTrustCertificateSignedBy(crypto, forged, 8));
    const [sigA, sigB] = [signed().sigA!, signed().sigB!];
    assert.equal(verify({ ...signed(), sigA: sigB, sigB: sigA }), 'bad_signature');
  });

  it('count for the keys they name and those that replaced them', () => {
    const newKey = keyOf('bob later');
    const keys = new Map([[9, newKey.publicKey]]);
    assert.equal(verify(signed(), { keys }), 'key_mismatch');
    const rotation = signKeyRotation(bob, newKey, { node: 9, epoch: 1, at: NOW });
    assert.equal(verify(signed(), { keys, rotations: [rotation] }), 'valid');
    assert.equal(
      verify(signed(), { keys: new Map([[7, newKey.publicKey]]), rotations: [rotation] }),
      'key_mismatch',
    );
    const elsewhere = signKeyRotation(keyOf('mallory'), newKey, { node: 9, epoch: 1, at: NOW });
    assert.equal(verify(signed(), { keys, rotations: [elsewhere] }), 'key_mismatch');
  });

  it('fall to a revocation of this serial or a later one by either party, and to no other', () => {
    const against = (revocation: TrustRevocation, more: Partial<CertificateCheck> = {}) =>
      verify(signed(), { revocations: [revocation], ...more });
    assert.equal(against(revocation(bob, 9, 7, 3)), 'revoked');
    assert.equal(against(revocation(alice, 7, 9, 8)), 'revoked');
    assert.equal(against(revocation(bob, 9, 7, 2)), 'valid', 'of an earlier certificate');
    assert.equal(against(revocation(bob, 9, 8, 3)), 'valid', 'of another pair');
    assert.equal(against(revocation(keyOf('mallory'), 9, 7, 3)), 'valid', 'by another key');
    assert.equal(against({ ...revocation(bob, 9, 7, 2), serial: 3 }), 'valid', 'changed after signing');
    const newKey = keyOf('bob later');
    const rotations = [signKeyRotation(bob, newKey, { node: 9, epoch: 1, at: NOW })];
    assert.equal(against(revocation(newKey, 9, 7, 3), { rotations }), 'revoked');
  });

  it('cover ports by direction', () => {
    const covers = (from: number, to: number, port: number) =>
      certificateCovers(signed(), { from, to, port });
    assert.ok(covers(7, 9, 80) && !covers(7, 9, 443));
    assert.ok(covers(9, 7, 443) && !covers(9, 7, 80));
    assert.ok(!covers(8, 9, 80) && !covers(9, 8, 443) && !covers(7, 7, 443));
  });

  it('are refused when any bit of the text is another one', () => {
    const text = utf8(
      encodeTrustCertificate({ ...signed(), ...both({ ...draft(), reason: 'a "b" \u0001 <ü>' }) }),
    );
    for (let bit = 0; bit < text.length * 8; bit++) {
      const flipped = text.slice();
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      const certificate = decodeTrustCertificate(fromUtf8(flipped));
      const result = typeof certificate === 'string' ? certificate : verify(certificate);
      assert.notEqual(result, 'valid', `bit ${bit & 7} of byte ${bit >> 3}`);
    }
  });

  it('are refused when cut, in another form, or with members nobody knows', () => {
    const text = encodeTrustCertificate(signed());
    everyTruncationFails(utf8(text), (bytes) => decodeTrustCertificate(fromUtf8(bytes)));
    assert.equal(decodeTrustCertificate(`${text} `), 'not_canonical');
    assert.equal(decodeTrustCertificate(JSON.stringify(JSON.parse(text), undefined, 1)), 'not_canonical');
    const members = trustCertificateMembers(signed());
    const [a, b] = [members.a, members.b] as [object, object];
    const changed: readonly [object, string][] = [
      [{ more: 1 }, 'unknown_member'],
      [{ kind: 'pilot-node' }, 'wrong_kind'],
      [{ v: 2 }, 'wrong_kind'],
      [{ a: b, b: a }, 'bad_member'],
      [{ b: a }, 'bad_member'],
      [{ a: { ...a, more: 1 } }, 'bad_member'],
      [{ a: { ...a, node: 0 } }, 'bad_member'],
      [{ a: { ...a, key: 'AAAA' } }, 'bad_member'],
      [{ a: { ...a, offers: { ports: '81,80' } } }, 'bad_member'],
      [{ a: { ...a, offers: { ports: '80', opens: 1.5 } } }, 'bad_member'],
      [{ a: { ...a, offers: { ports: '80', more: 1 } } }, 'bad_member'],
      [{ serial: 0 }, 'bad_member'],
      [{ serial: '1' }, 'bad_member'],
      [{ not_before: -1 }, 'bad_member'],
      [{ not_after: NOW }, 'bad_member'],
      [{ reason: 'x'.repeat(513) }, 'bad_member'],
      [{ sig_a: 'AAAA' }, 'bad_member'],
      [{ sig_b: 7 }, 'bad_member'],
    ];
    for (const [change, reason] of changed)
      assert.equal(trustCertificateFrom({ ...members, ...change }), reason, JSON.stringify(change));
    assert.equal(decodeTrustCertificate(`"${'x'.repeat(5000)}"`), 'too_large');
    assert.equal(trustCertificateFrom([]), 'invalid_json');
  });

  it('never make the decoder throw', () => {
    const samples = [utf8(encodeTrustCertificate(signed()))];
    neverThrows((bytes) => decodeTrustCertificate(fromUtf8(bytes)), samples);
  });

  it('fit their limit with the most they may hold', () => {
    const ports = Array.from({ length: 64 }, (_, i) => `${10_000 + 4 * i}-${10_001 + 4 * i}`).join(',');
    const party = (node: number, key: SigningKey) => ({
      ...side(node, key, ports),
      offers: { ports, opens: 1_000_000 },
    });
    const most = both(
      {
        ...draft(),
        serial: 2 ** 48 - 1,
        a: party(0xffff_fffc, alice),
        b: party(0xffff_fffd, bob),
        reason: '"'.repeat(512),
      },
      0xffff_fffc,
      0xffff_fffd,
    );
    assert.equal(verify(decoded(encodeTrustCertificate(most))), 'valid');
  });
});

describe('revocations of trust', () => {
  it('survive encoding and decoding, and are signed over every member', () => {
    const original = revocation(bob, 9, 7, 3);
    const text = encodeTrustRevocation(original);
    assert.deepEqual(decodeTrustRevocation(text), {
      ...original,
      key: new Uint8Array(original.key),
      sig: new Uint8Array(original.sig),
    });
    assert.ok(isTrustRevocationSigned(crypto, original));
    const changes = [
      { node: 8 },
      { peer: 8 },
      { serial: 4 },
      { at: 1 },
      { reason: 'x' },
      { key: alice.publicKey },
    ];
    for (const change of changes) assert.ok(!isTrustRevocationSigned(crypto, { ...original, ...change }));
  });

  it('are refused when any bit of the text is another one, cut, or with another member', () => {
    const text = encodeTrustRevocation(revocation(bob, 9, 7, 3));
    const bytes = utf8(text);
    everyTruncationFails(bytes, (cut) => decodeTrustRevocation(fromUtf8(cut)));
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = bytes.slice();
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      const result = decodeTrustRevocation(fromUtf8(flipped));
      assert.ok(typeof result === 'string' || !isTrustRevocationSigned(crypto, result), `bit ${bit}`);
    }
    const members = JSON.parse(text) as object;
    for (const change of [
      { more: 1 },
      { node: 7 },
      { serial: -1 },
      { at: 0.5 },
      { reason: 'ü'.repeat(129) },
      { sig: '' },
    ])
      assert.equal(typeof decodeTrustRevocation(JSON.stringify({ ...members, ...change })), 'string');
    neverThrows((random) => decodeTrustRevocation(fromUtf8(random)), [bytes]);
  });
});

function keyOf(label: string): SigningKey {
  return crypto.signingKey(crypto.sha256(utf8(label)));
}

function side(node: number, key: SigningKey, ports: string) {
  return { node, key: key.publicKey, offers: { ports } };
}

function draft(): TrustCertificate {
  return {
    serial: 3,
    a: side(7, alice, '443'),
    b: side(9, bob, '80,1001'),
    notBefore: NOW,
    notAfter: NOW + 3600,
    reason: 'because',
  };
}

function both(certificate: TrustCertificate, a = 7, b = 9): TrustCertificate {
  return signTrustCertificate(bob, b, signTrustCertificate(alice, a, certificate));
}

function signed(): TrustCertificate {
  return both(draft());
}

function decoded(text: string): TrustCertificate {
  const certificate = decodeTrustCertificate(text);
  assert.ok(typeof certificate !== 'string', `not decoded: ${String(certificate)}`);
  return certificate;
}

function verify(certificate: TrustCertificate, check: Partial<CertificateCheck> = {}): string {
  return verifyTrustCertificate(crypto, certificate, { at: NOW + 10, ...check });
}

function revocation(key: SigningKey, node: number, peer: number, serial: number): TrustRevocation {
  return signTrustRevocation(key, { node, peer, serial, at: NOW, reason: 'no more' });
}

const grants = fc.record(
  { ports: fc.constantFrom('*', '', '80', '1-9,1001'), opens: fc.nat(1_000_000) },
  { requiredKeys: ['ports'], noNullPrototype: true },
);
const keys = fc.uint8Array({ minLength: 32, maxLength: 32 });
const signatures = fc.uint8Array({ minLength: 64, maxLength: 64 });
const certificates: fc.Arbitrary<TrustCertificate> = fc.record(
  {
    serial: fc.integer({ min: 1, max: 2 ** 47 }),
    a: fc.record(
      { node: fc.integer({ min: 1, max: 1000 }), key: keys, offers: grants },
      { noNullPrototype: true },
    ),
    b: fc.record(
      { node: fc.integer({ min: 1001, max: 0xffff_fffe }), key: keys, offers: grants },
      { noNullPrototype: true },
    ),
    notBefore: fc.nat(NOW),
    notAfter: fc.integer({ min: NOW + 1, max: 2 * NOW }),
    reason: fc.string({ unit: 'grapheme', maxLength: 40 }),
    sigA: signatures,
    sigB: signatures,
  },
  { requiredKeys: ['serial', 'a', 'b', 'notBefore', 'reason'], noNullPrototype: true },
);
