/** A trust certificate with all that a third party needs to check it without asking anyone. */
import { utf8 } from '../base/bytes.ts';
import type { Crypto } from '../base/crypto.ts';
import type { NodeId } from '../base/units.ts';
import { decodeBase64 } from './base64.ts';
import { fingerprintOf } from './fingerprint.ts';
import { canonicalJson, isJsonObject, type JsonObject, parseJson } from './json.ts';
import { decodeKeyRotation, encodeKeyRotation, type KeyRotation, verifyKeyRotation } from './key-rotation.ts';
import { containsPorts, type Ports, parsePorts } from './ports.ts';
import type { DocumentError } from './signed-document.ts';
import {
  type TrustCertificate,
  type TrustCertificateInvalid,
  trustCertificateFrom,
  trustCertificateMembers,
  verifyTrustCertificate,
} from './trust-certificate.ts';
import {
  isTrustRevocationSigned,
  type TrustRevocation,
  trustRevocationFrom,
  trustRevocationMembers,
} from './trust-revocation.ts';

const BUNDLE_KIND = 'pilot-trust-bundle';
const REVOCATIONS_KIND = 'pilot-revocations';
/** Bytes of UTF-8: a certificate, and chains of rotations for both parties. */
export const BUNDLE_LIMIT = 256 * 1024;
export const REVOCATIONS_LIMIT = 16 * 1024 * 1024;
const BUNDLE_REVOCATIONS = 16;
const BUNDLE_ROTATIONS = 128;
/** Revocations in a file of their own. */
const FILE_REVOCATIONS = 16_384;

export interface TrustBundle {
  readonly certificate: TrustCertificate;
  /** What either party revoked of earlier certificates of the pair. */
  readonly revocations: readonly TrustRevocation[];
  /** Key rotations of both parties. */
  readonly rotations: readonly KeyRotation[];
}

export function encodeTrustBundle(bundle: TrustBundle): string {
  return canonicalJson({
    kind: BUNDLE_KIND,
    v: 1,
    certificate: trustCertificateMembers(bundle.certificate),
    revocations: bundle.revocations.map(trustRevocationMembers),
    rotations: bundle.rotations.map(rotationMembers),
  });
}

/** Takes a bundle or a bare certificate; one line feed may end the text. Checks shape only. */
export function decodeTrustBundle(text: string): TrustBundle | DocumentError {
  const value = canonicalObject(text, BUNDLE_LIMIT);
  if (typeof value === 'string') return value;
  if (value.kind !== BUNDLE_KIND) {
    const certificate = trustCertificateFrom(value);
    return typeof certificate === 'string' ? certificate : { certificate, revocations: [], rotations: [] };
  }
  const { v, kind: _, certificate: inner, revocations: revoked, rotations: rotated, ...rest } = value;
  if (v !== 1) return 'wrong_kind';
  if (Object.keys(rest).length > 0) return 'unknown_member';
  const certificate = trustCertificateFrom(inner);
  if (typeof certificate === 'string') return certificate;
  const revocations = listOf(revoked, BUNDLE_REVOCATIONS, trustRevocationFrom);
  if (typeof revocations === 'string') return revocations;
  const rotations = listOf(rotated, BUNDLE_ROTATIONS, (each) => decodeKeyRotation(canonicalJson(each)));
  if (typeof rotations === 'string') return rotations;
  return { certificate, revocations, rotations };
}

/** The text of a file of revocations. */
export function encodeRevocations(revocations: readonly TrustRevocation[]): string {
  return canonicalJson({
    kind: REVOCATIONS_KIND,
    v: 1,
    revocations: revocations.map(trustRevocationMembers),
  });
}

/** Takes a file of revocations, a bundle, or one bare revocation. Checks shape only. */
export function decodeRevocations(text: string): readonly TrustRevocation[] | DocumentError {
  const value = canonicalObject(text, REVOCATIONS_LIMIT);
  if (typeof value === 'string') return value;
  if (value.kind === BUNDLE_KIND) {
    const bundle = decodeTrustBundle(text);
    return typeof bundle === 'string' ? bundle : bundle.revocations;
  }
  if (value.kind !== REVOCATIONS_KIND) {
    const one = trustRevocationFrom(value);
    return typeof one === 'string' ? one : [one];
  }
  const { v, kind: _, revocations, ...rest } = value;
  if (v !== 1) return 'wrong_kind';
  if (Object.keys(rest).length > 0) return 'unknown_member';
  return listOf(revocations, FILE_REVOCATIONS, trustRevocationFrom);
}

