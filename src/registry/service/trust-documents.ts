/** Certificates and revocations as nodes hand them in: every signature, key and id is checked before one is kept. */
import { equal } from '../../base/bytes.ts';
import type { NodeId } from '../../base/units.ts';
import { decodeTrustCertificate, verifyTrustCertificate } from '../../wire/trust-certificate.ts';
import { decodeTrustRevocation, isTrustRevocationSigned } from '../../wire/trust-revocation.ts';
import type { CertifiedTrust, NodeRecord } from '../store/store.ts';
import type { Call } from './call.ts';
import { type Refusal, refusal } from './refusal.ts';
import { unixSeconds } from './time.ts';

/** Signers' clocks may be ahead of ours by this much; what counts is the end, and that nobody signed for years ahead. */
const CLOCK_AHEAD = 24 * 60 * 60;

/**
 * The certificate of `node` and `peer`, when both signed it. The reporter may have signed with a key it has replaced
 * since, for it vouches now with its present one. Of a peer that did, the answer is `needs_peer`. Which keys a
 * private peer had is told to nobody: one that is not there and one whose key it is not are refused alike.
 */
export async function provenCertificate(
  call: Call,
  node: NodeRecord,
  peer: NodeId,
  text: string,
): Promise<CertifiedTrust | 'needs_peer'> {
  const { store, crypto } = call.shared;
  const certificate = decodeTrustCertificate(text);
  if (typeof certificate === 'string') throw invalid(certificate);
  const { a, b, serial, notAfter, notBefore } = certificate;
  const [own, other] = a.node === node.id ? [a, b] : [b, a];
  if (own.node !== node.id || other.node !== peer) throw invalid('it is of other nodes');
  const now = unixSeconds(call.at);
  const at = notBefore > now && notBefore - now <= CLOCK_AHEAD ? notBefore : now;
  const verdict = verifyTrustCertificate(crypto, certificate, { at });
  if (verdict === 'expired')
    throw refusal('certificate_expired', `certificate ${serial} with node ${peer} has expired`);
  if (verdict !== 'valid') throw invalid(verdict);
  const ownRetired = await store.nodeByRetiredKey(own.key);
  if (!equal(own.key, node.publicKey) && ownRetired !== node.id) throw invalid('key_mismatch');
  const found = await store.node(peer);
  const otherRetired = await store.nodeByRetiredKey(other.key);
  const registered = found?.registered === true;
  if (!registered || (!equal(other.key, found.publicKey) && otherRetired !== peer))
    throw invalid('key_mismatch');
  if (!equal(other.key, found.publicKey)) return 'needs_peer';
  return {
    a: a.node,
    b: b.node,
    serial,
    notAfter: notAfter === undefined ? undefined : notAfter * 1000,
    text,
  };
}

/** A revocation that `node` signed towards `peer`, with its present key or one it had. */
export async function provenRevocation(
  call: Call,
  node: NodeRecord,
  peer: NodeId,
  text: string,
): Promise<{ readonly serial: number; readonly text: string }> {
  const revocation = decodeTrustRevocation(text);
  if (typeof revocation === 'string') throw invalid(revocation, 'revocation');
  if (revocation.node !== node.id || revocation.peer !== peer)
    throw invalid('it is of other nodes', 'revocation');
  if (!isTrustRevocationSigned(call.shared.crypto, revocation)) throw invalid('bad_signature', 'revocation');
  const retired = await call.shared.store.nodeByRetiredKey(revocation.key);
  if (!equal(revocation.key, node.publicKey) && retired !== node.id)
    throw invalid('key_mismatch', 'revocation');
  return { serial: revocation.serial, text };
}

function invalid(reason: string, what = 'certificate'): Refusal {
  return refusal('certificate_invalid', `invalid ${what}: ${reason}`);
}
