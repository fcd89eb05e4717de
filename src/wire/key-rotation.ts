/** A change of a node's identity key, signed by the old and by the new key. The chain of them is public. */
import { equal, utf8 } from '../base/bytes.ts';
import type { Crypto, SigningKey } from '../base/crypto.ts';
import type { NodeId } from '../base/units.ts';
import { decodeBase64, encodeBase64 } from './base64.ts';
import { canonicalJson, isJsonObject, type JsonObject, parseJson } from './json.ts';
import { documentBytes } from './signed-document.ts';

export const KEY_ROTATION_KIND = 'pilot-rotation';
/** UTF-8 bytes of one document. */
export const KEY_ROTATION_LIMIT = 4096;
/** Rotations kept of one node; nobody follows a longer chain. */
export const MAX_ROTATIONS = 64;
const KEY_LENGTH = 32;
const SIGNATURE_LENGTH = 64;

/** Member names are those in the document. */
export interface KeyRotation {
  readonly node: NodeId;
  /** The new key's epoch; the first key of a node has epoch 0. */
  readonly epoch: number;
  /** Base64. */
  readonly old_key: string;
  /** Base64. */
  readonly new_key: string;
  /** Unix seconds. */
  readonly at: number;
  /** Base64 Ed25519 by the old key over `keyRotationBytes`. */
  readonly sig_old: string;
  /** Base64 Ed25519 by the new key over the same: nobody rotates to a key of someone else. */
  readonly sig_new: string;
}

export type KeyRotationError = 'too_large' | 'invalid_json' | 'not_object' | 'wrong_kind' | 'bad_member';

/** Why a chain does not lead from the key in question to another. */
export type RotationChainError = 'wrong_node' | 'bad_signature' | 'broken_chain' | 'forked' | 'too_long';

const MEMBERS: ReadonlySet<string> = new Set([
  'kind',
  'v',
  'node',
  'epoch',
  'old_key',
  'new_key',
  'at',
  'sig_old',
  'sig_new',
]);

/** What both signatures cover: ASCII `pilot-rotation-v1\n` ‖ canonical JSON of the other members. */
export function keyRotationBytes(rotation: Omit<KeyRotation, 'sig_old' | 'sig_new'>): Uint8Array {
  const { node, epoch, old_key, new_key, at } = rotation;
  return documentBytes(KEY_ROTATION_KIND, {
    kind: KEY_ROTATION_KIND,
    v: 1,
    node,
    epoch,
    old_key,
    new_key,
    at,
  });
}

export function signKeyRotation(
  oldKey: SigningKey,
  newKey: SigningKey,
  about: { readonly node: NodeId; readonly epoch: number; readonly at: number },
): KeyRotation {
  const members = {
    node: about.node,
    epoch: about.epoch,
    old_key: encodeBase64(oldKey.publicKey),
    new_key: encodeBase64(newKey.publicKey),
    at: about.at,
  };
  const content = keyRotationBytes(members);
  return {
    ...members,
    sig_old: encodeBase64(oldKey.sign(content)),
    sig_new: encodeBase64(newKey.sign(content)),
  };
}

export function encodeKeyRotation(rotation: KeyRotation): string {
  return canonicalJson({ kind: KEY_ROTATION_KIND, v: 1, ...rotation });
}

/** Checks shape and bounds only; `verifyKeyRotation` checks the signatures. Unknown members are refused. */
export function decodeKeyRotation(text: string): KeyRotation | KeyRotationError {
  if (text.length > KEY_ROTATION_LIMIT) return 'too_large';
  const bytes = utf8(text);
  if (bytes.length > KEY_ROTATION_LIMIT) return 'too_large';
  const parsed = parseJson(bytes);
  if (typeof parsed === 'string') return 'invalid_json';
  if (!isJsonObject(parsed.value)) return 'not_object';
  if (parsed.value.kind !== KEY_ROTATION_KIND || parsed.value.v !== 1) return 'wrong_kind';
  return rotationOf(parsed.value) ?? 'bad_member';
}

/** True when both keys signed it, and they differ. */
export function verifyKeyRotation(crypto: Pick<Crypto, 'verify'>, rotation: KeyRotation): boolean {
  const oldKey = decodeBase64(rotation.old_key);
  const newKey = decodeBase64(rotation.new_key);
  const byOld = decodeBase64(rotation.sig_old);
  const byNew = decodeBase64(rotation.sig_new);
  if (oldKey === undefined || newKey === undefined || byOld === undefined || byNew === undefined)
    return false;
  if (equal(oldKey, newKey)) return false;
  const content = keyRotationBytes(rotation);
  return crypto.verify(oldKey, content, byOld) && crypto.verify(newKey, content, byNew);
}

/**
 * Follows a node's rotations, in any order, from a key known to be its own to the newest key that can be proven.
 * Rotations before `fromKey` are ignored. When none begins at it, the answer is `fromKey` itself if it is the newest
 * key of the chain (or there is no chain), else `broken_chain`.
 */
export function followRotations(
  crypto: Pick<Crypto, 'verify'>,
  node: NodeId,
  fromKey: Uint8Array,
  rotations: readonly KeyRotation[],
): { readonly key: Uint8Array; readonly epoch: number } | RotationChainError {
  if (rotations.length > MAX_ROTATIONS) return 'too_long';
  if (rotations.some((rotation) => rotation.node !== node)) return 'wrong_node';
  const ordered = [...rotations].sort((a, b) => a.epoch - b.epoch);
  const from = encodeBase64(fromKey);
  let reached: string | undefined;
  let epoch = 0;
  for (const rotation of ordered) {
    if (reached === undefined) {
      if (rotation.new_key === from && verifyKeyRotation(crypto, rotation)) epoch = rotation.epoch;
      if (rotation.old_key !== from) continue;
    } else if (rotation.epoch === epoch) return 'forked';
    else if (rotation.old_key !== reached || rotation.epoch !== epoch + 1) return 'broken_chain';
    if (!verifyKeyRotation(crypto, rotation)) return 'bad_signature';
    reached = rotation.new_key;
    epoch = rotation.epoch;
  }
  if (reached !== undefined) return { key: decodeBase64(reached) ?? fromKey, epoch };
  const newest = ordered.at(-1);
  return newest === undefined || newest.new_key === from ? { key: fromKey, epoch } : 'broken_chain';
}

function rotationOf(object: JsonObject): KeyRotation | undefined {
  if (!Object.keys(object).every((key) => MEMBERS.has(key))) return undefined;
  const { node, epoch, old_key, new_key, at, sig_old, sig_new } = object;
  if (!isCount(node) || node === 0 || node > 0xffff_ffff) return undefined;
  if (!isCount(epoch) || epoch === 0 || !isCount(at)) return undefined;
  if (!isBase64Of(old_key, KEY_LENGTH) || !isBase64Of(new_key, KEY_LENGTH)) return undefined;
  if (!isBase64Of(sig_old, SIGNATURE_LENGTH) || !isBase64Of(sig_new, SIGNATURE_LENGTH)) return undefined;
  return { node, epoch, old_key, new_key, at, sig_old, sig_new };
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isBase64Of(value: unknown, length: number): value is string {
  return typeof value === 'string' && decodeBase64(value)?.length === length;
}
