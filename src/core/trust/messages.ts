/** Composes and checks single trust messages; knows nothing of who is trusted. spec/11 §2.2, §2.3 */

import { equal, fromUtf8, toHex, utf8 } from '../../base/bytes.ts';
import type { Crypto, SigningKey } from '../../base/crypto.ts';
import type { Random } from '../../base/random.ts';
import type { NodeId, UnixMillis } from '../../base/units.ts';
import { decodeBase64, encodeBase64 } from '../../wire/base64.ts';
import {
  decodeHandshake,
  encodeHandshake,
  type HandshakeMessage,
  type HandshakeType,
  handshakeContentBytes,
  handshakeSignedString,
} from '../../wire/handshake.ts';
import type { JsonObject } from '../../wire/json.ts';
import {
  JUSTIFICATION_LIMIT,
  LEGACY_MAX_AGE,
  LEGACY_MAX_SKEW,
  REQUEST_LIFETIME,
  SIGNED_MAX_SKEW,
} from './limits.ts';

/** How a message came: over a tunnel that proves its source, or through the registry. */
export type Route = 'direct' | 'relay';

/** What a peer says, once its shape is known to be sound. Signatures are checked when the peer's key is known. */
export interface Claim {
  readonly from: NodeId;
  readonly type: HandshakeType;
  readonly route: Route;
  readonly justification: string;
  readonly reason: string;
  /** Unix seconds; of the sender's clock, or of the registry's when only the registry speaks. */
  readonly timestamp: number;
  /** Empty with old peers. */
  readonly id: string;
  readonly replyTo: string;
  /** The message itself; undefined when only the registry vouches for it. */
  readonly message: HandshakeMessage | undefined;
  /** The whole content is signed. */
  readonly signed: boolean;
  /** The message as received, JSON; empty unless `signed`. */
  readonly text: string;
}

export type ClaimError =
  | 'malformed'
  | 'wrong_sender'
  | 'wrong_recipient'
  | 'from_ourselves'
  | 'unsigned'
  | 'justification_too_large'
  | 'too_old'
  | 'in_the_future';

export interface Recipient {
  readonly node: NodeId;
  readonly hostname: string | undefined;
}

/**
 * Reads a message that came from `source` and checks everything that needs no key: shape, sender, recipient, age.
 * A message without `sig` must carry what old peers always send: a key and a signature over the pair of nodes.
 */
export function readClaim(
  bytes: Uint8Array,
  source: NodeId,
  us: Recipient,
  route: Route,
  wall: UnixMillis,
): Claim | ClaimError {
  const message = decodeHandshake(bytes);
  if (typeof message === 'string') return 'malformed';
  if (message.node_id !== source) return 'wrong_sender';
  if (source === us.node) return 'from_ourselves';
  if (message.public_key === '') return 'unsigned';
  if (utf8(message.justification).length > JUSTIFICATION_LIMIT) return 'justification_too_large';
  const signed = message.sig !== undefined;
  if (signed) {
    if (!isId(message.id) || (message.reply_to !== undefined && !isId(message.reply_to))) return 'malformed';
    if (!isAddressedTo(message.to, us)) return 'wrong_recipient';
  } else {
    // Only old peers leave `sig` out, and they know no other member of ours either.
    if (message.signature === '' || message.id !== undefined || message.reply_to !== undefined)
      return 'unsigned';
  }
  const age = wall - message.timestamp * 1000;
  if (age > (signed ? REQUEST_LIFETIME : LEGACY_MAX_AGE)) return 'too_old';
  if (age < -(signed ? SIGNED_MAX_SKEW : LEGACY_MAX_SKEW)) return 'in_the_future';
  return {
    from: source,
    type: message.type,
    route,
    justification: message.justification,
    reason: message.reason,
    timestamp: message.timestamp,
    id: message.id ?? '',
    replyTo: message.reply_to ?? '',
    message,
    signed,
    text: signed ? fromUtf8(bytes) : '',
  };
}

/** Whether the message was signed by `key` and names no other; true for what only the registry vouches for. */
export function isSignedBy(
  crypto: Crypto,
  claim: Claim,
  key: Uint8Array,
  us: NodeId,
): 'ok' | 'key_mismatch' | 'bad_signature' {
  const message = claim.message;
  if (message === undefined) return 'ok';
  const named = decodeBase64(message.public_key);
  if (named === undefined || !equal(named, key)) return 'key_mismatch';
  const signature = decodeBase64(message.sig ?? message.signature);
  if (signature === undefined) return 'bad_signature';
  const signedBytes =
    message.sig === undefined
      ? utf8(handshakeSignedString(message.node_id, us))
      : handshakeContentBytes(message);
  return crypto.verify(key, signedBytes, signature) ? 'ok' : 'bad_signature';
}

export interface Letter {
  readonly type: HandshakeType;
  /** A hostname only in requests to a node whose id is unknown. */
  readonly to: NodeId | string;
  readonly id: string;
  readonly replyTo: string;
  readonly justification: string;
  readonly reason: string;
  /** Unix seconds. */
  readonly timestamp: number;
  /** Members that only some messages have: terms, certificates, revocations. */
  readonly extra?: JsonObject;
}

/** Signs a message in both ways: for old peers over the pair of nodes, for ours over the whole content. Throws RangeError above `HANDSHAKE_LIMIT`. */
export function composeMessage(identity: SigningKey, from: NodeId, letter: Letter): Uint8Array {
  const { to } = letter;
  const unsigned: HandshakeMessage = {
    type: letter.type,
    node_id: from,
    public_key: encodeBase64(identity.publicKey),
    justification: letter.justification,
    signature:
      typeof to === 'number' ? encodeBase64(identity.sign(utf8(handshakeSignedString(from, to)))) : '',
    reason: letter.reason,
    timestamp: letter.timestamp,
    id: letter.id,
    ...(letter.replyTo !== '' && { reply_to: letter.replyTo }),
    to,
    ...(letter.extra !== undefined && { extra: letter.extra }),
  };
  return encodeHandshake({
    ...unsigned,
    sig: encodeBase64(identity.sign(handshakeContentBytes(unsigned))),
  });
}

/** What peers say they can do, in every message that begins or changes trust. */
export const FEATURES: readonly string[] = ['certificates1'];

/** Whether the sender signs certificates. */
export function isCertifying({ signed, message }: Claim): boolean {
  const features = message?.extra?.features;
  return signed && Array.isArray(features) && features.includes(FEATURES[0]);
}

/** A fresh message id: 16 random bytes, hex. */
export function newId(random: Random): string {
  return toHex(random.bytes(16));
}

function isId(text: string | undefined): boolean {
  return text !== undefined && /^[0-9a-f]{32}$/.test(text);
}

function isAddressedTo(to: NodeId | string | undefined, us: Recipient): boolean {
  if (typeof to === 'number') return to === us.node;
  return to !== undefined && us.hostname !== undefined && to.toLowerCase() === us.hostname.toLowerCase();
}
