/** Port 1001: frames of messages and files, each answered by one text. spec/21 §2 */
import { fromUtf8Strict, readU16, utf8, writeU16, writeU32 } from '../base/bytes.ts';
import { ByteQueue } from './byte-queue.ts';

/** Frame types. 1 to 4 are understood by everyone; 5, 7 and 10 only by later versions (spec/23 §3). */
export const DATA_TYPE = {
  text: 1,
  binary: 2,
  json: 3,
  file: 4,
  trace: 5,
  fileStream: 7,
  tagged: 10,
} as const;

/** Largest payload old readers accept; above, they close the stream without an answer. */
export const DATA_FRAME_LIMIT = 16_777_216;
/** Largest file name, in UTF-8 bytes. */
export const FILE_NAME_LIMIT = 255;

export interface DataFrame {
  readonly type: number;
  readonly payload: Uint8Array;
}

/** Throws RangeError above `DATA_FRAME_LIMIT`. */
export function encodeDataFrame(type: number, payload: Uint8Array): Uint8Array {
  if (payload.length > DATA_FRAME_LIMIT) {
    throw new RangeError(
      `Cannot encode a frame of ${payload.length} bytes: the limit is ${DATA_FRAME_LIMIT}`,
    );
  }
  const out = new Uint8Array(8 + payload.length);
  writeU32(out, 0, type);
  writeU32(out, 4, payload.length);
  out.set(payload, 8);
  return out;
}

/** Set when a frame was refused: what its header said, so that the refusal can name it. */
export interface DataFrameTooLarge {
  readonly reason: 'too_large';
  readonly type: number;
  readonly length: number;
}

/**
 * Cuts a byte stream into frames. After each `push`, call `next` until it returns undefined, then look at `error`:
 * once set it stays, and further bytes are dropped. Memory follows the bytes that arrived, not the declared length.
 */
export class DataFrameReader {
  readonly #queue = new ByteQueue();
  readonly #limit: number;
  #error: DataFrameTooLarge | undefined;

  /** `limit` bounds one payload; @default DATA_FRAME_LIMIT */
  constructor(limit: number = DATA_FRAME_LIMIT) {
    this.#limit = limit;
  }

  get error(): DataFrameTooLarge | undefined {
    return this.#error;
  }

  /** True when an unfinished frame is waiting: at the end of the stream it was cut. */
  get incomplete(): boolean {
    return this.#queue.length > 0;
  }

  /** Bytes held back until the rest of their frame is here. */
  get pendingBytes(): number {
    return this.#queue.length;
  }

  push(bytes: Uint8Array): void {
    if (this.#error === undefined) this.#queue.push(bytes);
  }

  next(): DataFrame | undefined {
    if (this.#error !== undefined) return undefined;
    const type = this.#queue.u32At(0);
    const length = this.#queue.u32At(4);
    if (type === undefined || length === undefined) return undefined;
    if (length > this.#limit) {
      this.#error = { reason: 'too_large', type, length };
      this.#queue.clear();
      return undefined;
    }
    const frame = this.#queue.take(8 + length);
    return frame && { type, payload: frame.subarray(8) };
  }
}

export type FileNameError = 'name_too_long' | 'name_traversal' | 'name_not_utf8' | 'name_control_character';

/** Why receivers would refuse the name, or undefined. Empty names pass: such files are acknowledged, not stored. */
export function fileNameError(name: string): FileNameError | undefined {
  if (/\p{Surrogate}/u.test(name)) return 'name_not_utf8';
  if (utf8(name).length > FILE_NAME_LIMIT) return 'name_too_long';
  if (name === '.' || name.includes('..') || name.includes('/') || name.includes('\\'))
    return 'name_traversal';
  for (const c of name) if (c < ' ' || c === '\x7f') return 'name_control_character';
  return undefined;
}

/** Payload of a FILE frame: u16 name length, name, bytes. Throws RangeError on a name receivers refuse. */
export function encodeFilePayload(name: string, data: Uint8Array): Uint8Array {
  const error = fileNameError(name);
  if (error !== undefined) throw new RangeError(`Cannot encode file name "${name}": ${error}`);
  const encoded = utf8(name);
  const out = new Uint8Array(2 + encoded.length + data.length);
  writeU16(out, 0, encoded.length);
  out.set(encoded, 2);
  out.set(data, 2 + encoded.length);
  return out;
}

/** `name` is empty when the payload holds none; such a file is acknowledged and not stored. */
export interface FilePayload {
  readonly name: string;
  readonly data: Uint8Array;
}

/** A name length beyond the payload makes all of it data without a name, as old receivers have it. */
export function decodeFilePayload(payload: Uint8Array): FilePayload | FileNameError {
  const length = payload.length < 2 ? 0 : readU16(payload, 0);
  if (payload.length < 2 || payload.length < 2 + length) return { name: '', data: payload };
  if (length > FILE_NAME_LIMIT) return 'name_too_long';
  const name = fromUtf8Strict(payload.subarray(2, 2 + length));
  if (name === undefined) return 'name_not_utf8';
  return fileNameError(name) ?? { name, data: payload.subarray(2 + length) };
}

/** TEXT, BINARY, JSON, FILE or `UNKNOWN(n)`: later senders detect old receivers by that text. */
export function dataTypeName(type: number): string {
  switch (type) {
    case DATA_TYPE.text:
      return 'TEXT';
    case DATA_TYPE.binary:
      return 'BINARY';
    case DATA_TYPE.json:
      return 'JSON';
    case DATA_TYPE.file:
      return 'FILE';
    default:
      return `UNKNOWN(${type})`;
  }
}

/** The text that acknowledges a frame; `bytes` is the payload length, for FILE that of the file alone. */
export function ackText(type: number, bytes: number, options: { duplicate?: boolean } = {}): string {
  return `ACK ${dataTypeName(type)} ${bytes} bytes${options.duplicate ? ' (duplicate)' : ''}`;
}

/** The text that refuses a frame or reports that it could not be stored. */
export function errText(type: number, reason: string): string {
  return `ERR ${dataTypeName(type)} save failed: ${reason}`;
}

export type DataAnswer =
  | { readonly kind: 'ack'; readonly typeName: string; readonly bytes: number; readonly duplicate: boolean }
  | { readonly kind: 'err'; readonly typeName: string; readonly reason: string };

/** Understands the answer to a frame; undefined when it is neither ACK nor ERR. */
export function parseAnswer(text: string): DataAnswer | undefined {
  const ack = /^ACK (\S+) ([0-9]{1,15}) bytes( \(duplicate\))?$/.exec(text);
  if (ack !== null) {
    return { kind: 'ack', typeName: ack[1]!, bytes: Number(ack[2]), duplicate: ack[3] !== undefined };
  }
  const err = /^ERR (\S+) (?:save failed: )?(.*)$/s.exec(text);
  return err === null ? undefined : { kind: 'err', typeName: err[1]!, reason: err[2]! };
}

/** True when the answer says that the receiver does not know this frame type. */
export function isUnknownTypeAnswer(text: string, type: number): boolean {
  return parseAnswer(text)?.typeName === `UNKNOWN(${type})`;
}
