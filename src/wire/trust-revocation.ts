/** The document by which one side of a pair takes back every certificate up to a serial. */
import { utf8 } from '../base/bytes.ts';
import type { Crypto, SigningKey } from '../base/crypto.ts';
import type { NodeId } from '../base/units.ts';
import { encodeBase64 } from './base64.ts';
import type { JsonObject } from './json.ts';
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

const KIND = 'pilot-revocation';
const MEMBERS: ReadonlySet<string> = new Set(['node', 'key', 'peer', 'serial', 'at', 'reason', 'sig']);
/** Bytes of UTF-8. */
export const REVOCATION_REASON_LIMIT = 256;

export interface TrustRevocation {
  /** Who revokes. */
  readonly node: NodeId;
  /** Its Ed25519 key, 32 bytes. */
  readonly key: Uint8Array;
  readonly peer: NodeId;
  /** This certificate of the pair and all before it. */
  readonly serial: number;
  /** Unix seconds. */
  readonly at: number;
  readonly reason: string;
  readonly sig: Uint8Array;
}

export function decodeTrustRevocation(text: string): TrustRevocation | DocumentError {
  const parsed = parseDocument(text);
  return typeof parsed === 'string' ? parsed : trustRevocationFrom(parsed);
}

/** Reads the document from parsed JSON, as it stands in messages and bundles. */
export function trustRevocationFrom(value: unknown): TrustRevocation | DocumentError {
  const members = documentMembers(value, KIND, MEMBERS);
  if (typeof members === 'string') return members;
  const { node, peer, serial, at, reason } = members;
  const key = documentKey(members.key, 32);
  const sig = documentKey(members.sig, 64);
  if (!isDocumentNode(node) || !isDocumentNode(peer) || node === peer) return 'bad_member';
  if (!isDocumentCount(serial) || !isDocumentCount(at)) return 'bad_member';
  if (typeof reason !== 'string' || utf8(reason).length > REVOCATION_REASON_LIMIT) return 'bad_member';
  if (key === undefined || sig === undefined) return 'bad_member';
  return { node, key, peer, serial, at, reason, sig };
}

/** The members as JSON, signature included. */
export function trustRevocationMembers(revocation: TrustRevocation): JsonObject {
  return { ...unsigned(revocation), sig: encodeBase64(revocation.sig) };
}

export function encodeTrustRevocation(revocation: TrustRevocation): string {
  return encodeDocument(trustRevocationMembers(revocation));
}

/** What `sig` covers. */
export function trustRevocationBytes(revocation: Omit<TrustRevocation, 'sig'>): Uint8Array {
  return documentBytes(KIND, unsigned(revocation));
}

export function signTrustRevocation(
  identity: SigningKey,
  revocation: Omit<TrustRevocation, 'sig' | 'key'>,
): TrustRevocation {
  const members = { ...revocation, key: identity.publicKey };
  return { ...members, sig: identity.sign(trustRevocationBytes(members)) };
}

/** True when the key it names signed it. Whose key that is, the caller has to know. */
export function isTrustRevocationSigned(crypto: Crypto, revocation: TrustRevocation): boolean {
  return crypto.verify(revocation.key, trustRevocationBytes(revocation), revocation.sig);
}

function unsigned({ node, key, peer, serial, at, reason }: Omit<TrustRevocation, 'sig'>): JsonObject {
  return { kind: KIND, v: 1, node, key: encodeBase64(key), peer, serial, at, reason };
}
