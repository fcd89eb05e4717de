/** What all signed documents share: certificates, revocations, node records, key rotations. Each has exactly one text. */
import { utf8 } from '../base/bytes.ts';
import type { NodeId } from '../base/units.ts';
import { decodeBase64 } from './base64.ts';
import { canonicalJson, isJsonObject, type JsonObject, parseJson } from './json.ts';

/** Bytes of UTF-8 one document may have. */
export const DOCUMENT_LIMIT = 4096;

export type DocumentError =
  | 'too_large'
  | 'invalid_json'
  /** The same content written in another way: no second text of a document is taken. */
  | 'not_canonical'
  | 'wrong_kind'
  | 'unknown_member'
  | 'bad_member';

/** What the signature of a document covers. `members` come without the signatures. */
export function documentBytes(kind: string, members: JsonObject): Uint8Array {
  return utf8(`${kind}-v1\n${canonicalJson(members)}`);
}

/** The text of a document. Throws RangeError above `DOCUMENT_LIMIT`. */
export function encodeDocument(members: JsonObject): string {
  const text = canonicalJson(members);
  const { length } = utf8(text);
  if (length > DOCUMENT_LIMIT) {
    throw new RangeError(`Cannot encode a document of ${length} bytes: the limit is ${DOCUMENT_LIMIT}`);
  }
  return text;
}

/** Parses the text of a document; its members are then for `documentMembers`. */
export function parseDocument(text: string): JsonObject | DocumentError {
  if (text.length > DOCUMENT_LIMIT) return 'too_large';
  const bytes = utf8(text);
  if (bytes.length > DOCUMENT_LIMIT) return 'too_large';
  const parsed = parseJson(bytes);
  if (typeof parsed === 'string' || !isJsonObject(parsed.value)) return 'invalid_json';
  return canonicalJson(parsed.value) === text ? parsed.value : 'not_canonical';
}

/** Checks kind, version and that no member is there that is not named. */
export function documentMembers(
  value: unknown,
  kind: string,
  names: ReadonlySet<string>,
): JsonObject | DocumentError {
  if (!isJsonObject(value)) return 'invalid_json';
  if (value.kind !== kind || value.v !== 1) return 'wrong_kind';
  for (const name of Object.keys(value)) {
    if (name !== 'kind' && name !== 'v' && !names.has(name)) return 'unknown_member';
  }
  return value;
}

/** The bytes of a key or signature in base64; undefined when it is anything else. */
export function documentKey(value: unknown, length: 32 | 64): Uint8Array | undefined {
  if (typeof value !== 'string' || value.length > 88) return undefined;
  const bytes = decodeBase64(value);
  return bytes?.length === length ? bytes : undefined;
}

/** A node id that can exist. */
export function isDocumentNode(value: unknown): value is NodeId {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 && value < 0xffff_ffff;
}

/** Unix seconds, a serial, an epoch: whole, from 0, and far from where numbers stop being exact. */
export function isDocumentCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < 2 ** 48;
}
