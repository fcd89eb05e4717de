/** Data exchange frames around another frame: TAGGED (10, message ids) and TRACE (5, timing). spec/23 §3 */
import { concat, readU16, readU32, utf8, writeU16, writeU32 } from '../base/bytes.ts';
import { DATA_TYPE, type DataFrame } from './data-exchange.ts';
import { canonicalJson, isJsonObject, parseJson } from './json.ts';

/** Largest JSON header of a TAGGED frame. */
export const TAG_HEADER_LIMIT = 1024;

/** Ids that let a sender repeat a frame safely and find the answer to it, and members of ours that others ignore. */
export interface MessageTags {
  readonly messageId?: string;
  readonly replyTo?: string;
  /**
   * Ours. In a message: its sender reads the answer on the same stream. In an acknowledgement: the answer will come
   * on this stream. docs/decisions/0015
   */
  readonly reply?: 'stream';
  /** Ours, in an answer: the message could not be answered, and this is the code of the reason. */
  readonly error?: string;
}

export interface TaggedFrame {
  readonly tags: MessageTags;
  readonly inner: DataFrame;
}

export type TaggedError = 'too_short' | 'bad_header_length' | 'bad_header' | 'bad_id' | 'nested';

/** 1 to 128 of letters, digits and `- _ . :`. */
export function isMessageId(text: string): boolean {
  return /^[A-Za-z0-9\-_.:]{1,128}$/.test(text);
}

/** Codes of failed answers: 1 to 64 of `a-z _`. */
export function isAnswerError(text: string): boolean {
  return /^[a-z_]{1,64}$/.test(text);
}

/** Payload of a type 10 frame. Throws RangeError on ids outside the grammar, TypeError on a tagged inner frame. */
export function encodeTagged(tags: MessageTags, inner: DataFrame): Uint8Array {
  if (inner.type === DATA_TYPE.tagged) throw new TypeError('Cannot tag a frame twice');
  for (const id of [tags.messageId, tags.replyTo]) {
    if (id !== undefined && !isMessageId(id)) throw new RangeError(`Cannot encode message id "${id}"`);
  }
  if (tags.error !== undefined && !isAnswerError(tags.error))
    throw new RangeError(`Cannot encode error code "${tags.error}"`);
  const { messageId: message_id, replyTo: reply_to, reply, error } = tags;
  const header = utf8(canonicalJson({ message_id, reply_to, reply, error }));
  const out = new Uint8Array(2 + header.length + 4);
  writeU16(out, 0, header.length);
  out.set(header, 2);
  writeU32(out, 2 + header.length, inner.type);
  return concat(out, inner.payload);
}

/** The inner payload is a view. */
export function decodeTagged(payload: Uint8Array): TaggedFrame | TaggedError {
  if (payload.length < 2) return 'too_short';
  const length = readU16(payload, 0);
  if (length < 1 || length > TAG_HEADER_LIMIT) return 'bad_header_length';
  const innerAt = 2 + length + 4;
  if (payload.length < innerAt) return 'too_short';
  const header = parseJson(payload.subarray(2, 2 + length));
  if (typeof header === 'string' || !isJsonObject(header.value)) return 'bad_header';
  const { message_id: messageId, reply_to: replyTo, reply, error } = header.value;
  if (!isOptionalId(messageId) || !isOptionalId(replyTo)) return 'bad_id';
  const type = readU32(payload, innerAt - 4);
  if (type === DATA_TYPE.tagged) return 'nested';
  return {
    tags: {
      ...(messageId !== undefined && { messageId }),
      ...(replyTo !== undefined && { replyTo }),
      ...(reply === 'stream' && { reply }),
      ...(typeof error === 'string' && isAnswerError(error) && { error }),
    },
    inner: { type, payload: payload.subarray(innerAt) },
  };
}

/** A frame that is answered with the times it passed each stage. */
export interface TraceFrame {
  /** Unix time in nanoseconds, by the sender's clock. */
  readonly sentAt: bigint;
  readonly inner: DataFrame;
}

/** Payload of a type 5 frame. */
export function encodeTrace(trace: TraceFrame): Uint8Array {
  const head = new Uint8Array(12);
  writeU32(head, 0, trace.inner.type);
  writeU32(head, 4, Number(BigInt.asUintN(32, trace.sentAt >> 32n)));
  writeU32(head, 8, Number(BigInt.asUintN(32, trace.sentAt)));
  return concat(head, trace.inner.payload);
}

/** The inner payload is a view. */
export function decodeTrace(payload: Uint8Array): TraceFrame | 'too_short' {
  if (payload.length < 12) return 'too_short';
  const sentAt = (BigInt(readU32(payload, 4)) << 32n) | BigInt(readU32(payload, 8));
  return { sentAt, inner: { type: readU32(payload, 0), payload: payload.subarray(12) } };
}

function isOptionalId(value: unknown): value is string | undefined {
  return value === undefined || (typeof value === 'string' && isMessageId(value));
}
