/** The document that proves trust between two nodes: what each lets the other reach, and how long. Signed by both. */
import { equal, utf8 } from '../base/bytes.ts';
import type { Crypto, SigningKey } from '../base/crypto.ts';
import type { NodeId, Port } from '../base/units.ts';
import { encodeBase64 } from './base64.ts';
import { isJsonObject, type JsonObject } from './json.ts';
import { followRotations, type KeyRotation } from './key-rotation.ts';
import { hasPort, isPortsText, parsePorts } from './ports.ts';
import {
  type DocumentError,
  documentBytes,
  documentKey,
  documentMembers,
  encodeDocument,
  isDocumentCount,
  isDocumentNode,
  parseDocument,
} from './signed-document.ts';
import { isTrustRevocationSigned, type TrustRevocation } from './trust-revocation.ts';

const KIND = 'pilot-trust';
const MEMBERS: ReadonlySet<string> = new Set([
  'serial',
  'a',
  'b',
  'not_before',
  'not_after',
  'reason',
  'sig_a',
  'sig_b',
]);
/** Bytes of UTF-8. */
export const CERTIFICATE_REASON_LIMIT = 512;
/** A certificate counts this much before its time, because clocks differ. Unix seconds. */
const CLOCK_SKEW = 300;

/** What one side lets the other reach. */
export interface Grant {
  /** Normalized text of `ports.ts`. */
  readonly ports: string;
  /** New streams and datagram flows a minute; absent without a limit. */
  readonly opens?: number;
}

export interface TrustParty {
  readonly node: NodeId;
  /** Ed25519, 32 bytes. */
  readonly key: Uint8Array;
  /** What the other side may reach at this one. */
  readonly offers: Grant;
}

export interface TrustCertificate {
  /** Grows with every certificate of the pair, whatever happened in between. */
  readonly serial: number;
  /** The lower node id. */
  readonly a: TrustParty;
  readonly b: TrustParty;
  /** Unix seconds. */
  readonly notBefore: number;
  /** Unix seconds: the first second in which it does not count. */
  readonly notAfter?: number;
  readonly reason: string;
  /** One may be missing while the other side has not signed yet. */
  readonly sigA?: Uint8Array;
  readonly sigB?: Uint8Array;
}

export type TrustCertificateInvalid =
  | 'bad_signature'
  | 'missing_signature'
  | 'expired'
  | 'not_yet_valid'
  | 'revoked'
  | 'key_mismatch';

export function decodeTrustCertificate(text: string): TrustCertificate | DocumentError {
  const parsed = parseDocument(text);
  return typeof parsed === 'string' ? parsed : trustCertificateFrom(parsed);
}

/** Reads the document from parsed JSON, as it stands in messages and bundles. */
export function trustCertificateFrom(value: unknown): TrustCertificate | DocumentError {
  const members = documentMembers(value, KIND, MEMBERS);
  if (typeof members === 'string') return members;
  const { serial, not_before, not_after, reason } = members;
  const a = party(members.a);
  const b = party(members.b);
  if (a === undefined || b === undefined || a.node >= b.node) return 'bad_member';
  if (!isDocumentCount(serial) || serial === 0 || !isDocumentCount(not_before)) return 'bad_member';
  if (not_after !== undefined && (!isDocumentCount(not_after) || not_after <= not_before))
    return 'bad_member';
  if (typeof reason !== 'string' || utf8(reason).length > CERTIFICATE_REASON_LIMIT) return 'bad_member';
  const sigA = members.sig_a === undefined ? undefined : documentKey(members.sig_a, 64);
  const sigB = members.sig_b === undefined ? undefined : documentKey(members.sig_b, 64);
  if (members.sig_a !== undefined && sigA === undefined) return 'bad_member';
  if (members.sig_b !== undefined && sigB === undefined) return 'bad_member';
  return {
    serial,
    a,
    b,
    notBefore: not_before,
    ...(not_after !== undefined && { notAfter: not_after }),
    reason,
    ...(sigA && { sigA }),
    ...(sigB && { sigB }),
  };
}

/** The members as JSON, signatures included. */
export function trustCertificateMembers(certificate: TrustCertificate): JsonObject {
  const { sigA, sigB } = certificate;
  return {
    ...unsigned(certificate),
    ...(sigA && { sig_a: encodeBase64(sigA) }),
    ...(sigB && { sig_b: encodeBase64(sigB) }),
  };
}

export function encodeTrustCertificate(certificate: TrustCertificate): string {
  return encodeDocument(trustCertificateMembers(certificate));
}

/** What both signatures cover. */
export function trustCertificateBytes(certificate: TrustCertificate): Uint8Array {
  return documentBytes(KIND, unsigned(certificate));
}

/** Adds the signature of one party. Throws RangeError when `node` is neither. */
export function signTrustCertificate(
  identity: SigningKey,
  node: NodeId,
  certificate: TrustCertificate,
): TrustCertificate {
  const signature = identity.sign(trustCertificateBytes(certificate));
  if (node === certificate.a.node) return { ...certificate, sigA: signature };
  if (node === certificate.b.node) return { ...certificate, sigB: signature };
  throw new RangeError(`Cannot sign a certificate of ${certificate.a.node} and ${certificate.b.node}`);
}