export interface BundleCheck {
  /** Unix seconds. */
  readonly at: number;
  /** Beside those of the bundle. */
  readonly revocations?: readonly TrustRevocation[];
  /** Fingerprints the caller knows by other ways. */
  readonly fingerprints?: ReadonlyMap<NodeId, string>;
  /** Ports that must be covered, normalized text of ports.ts. */
  readonly ports?: string;
  /** Who connects; without it, the ports must be covered in both directions. */
  readonly from?: NodeId;
}

export type BundleVerdict =
  | 'valid'
  | TrustCertificateInvalid
  /** A revocation or rotation that came along is not what it says. */
  | 'bad_revocation'
  | 'bad_rotation'
  /** `from` or a fingerprint names a node that is not a party. */
  | 'not_a_party'
  | { readonly denied: 'scope'; readonly from: NodeId; readonly to: NodeId; readonly ports: string };

/** Everything that can be checked without asking anyone. Nothing that does not check is passed over in silence. */
export function verifyTrustBundle(crypto: Crypto, bundle: TrustBundle, check: BundleCheck): BundleVerdict {
  const { certificate, rotations } = bundle;
  const parties = [certificate.a, certificate.b];
  const revocations = [...bundle.revocations, ...(check.revocations ?? [])];
  if (!revocations.every((each) => isTrustRevocationSigned(crypto, each))) return 'bad_revocation';
  if (!rotations.every((each) => verifyKeyRotation(crypto, each))) return 'bad_rotation';
  for (const node of [check.from, ...(check.fingerprints?.keys() ?? [])]) {
    if (node !== undefined && !parties.some((party) => party.node === node)) return 'not_a_party';
  }
  const keys = new Map<NodeId, Uint8Array>();
  for (const { node, key } of parties) {
    const wanted = check.fingerprints?.get(node);
    if (wanted === undefined) continue;
    const known = keysOf(rotations, node, key).find((each) => fingerprintOf(crypto, each) === wanted);
    if (known === undefined) return 'key_mismatch';
    keys.set(node, known);
  }
  const verdict = verifyTrustCertificate(crypto, certificate, {
    at: check.at,
    revocations,
    keys,
    rotations,
  });
  if (verdict !== 'valid') return verdict;
  return check.ports === undefined ? 'valid' : coverage(certificate, check.ports, check.from);
}

function coverage(certificate: TrustCertificate, text: string, from: NodeId | undefined): BundleVerdict {
  const wanted = parsePorts(text);
  const { a, b } = certificate;
  for (const [dialer, target] of [
    [a, b],
    [b, a],
  ] as const) {
    if (from !== undefined && dialer.node !== from) continue;
    const offered = parsePorts(target.offers.ports);
    if (wanted === undefined || offered === undefined || !covers(offered, wanted)) {
      return { denied: 'scope', from: dialer.node, to: target.node, ports: target.offers.ports };
    }
  }
  return 'valid';
}

function covers(offered: Ports, wanted: Ports): boolean {
  return wanted.ranges.length > 0 && containsPorts(offered, wanted);
}

/** The key in the certificate, and those that rotations say the node had before or after. */
function keysOf(rotations: readonly KeyRotation[], node: NodeId, own: Uint8Array): Uint8Array[] {
  const named = rotations
    .filter((rotation) => rotation.node === node)
    .flatMap((rotation) => [decodeBase64(rotation.old_key), decodeBase64(rotation.new_key)]);
  return [own, ...named.filter((key) => key !== undefined)];
}

function canonicalObject(given: string, limit: number): JsonObject | DocumentError {
  const text = given.endsWith('\n') ? given.slice(0, -1) : given;
  if (text.length > limit) return 'too_large';
  const bytes = utf8(text);
  if (bytes.length > limit) return 'too_large';
  const parsed = parseJson(bytes);
  if (typeof parsed === 'string' || !isJsonObject(parsed.value)) return 'invalid_json';
  return canonicalJson(parsed.value) === text ? parsed.value : 'not_canonical';
}

function listOf<Item extends object>(
  value: unknown,
  limit: number,
  read: (each: unknown) => Item | string,
): readonly Item[] | DocumentError {
  if (!Array.isArray(value)) return 'bad_member';
  if (value.length > limit) return 'too_large';
  const items: Item[] = [];
  for (const each of value) {
    const item = read(each);
    if (typeof item === 'string') return 'bad_member';
    items.push(item);
  }
  return items;
}

function rotationMembers(rotation: KeyRotation): JsonObject {
  return JSON.parse(encodeKeyRotation(rotation)) as JsonObject;
}
