import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { utf8 } from '../base/bytes.ts';
import { nodeCrypto } from '../platform/crypto.ts';
import { fingerprintOf } from './fingerprint.ts';
import { signKeyRotation } from './key-rotation.ts';
import {
  decodeRevocations,
  decodeTrustBundle,
  encodeRevocations,
  encodeTrustBundle,
  type TrustBundle,
  verifyTrustBundle,
} from './trust-bundle.ts';
import { encodeTrustCertificate, signTrustCertificate } from './trust-certificate.ts';
import { encodeTrustRevocation, signTrustRevocation } from './trust-revocation.ts';

const crypto = nodeCrypto();
const key = (seed: number) => crypto.signingKey(new Uint8Array(32).fill(seed));
const [alice, bob, eve] = [key(1), key(2), key(3)];
const NOW = 1_800_000_000;

function certificate(keys = { a: alice, b: bob }, serial = 3) {
  const draft = {
    serial,
    a: { node: 7, key: keys.a.publicKey, offers: { ports: '80,1001', opens: 5 } },
    b: { node: 9, key: keys.b.publicKey, offers: { ports: '*' } },
    notBefore: NOW,
    notAfter: NOW + 3600,
    reason: 'index run <&>',
  };
  return signTrustCertificate(keys.b, 9, signTrustCertificate(keys.a, 7, draft));
}

const signed: TrustBundle = {
  certificate: certificate(),
  revocations: [signTrustRevocation(bob, { node: 9, peer: 7, serial: 2, at: NOW - 10, reason: '' })],
  rotations: [],
};
/** As read: plain byte arrays, which compare. */
const bundle = decodeTrustBundle(encodeTrustBundle(signed)) as TrustBundle;
const verify = (
  given: TrustBundle,
  check: Partial<Parameters<typeof verifyTrustBundle>[2]> = {},
): ReturnType<typeof verifyTrustBundle> => verifyTrustBundle(crypto, given, { at: NOW + 60, ...check });

