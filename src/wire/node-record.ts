/** What a node says of itself, signed with its identity key; the registry keeps and returns it as text. */
import { equal, utf8 } from '../base/bytes.ts';
import type { Crypto, SigningKey } from '../base/crypto.ts';
import type { NodeId, Port } from '../base/units.ts';
import { decodeBase64, encodeBase64 } from './base64.ts';
import { canonicalJson, isJsonObject, type JsonObject, parseJson } from './json.ts';
import { documentBytes } from './signed-document.ts';

export const NODE_RECORD_KIND = 'pilot-node';
/** UTF-8 bytes of a whole record. */
export const NODE_RECORD_LIMIT = 4096;
export const MAX_SERVICES = 16;
export const MAX_DESCRIPTION = 200;
const MAX_TAGS = 10;
const MAX_FEATURES = 32;
const MAX_SUITES = 8;
const KEY_LENGTH = 32;
const SIGNATURE_LENGTH = 64;

const HOSTNAME = /^$|^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const TAG = /^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/;
const WORD = /^[a-z0-9][a-z0-9._-]{0,31}$/;
/** Controls could rewrite a terminal's screen, and marks of direction its order of words. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;

/** A service a node offers. */
export interface ServiceEntry {
  /** As a tag: lower case, digits, hyphens; at most 32. */
  readonly name: string;
  readonly port: Port;
  /** At most 200 characters, printable. */
  readonly description: string;
}

/** The members a node signs; names are those in the document. */
export interface NodeRecordMembers {
  readonly node: NodeId;
  /** The identity key, base64. */
  readonly key: string;
  /** Key rotations so far. */
  readonly epoch: number;
  /** Grows with every record of the node. */
  readonly seq: number;
  /** Empty when it has none. */
  readonly hostname: string;
  readonly public: boolean;
  readonly tags: readonly string[];
  /** What it can do beyond version 1, such as `certificates1`. */
  readonly features: readonly string[];
  /** Session suites it speaks. */
  readonly suites: readonly string[];
  readonly services: readonly ServiceEntry[];
  /** Unix seconds. */
  readonly issued: number;
  /** Unix seconds. */
  readonly expires: number;
}

export interface NodeRecord extends NodeRecordMembers {
  /** Base64 Ed25519 over `nodeRecordBytes`. */
  readonly sig: string;
}

export type NodeRecordError = 'too_large' | 'invalid_json' | 'not_object' | 'wrong_kind' | 'bad_member';

const MEMBERS: ReadonlySet<string> = new Set([
  'kind',
  'v',
  'node',
  'key',
  'epoch',
  'seq',
  'hostname',
  'public',
  'tags',
  'features',
  'suites',
  'services',
  'issued',
  'expires',
  'sig',
]);

/** What `sig` covers: ASCII `pilot-node-v1\n` ‖ canonical JSON of every other member. */
export function nodeRecordBytes(record: NodeRecordMembers): Uint8Array {
  const { sig: _, ...members } = record as NodeRecord;
  return documentBytes(NODE_RECORD_KIND, { kind: NODE_RECORD_KIND, v: 1, ...members });
}

/** Throws RangeError when a member is out of bounds or the whole is over the limit: the caller's own data. */
export function signNodeRecord(signer: SigningKey, members: Omit<NodeRecordMembers, 'key'>): NodeRecord {
  const complete = { ...members, key: encodeBase64(signer.publicKey) };
  const record = { ...complete, sig: encodeBase64(signer.sign(nodeRecordBytes(complete))) };
  const problem = decodeNodeRecord(encodeNodeRecord(record));
  if (typeof problem === 'string') throw new RangeError(`Cannot sign a node record: ${problem}`);
  return record;
}

export function encodeNodeRecord(record: NodeRecord): string {
  return canonicalJson({ kind: NODE_RECORD_KIND, v: 1, ...record });
}

/** Checks shape and bounds only; `verifyNodeRecord` checks the signature. Unknown members are refused. */
export function decodeNodeRecord(text: string): NodeRecord | NodeRecordError {
  if (text.length > NODE_RECORD_LIMIT) return 'too_large';
  const bytes = utf8(text);
  if (bytes.length > NODE_RECORD_LIMIT) return 'too_large';
  const parsed = parseJson(bytes);
  if (typeof parsed === 'string') return 'invalid_json';
  if (!isJsonObject(parsed.value)) return 'not_object';
  if (parsed.value.kind !== NODE_RECORD_KIND || parsed.value.v !== 1) return 'wrong_kind';
  return recordOf(parsed.value) ?? 'bad_member';
}

/** True when the record is signed by `key` and names it. Says nothing about time. */
export function verifyNodeRecord(
  crypto: Pick<Crypto, 'verify'>,
  record: NodeRecord,
  key: Uint8Array,
): boolean {
  const named = decodeBase64(record.key);
  const signature = decodeBase64(record.sig);
  if (named === undefined || signature === undefined || !equal(named, key)) return false;
  return crypto.verify(key, nodeRecordBytes(record), signature);
}

/** Whether a service may be published as it is. */
export function isServiceEntry(value: unknown): value is ServiceEntry {
  if (!isJsonObject(value) || Object.keys(value).length !== 3) return false;
  const { name, port, description } = value;
  if (typeof name !== 'string' || !TAG.test(name)) return false;
  if (!isCount(port) || port > 0xffff) return false;
  return (
    typeof description === 'string' && description.length <= MAX_DESCRIPTION && !UNPRINTABLE.test(description)
  );
}

function recordOf(object: JsonObject): NodeRecord | undefined {
  if (!Object.keys(object).every((key) => MEMBERS.has(key))) return undefined;
  const { node, key, epoch, seq, hostname, tags, features, suites, services, issued, expires, sig } = object;
  if (!isCount(node) || node === 0 || node > 0xffff_ffff) return undefined;
  if (!isBase64Of(key, KEY_LENGTH) || !isBase64Of(sig, SIGNATURE_LENGTH)) return undefined;
  if (!isCount(epoch) || !isCount(seq) || !isCount(issued) || !isCount(expires)) return undefined;
  if (typeof hostname !== 'string' || !HOSTNAME.test(hostname)) return undefined;
  if (typeof object.public !== 'boolean') return undefined;
  if (!isWords(tags, TAG, MAX_TAGS) || !isWords(features, WORD, MAX_FEATURES)) return undefined;
  if (!isWords(suites, WORD, MAX_SUITES)) return undefined;
  if (!Array.isArray(services) || services.length > MAX_SERVICES || !services.every(isServiceEntry)) {
    return undefined;
  }
  return {
    node,
    key,
    epoch,
    seq,
    hostname,
    public: object.public,
    tags,
    features,
    suites,
    services,
    issued,
    expires,
    sig,
  };
}

function isWords(value: unknown, pattern: RegExp, most: number): value is string[] {
  if (!Array.isArray(value) || value.length > most) return false;
  return value.every((word) => typeof word === 'string' && pattern.test(word));
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isBase64Of(value: unknown, length: number): value is string {
  return typeof value === 'string' && decodeBase64(value)?.length === length;
}
