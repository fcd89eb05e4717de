import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PilotError } from '../api/errors.ts';
import { nodeCrypto } from '../platform/crypto.ts';
import { fingerprintOf } from '../wire/fingerprint.ts';
import { encodeTrustBundle } from '../wire/trust-bundle.ts';
import { signTrustCertificate } from '../wire/trust-certificate.ts';
import { encodeTrustRevocation, signTrustRevocation } from '../wire/trust-revocation.ts';
import { revocationsFile, type VerifyTrustOptions, verifyTrust } from './trust-documents.ts';

const crypto = nodeCrypto();
const [alice, bob] = [1, 2].map((seed) => crypto.signingKey(new Uint8Array(32).fill(seed)));
const NOW = 1_800_000_000;
const draft = {
  serial: 3,
  a: { node: 7, key: alice!.publicKey, offers: { ports: '80,1001' } },
  b: { node: 9, key: bob!.publicKey, offers: { ports: '' } },
  notBefore: NOW,
  notAfter: NOW + 3600,
  reason: 'index run',
};
const half = signTrustCertificate(alice!, 7, draft);
const certificate = signTrustCertificate(bob!, 9, half);
const text = encodeTrustBundle({ certificate, revocations: [], rotations: [] });
const revocation = encodeTrustRevocation(
  signTrustRevocation(bob!, { node: 9, peer: 7, serial: 3, at: NOW + 1, reason: '' }),
);

function refusal(options: Partial<VerifyTrustOptions>): Pick<PilotError, 'code' | 'message'> {
  try {
    verifyTrust({ crypto, text, at: NOW + 60, ...options });
  } catch (thrown) {
    return thrown as PilotError;
  }
  throw new assert.AssertionError({ message: 'nothing was refused' });
}

describe('checking a certificate without a daemon', () => {
  it('tells what both sides signed', () => {
    assert.deepEqual(verifyTrust({ crypto, text, at: NOW + 60, ports: '80', from: 9 }), {
      serial: 3,
      a: {
        node_id: 7,
        fingerprint: fingerprintOf(crypto, alice!.publicKey),
        offers: { ports: '80,1001' },
      },
      b: { node_id: 9, fingerprint: fingerprintOf(crypto, bob!.publicKey), offers: { ports: '' } },
      not_before: NOW,
      not_after: NOW + 3600,
      reason: 'index run',
    });
  });

  it('refuses with a code and a reason', () => {
    const cases = [
      [{ text: 'nonsense' }, 'certificate_invalid', /no trust certificate \(invalid_json\)/],
      [{ text: text.replace('index', 'Index') }, 'certificate_invalid', /signature does not fit/],
      [
        { text: encodeTrustBundle({ certificate: half, revocations: [], rotations: [] }) },
        'certificate_invalid',
        /only one side/,
      ],
      [{ at: NOW + 3600 }, 'certificate_expired', /expired at 2027-01-15T09:00:00Z/],
      [{ at: NOW - 3600 }, 'certificate_invalid', /from 2027-01-15T08:00:00Z on/],
      [{ revocations: [revocationsFile([revocation])] }, 'certificate_revoked', /revoked it \(serial 3\)/],
      [{ revocations: ['{}'] }, 'certificate_invalid', /file of revocations cannot be read/],
      [{ fingerprints: new Map([[7, 'a'.repeat(16)]]) }, 'certificate_invalid', /another key/],
      [{ ports: '81', from: 9 }, 'scope_denied', /node 9 reach port 81 of node 7: it grants ports 80,1001/],
      [{ ports: '80' }, 'scope_denied', /node 7 reach port 80 of node 9: it grants nothing/],
      [{ ports: '80', from: 8 }, 'certificate_invalid', /not one of its two parties/],
    ] as const;
    for (const [options, code, message] of cases) {
      const error = refusal(options);
      assert.equal(error.code, code);
      assert.match(error.message, message);
    }
  });

  it('does not write what is no revocation into a file of them', () => {
    assert.equal(revocationsFile(['nonsense']), revocationsFile([]));
    assert.match(revocationsFile([revocation, revocation]), /"node":9/);
  });
});
