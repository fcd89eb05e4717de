/** Trust messages: one JSON object per stream to port 444, also carried through the registry. spec/11 §2.2 */
import { utf8 } from '../base/bytes.ts';
import type { NodeId } from '../base/units.ts';
import { canonicalJson, escapeHtml, isJsonObject, type JsonObject, parseJson } from './json.ts';

/** Old receivers parse the first segment as the whole message, so nothing longer can be understood. */
export const HANDSHAKE_LIMIT = 4096;

export const HANDSHAKE_TYPES = [
  'handshake_request',
  'handshake_accept',
  'handshake_reject',
  'handshake_revoke',
] as const;
export type HandshakeType = (typeof HANDSHAKE_TYPES)[number];

/** One message; member names are those on the wire. */
export interface HandshakeMessage {
  readonly type: HandshakeType;
  readonly node_id: NodeId;
  /** The sender's Ed25519 key, base64; empty when it has none. */
  readonly public_key: string;
  readonly justification: string;
  /** Base64 Ed25519 over `handshakeSignedString`: what old peers check. Binds the pair only, not the content. */
  readonly signature: string;
  readonly reason: string;
  /** Unix seconds. */
  readonly timestamp: number;
  /** Ours: names this message; hex of 16 random bytes. */
  readonly id?: string;
  /** Ours: the `id` of the request this answers. */
  readonly reply_to?: string;
  /** Ours: the receiver as the sender named it: node id, or hostname when the id is unknown. */
  readonly to?: NodeId | string;
  /** Ours: base64 Ed25519 over `handshakeContentBytes`. */
  readonly sig?: string;
  /** Members we do not know. Kept, because `sig` covers them too. */
  readonly extra?: JsonObject;
}

export type HandshakeError = 'too_large' | 'invalid_json' | 'not_object' | 'unknown_type' | 'bad_member';

const CONTENT_PREFIX = 'pilot-handshake-v2\n';
const KNOWN: ReadonlySet<string> = new Set([
  'type',
  'node_id',
  'public_key',
  'justification',
  'signature',
  'reason',
  'timestamp',
  'id',
  'reply_to',
  'to',
  'sig',
]);

/** The old seven members in their order, then ours. Throws RangeError above `HANDSHAKE_LIMIT`. */
export function encodeHandshake(message: HandshakeMessage): Uint8Array {
  const { type, node_id, public_key, justification, signature, reason, timestamp, id, reply_to, to, sig } =
    message;
  const members = Object.entries({
    type,
    node_id,
    public_key,
    justification,
    signature,
    reason,
    timestamp,
    id,
    reply_to,
    to,
    ...unknownMembers(message.extra ?? {}),
    sig,
  });
  const json = members
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${JSON.stringify(key)}:${canonicalJson(value)}`);
  const bytes = utf8(escapeHtml(`{${json.join(',')}}`));
  if (bytes.length > HANDSHAKE_LIMIT) {
    throw new RangeError(
      `Cannot encode a trust message of ${bytes.length} bytes: the limit is ${HANDSHAKE_LIMIT}`,
    );
  }
  return bytes;
}

/** Checks shape only; signatures, age and repetition are the trust machine's business. */
export function decodeHandshake(bytes: Uint8Array): HandshakeMessage | HandshakeError {
  if (bytes.length > HANDSHAKE_LIMIT) return 'too_large';
  const parsed = parseJson(bytes);
  if (typeof parsed === 'string') return 'invalid_json';
  if (!isJsonObject(parsed.value)) return 'not_object';
  const { type, node_id, public_key, justification, signature, reason, timestamp, id, reply_to, to, sig } =
    parsed.value;
  if (typeof type !== 'string') return 'bad_member';
  if (!isHandshakeType(type)) return 'unknown_type';
  if (!isU32(node_id) || !isUnixSeconds(timestamp)) return 'bad_member';
  if (!isOptionalText(public_key) || !isOptionalText(justification)) return 'bad_member';
  if (!isOptionalText(signature) || !isOptionalText(reason)) return 'bad_member';
  if (!isOptionalText(id) || !isOptionalText(reply_to) || !isOptionalText(sig)) return 'bad_member';
  if (to !== undefined && typeof to !== 'string' && !isU32(to)) return 'bad_member';
  const extra = unknownMembers(parsed.value);
  return {
    type,
    node_id,
    public_key: public_key ?? '',
    justification: justification ?? '',
    signature: signature ?? '',
    reason: reason ?? '',
    timestamp,
    ...(id !== undefined && { id }),
    ...(reply_to !== undefined && { reply_to }),
    ...(to !== undefined && { to }),
    ...(sig !== undefined && { sig }),
    ...(Object.keys(extra).length > 0 && { extra }),
  };
}

/** What `signature` covers, in all four types. */
export function handshakeSignedString(from: NodeId, to: NodeId): string {
  return `handshake:${from}:${to}`;
}

/** What `sig` covers: ASCII `pilot-handshake-v2\n` ‖ canonical JSON of every member but `sig`. */
export function handshakeContentBytes(message: HandshakeMessage): Uint8Array {
  const { extra, sig: _, ...members } = message;
  return utf8(CONTENT_PREFIX + canonicalJson({ ...unknownMembers(extra ?? {}), ...members }));
}

function unknownMembers(object: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([key]) => !KNOWN.has(key)));
}

function isHandshakeType(text: string): text is HandshakeType {
  return (HANDSHAKE_TYPES as readonly string[]).includes(text);
}

function isU32(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff;
}

function isUnixSeconds(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value);
}

function isOptionalText(value: unknown): value is string | undefined {
  return value === undefined || typeof value === 'string';
}
