/** Trust documents outside a daemon: checking a certificate, and writing a file of revocations. */
import { type ErrorCode, PilotError } from '../api/errors.ts';
import type { Crypto } from '../base/crypto.ts';
import type { NodeId } from '../base/units.ts';
import { fingerprintOf } from '../wire/fingerprint.ts';
import {
  type BundleVerdict,
  decodeRevocations,
  decodeTrustBundle,
  encodeRevocations,
  verifyTrustBundle,
} from '../wire/trust-bundle.ts';
import type { TrustCertificate, TrustParty } from '../wire/trust-certificate.ts';
import { decodeTrustRevocation, type TrustRevocation } from '../wire/trust-revocation.ts';

export interface VerifyTrustOptions {
  readonly crypto: Crypto;
  /** A bundle or bare certificate, as `trust export` writes it. */
  readonly text: string;
  /** Unix seconds. */
  readonly at: number;
  /** Texts of files of revocations. */
  readonly revocations?: readonly string[];
  /** Fingerprints known by other ways, by node id. */
  readonly fingerprints?: ReadonlyMap<NodeId, string>;
  /** Ports that must be covered, as wire/ports.ts writes them. */
  readonly ports?: string;
  /** Who connects. Without it `ports` must be covered both ways. */
  readonly from?: NodeId;
}

export interface VerifiedParty {
  readonly node_id: NodeId;
  readonly fingerprint: string;
  /** The other side may reach these ports here. */
  readonly offers: { readonly ports: string; readonly opens?: number };
}

export interface VerifiedTrust {
  readonly serial: number;
  readonly a: VerifiedParty;
  readonly b: VerifiedParty;
  /** Unix seconds. */
  readonly not_before: number;
  readonly not_after?: number;
  readonly reason: string;
}

/**
 * Checks a certificate without a daemon, a registry or a network. Errors: `certificate_invalid`,
 * `certificate_expired`, `certificate_revoked`, `scope_denied`; the message says why.
 */
export function verifyTrust(options: VerifyTrustOptions): VerifiedTrust {
  const { crypto, at, fingerprints, ports, from } = options;
  const bundle = decodeTrustBundle(options.text);
  if (typeof bundle === 'string') throw invalid(`it is no trust certificate (${bundle})`);
  const verdict = verifyTrustBundle(crypto, bundle, {
    at,
    revocations: (options.revocations ?? []).flatMap(readRevocations),
    ...(fingerprints && { fingerprints }),
    ...(ports !== undefined && { ports }),
    ...(from !== undefined && { from }),
  });
  const { certificate } = bundle;
  if (verdict !== 'valid') throw refusal(verdict, certificate, options);
  const party = ({ node, key, offers }: TrustParty): VerifiedParty => ({
    node_id: node,
    fingerprint: fingerprintOf(crypto, key),
    offers,
  });
  return {
    serial: certificate.serial,
    a: party(certificate.a),
    b: party(certificate.b),
    not_before: certificate.notBefore,
    ...(certificate.notAfter !== undefined && { not_after: certificate.notAfter }),
    reason: certificate.reason,
  };
}

/** A file of revocations from single documents; those that are none are left out. */
export function revocationsFile(texts: readonly string[]): string {
  const documents = texts.map(decodeTrustRevocation);
  return encodeRevocations(documents.filter((each): each is TrustRevocation => typeof each !== 'string'));
}

function readRevocations(text: string): readonly TrustRevocation[] {
  const read = decodeRevocations(text);
  if (typeof read === 'string') throw invalid(`the file of revocations cannot be read (${read})`);
  return read;
}

type Refusal = Exclude<BundleVerdict, 'valid'>;

const REFUSALS = {
  bad_signature: ['certificate_invalid', 'a signature does not fit its content'],
  missing_signature: ['certificate_invalid', 'only one side has signed it'],
  not_yet_valid: ['certificate_invalid', 'it is not valid yet'],
  key_mismatch: ['certificate_invalid', 'it names another key than the one expected'],
  bad_revocation: ['certificate_invalid', 'a revocation that came along is not signed by the key it names'],
  bad_rotation: ['certificate_invalid', 'a key rotation that came along is not signed by the keys it names'],
  not_a_party: ['certificate_invalid', 'a node that was named is not one of its two parties'],
  expired: ['certificate_expired', 'it has expired'],
  revoked: ['certificate_revoked', 'one side has revoked it'],
} as const satisfies Record<Exclude<Refusal, object>, readonly [ErrorCode, string]>;

function refusal(verdict: Refusal, certificate: TrustCertificate, options: VerifyTrustOptions): PilotError {
  const { a, b } = certificate;
  if (typeof verdict === 'object') {
    const { from, to, ports } = verdict;
    const offered = ports === '' ? 'nothing' : ports === '*' ? 'all ports' : `ports ${ports}`;
    return new PilotError(
      'scope_denied',
      `The certificate does not let node ${from} reach port ${options.ports} of node ${to}: it grants ${offered}`,
      { hint: 'ask for more: pilotctl handshake PEER --ports LIST' },
    );
  }
  const [code, reason] = REFUSALS[verdict];
  const detail = detailOf(verdict, certificate);
  const message = `Refused the certificate of nodes ${a.node} and ${b.node}: ${reason}${detail}`;
  return new PilotError(code, message, { hint: `${HINTS[code]} (reason ${verdict})` });
}

const HINTS = {
  certificate_invalid: 'ask for a fresh copy: pilotctl trust export PEER',
  certificate_expired: 'ask for trust anew: pilotctl handshake PEER',
  certificate_revoked: 'ask for trust anew: pilotctl handshake PEER',
} as const;

function detailOf(verdict: Refusal, { notBefore, notAfter, serial }: TrustCertificate): string {
  if (verdict === 'expired' && notAfter !== undefined) return ` at ${isoTime(notAfter)}`;
  if (verdict === 'not_yet_valid') return `, but from ${isoTime(notBefore)} on`;
  return verdict === 'revoked' ? ` (serial ${serial})` : '';
}

function isoTime(seconds: number): string {
  // Beyond what a Date can hold, the number itself says more.
  return seconds < 8.64e12 ? new Date(seconds * 1000).toISOString().replace('.000Z', 'Z') : String(seconds);
}

function invalid(reason: string): PilotError {
  return new PilotError('certificate_invalid', `Refused the certificate: ${reason}`, {
    hint: HINTS.certificate_invalid,
  });
}