/** Whether this party signed, with the key that the certificate names. */
export function isTrustCertificateSignedBy(
  crypto: Crypto,
  certificate: TrustCertificate,
  node: NodeId,
): boolean {
  const [one, signature] =
    node === certificate.a.node
      ? [certificate.a, certificate.sigA]
      : node === certificate.b.node
        ? [certificate.b, certificate.sigB]
        : [undefined, undefined];
  if (one === undefined || signature === undefined) return false;
  return crypto.verify(one.key, trustCertificateBytes(certificate), signature);
}

export interface CertificateCheck {
  /** Unix seconds. */
  readonly at: number;
  readonly revocations?: readonly TrustRevocation[] | undefined;
  /** Keys the caller knows by other ways. A party that is not named here is taken at the certificate's word. */
  readonly keys?: ReadonlyMap<NodeId, Uint8Array> | undefined;
  /** Of both nodes, in any order: a key may have been replaced since it signed. */
  readonly rotations?: readonly KeyRotation[] | undefined;
}

/** Everything a third party can check, without asking anyone. */
export function verifyTrustCertificate(
  crypto: Crypto,
  certificate: TrustCertificate,
  check: CertificateCheck,
): 'valid' | TrustCertificateInvalid {
  const { a, b, sigA, sigB, notBefore, notAfter } = certificate;
  if (sigA === undefined || sigB === undefined) return 'missing_signature';
  const bytes = trustCertificateBytes(certificate);
  if (!crypto.verify(a.key, bytes, sigA) || !crypto.verify(b.key, bytes, sigB)) return 'bad_signature';
  for (const { node, key } of [a, b]) {
    const known = check.keys?.get(node);
    if (known !== undefined && !isSame(crypto, node, key, known, check)) return 'key_mismatch';
  }
  if ((check.revocations ?? []).some((each) => revokes(crypto, each, certificate, check))) return 'revoked';
  if (check.at + CLOCK_SKEW < notBefore) return 'not_yet_valid';
  if (notAfter !== undefined && check.at >= notAfter) return 'expired';
  return 'valid';
}

/** Whether `from` may reach this port of `to`. Says nothing about validity. */
export function certificateCovers(
  certificate: TrustCertificate,
  { from, to, port }: { readonly from: NodeId; readonly to: NodeId; readonly port: Port },
): boolean {
  const { a, b } = certificate;
  const target = to === a.node && from === b.node ? a : to === b.node && from === a.node ? b : undefined;
  const ports = target === undefined ? undefined : parsePorts(target.offers.ports);
  return ports !== undefined && hasPort(ports, port);
}

/** A grant as parsed JSON, strict; undefined when it is none. */
export function grantFrom(value: unknown): Grant | undefined {
  if (!isJsonObject(value)) return undefined;
  const { ports, opens, ...rest } = value;
  if (Object.keys(rest).length > 0 || typeof ports !== 'string' || !isPortsText(ports)) return undefined;
  if (opens !== undefined && (!isDocumentCount(opens) || opens > 1_000_000)) return undefined;
  return { ports, ...(opens !== undefined && { opens }) };
}

function revokes(
  crypto: Crypto,
  revocation: TrustRevocation,
  certificate: TrustCertificate,
  check: CertificateCheck,
): boolean {
  const { a, b, serial } = certificate;
  const { node, peer, key } = revocation;
  const speaker = node === a.node && peer === b.node ? a : node === b.node && peer === a.node ? b : undefined;
  if (speaker === undefined || revocation.serial < serial) return false;
  return isSame(crypto, node, speaker.key, key, check) && isTrustRevocationSigned(crypto, revocation);
}

/** Two keys are the same node's when signed rotations lead from both to one. */
function isSame(
  crypto: Crypto,
  node: NodeId,
  one: Uint8Array,
  other: Uint8Array,
  { rotations = [] }: CertificateCheck,
): boolean {
  if (equal(one, other)) return true;
  const own = rotations.filter((rotation) => rotation.node === node);
  const [first, second] = [one, other].map((key) => followRotations(crypto, node, key, own));
  return typeof first === 'object' && typeof second === 'object' && equal(first.key, second.key);
}

function party(value: unknown): TrustParty | undefined {
  if (!isJsonObject(value)) return undefined;
  const { node, key, offers, ...rest } = value;
  const bytes = documentKey(key, 32);
  const grant = grantFrom(offers);
  if (Object.keys(rest).length > 0 || !isDocumentNode(node)) return undefined;
  return bytes === undefined || grant === undefined ? undefined : { node, key: bytes, offers: grant };
}

function unsigned({ serial, a, b, notBefore, notAfter, reason }: TrustCertificate): JsonObject {
  return {
    kind: KIND,
    v: 1,
    serial,
    a: partyMembers(a),
    b: partyMembers(b),
    not_before: notBefore,
    ...(notAfter !== undefined && { not_after: notAfter }),
    reason,
  };
}

function partyMembers({ node, key, offers }: TrustParty): JsonObject {
  return { node, key: encodeBase64(key), offers };
}