describe('a trust bundle', () => {
  it('survives encoding, with a line feed at its end or without', () => {
    const text = encodeTrustBundle(bundle);
    assert.deepEqual(decodeTrustBundle(text), bundle);
    assert.deepEqual(decodeTrustBundle(`${text}\n`), bundle);
  });

  it('may be a bare certificate', () => {
    const text = encodeTrustCertificate(bundle.certificate);
    assert.deepEqual(decodeTrustBundle(text), {
      certificate: bundle.certificate,
      revocations: [],
      rotations: [],
    });
  });

  it('is valid as signed, and says so of ports that are granted', () => {
    assert.equal(verify(bundle), 'valid');
    assert.equal(verify(bundle, { ports: '80', from: 9 }), 'valid');
    assert.equal(verify(bundle, { ports: '80,1001' }), 'valid');
  });

  it('is refused for a port that is not granted, naming the direction', () => {
    const denied = { denied: 'scope', from: 9, to: 7, ports: '80,1001' };
    assert.deepEqual(verify(bundle, { ports: '81', from: 9 }), denied);
    assert.equal(verify(bundle, { ports: '81', from: 7 }), 'valid');
    assert.deepEqual(verify(bundle, { ports: '81' }), denied);
    assert.deepEqual(verify(bundle, { ports: '' }), { denied: 'scope', from: 7, to: 9, ports: '*' });
  });

  it('is refused when its time is over, and before it has come', () => {
    assert.equal(verify(bundle, { at: NOW + 3599 }), 'valid');
    assert.equal(verify(bundle, { at: NOW + 3600 }), 'expired');
    assert.equal(verify(bundle, { at: NOW - 3600 }), 'not_yet_valid');
  });

  it('is refused when either side revoked it, by a revocation from anywhere', () => {
    for (const [who, node, peer] of [
      [alice, 7, 9],
      [bob, 9, 7],
    ] as const) {
      const revocation = signTrustRevocation(who, { node, peer, serial: 3, at: NOW, reason: 'lost' });
      assert.equal(verify(bundle, { revocations: [revocation] }), 'revoked');
    }
    const forged = signTrustRevocation(eve, { node: 9, peer: 7, serial: 9, at: NOW, reason: '' });
    assert.equal(verify(bundle, { revocations: [forged] }), 'valid');
  });

  it('is refused with a revocation or rotation that is not what it says', () => {
    const revocation = { ...bundle.revocations[0]!, serial: 1 };
    assert.equal(verify({ ...bundle, revocations: [revocation] }), 'bad_revocation');
    assert.equal(verify(bundle, { revocations: [revocation] }), 'bad_revocation');
    const rotation = { ...signKeyRotation(alice, eve, { node: 7, epoch: 1, at: NOW }), at: NOW + 1 };
    assert.equal(verify({ ...bundle, rotations: [rotation] }), 'bad_rotation');
  });

  it('is refused when a party has another key than the one expected', () => {
    const known = (node: number, who: typeof alice) => ({
      fingerprints: new Map([[node, fingerprintOf(crypto, who.publicKey)]]),
    });
    assert.equal(verify(bundle, known(7, alice)), 'valid');
    assert.equal(verify(bundle, known(7, eve)), 'key_mismatch');
    assert.equal(verify(bundle, known(8, alice)), 'not_a_party');
    assert.equal(verify(bundle, { ports: '80', from: 8 }), 'not_a_party');
  });

  it('is as good with a key that was rotated, when the rotation comes along', () => {
    const rotation = signKeyRotation(alice, eve, { node: 7, epoch: 1, at: NOW });
    const fingerprints = new Map([[7, fingerprintOf(crypto, eve.publicKey)]]);
    assert.equal(verify(bundle, { fingerprints }), 'key_mismatch');
    assert.equal(verify({ ...bundle, rotations: [rotation] }, { fingerprints }), 'valid');
    const revocation = signTrustRevocation(eve, { node: 7, peer: 9, serial: 3, at: NOW, reason: '' });
    assert.equal(verify({ ...bundle, rotations: [rotation], revocations: [revocation] }), 'revoked');
  });

  it('is refused when any bit of it is another', () => {
    const bytes = utf8(encodeTrustBundle(bundle));
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(7), (at, bit) => {
        const changed = bytes.slice();
        changed[at]! ^= 1 << bit;
        const read = decodeTrustBundle(Buffer.from(changed).toString('utf8'));
        assert.ok(typeof read === 'string' || verify(read) !== 'valid');
      }),
      { numRuns: 3_000 },
    );
  });

  it('is not made of anything else', () => {
    const text = encodeTrustBundle(bundle);
    assert.equal(decodeTrustBundle(` ${text}`), 'not_canonical');
    assert.equal(decodeTrustBundle(text.replace('"v":1}', '"v":1,"w":1}')), 'unknown_member');
    assert.equal(decodeTrustBundle('{}'), 'wrong_kind');
    assert.equal(decodeTrustBundle('[]'), 'invalid_json');
    for (let length = 0; length < text.length; length += 7)
      assert.equal(typeof decodeTrustBundle(text.slice(0, length)), 'string');
    fc.assert(fc.property(fc.string(), (any) => typeof decodeTrustBundle(any) === 'string'));
  });
});

describe('a file of revocations', () => {
  const [revocation] = bundle.revocations;

  it('is read from a list, a bundle or a single document', () => {
    assert.deepEqual(decodeRevocations(encodeRevocations(bundle.revocations)), bundle.revocations);
    assert.deepEqual(decodeRevocations(encodeTrustBundle(bundle)), bundle.revocations);
    assert.deepEqual(decodeRevocations(`${encodeTrustRevocation(revocation!)}\n`), bundle.revocations);
    assert.deepEqual(decodeRevocations(encodeRevocations([])), []);
  });

  it('is refused as a whole when a part is not in order', () => {
    const text = encodeRevocations(bundle.revocations);
    assert.equal(decodeRevocations(text.replace('"serial":2', '"serial":-2')), 'bad_member');
    assert.equal(decodeRevocations('{"kind":"pilot-revocations","v":2}'), 'wrong_kind');
    fc.assert(fc.property(fc.string(), (any) => typeof decodeRevocations(any) === 'string'));
  });
});
