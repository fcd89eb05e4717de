/** FILESTREAM, payload of data exchange type 7: files in chunks with checksum and resume. spec/23 §3 */
import {
  concat,
  fromUtf8,
  fromUtf8Strict,
  readU16,
  readU32,
  readU64,
  utf8,
  writeU16,
  writeU32,
  writeU64,
} from '../base/bytes.ts';
import { type FileNameError, fileNameError } from './data-exchange.ts';

export const FILE_STREAM = {
  init: 0x01,
  chunk: 0x02,
  ack: 0x03,
  done: 0x04,
  initAck: 0x05,
  complete: 0x06,
  abort: 0x07,
} as const;

/** The first 16 bytes of the content's SHA-256 name a transfer. */
export const TRANSFER_ID_LENGTH = 16;
/** Chunk size of the protocol's senders. */
export const FILE_CHUNK = 48 * 1024;
/** Chunks in flight at most. */
export const FILE_CHUNKS_IN_FLIGHT = 16;

const SHA256_LENGTH = 32;
const HEADER = 1 + TRANSFER_ID_LENGTH;
const INIT_FIXED = 8 + SHA256_LENGTH + 4 + 2;

export type FileStreamMessage =
  | {
      readonly kind: 'init';
      readonly transfer: Uint8Array;
      readonly size: number;
      readonly sha256: Uint8Array;
      readonly chunkSize: number;
      readonly name: string;
    }
  | { readonly kind: 'initAck'; readonly transfer: Uint8Array; readonly offset: number }
  | {
      readonly kind: 'chunk';
      readonly transfer: Uint8Array;
      readonly offset: number;
      readonly data: Uint8Array;
    }
  /** Everything before `offset` has arrived. */
  | { readonly kind: 'ack'; readonly transfer: Uint8Array; readonly offset: number }
  | { readonly kind: 'done'; readonly transfer: Uint8Array }
  /** Status 0 is good; as the answer to `init` any other is a refusal, not a sign of an old peer. */
  | {
      readonly kind: 'complete';
      readonly transfer: Uint8Array;
      readonly status: number;
      readonly message: string;
    }
  | { readonly kind: 'abort'; readonly transfer: Uint8Array; readonly reason: string };

export type FileStreamError = 'too_short' | 'unknown_kind' | 'bad_length' | 'size_too_large' | FileNameError;

/** Payload of one type 7 frame. Throws RangeError on fields of the wrong length, sizes beyond 2^53 and refused names. */
export function encodeFileStream(message: FileStreamMessage): Uint8Array {
  expectLength('transfer id', message.transfer, TRANSFER_ID_LENGTH);
  const head = (kind: number) => concat(Uint8Array.of(kind), message.transfer);
  switch (message.kind) {
    case 'init':
      return concat(head(FILE_STREAM.init), encodeInitBody(message));
    case 'initAck':
      return concat(head(FILE_STREAM.initAck), u64(message.offset));
    case 'chunk':
      return concat(head(FILE_STREAM.chunk), u64(message.offset), message.data);
    case 'ack':
      return concat(head(FILE_STREAM.ack), u64(message.offset));
    case 'done':
      return head(FILE_STREAM.done);
    case 'complete':
      return concat(head(FILE_STREAM.complete), Uint8Array.of(message.status), utf8(message.message));
    case 'abort':
      return concat(head(FILE_STREAM.abort), utf8(message.reason));
  }
}

/** Arrays in the result are views into `payload`. */
export function decodeFileStream(payload: Uint8Array): FileStreamMessage | FileStreamError {
  if (payload.length < HEADER) return 'too_short';
  const transfer = payload.subarray(1, HEADER);
  const body = payload.subarray(HEADER);
  switch (payload[0]) {
    case FILE_STREAM.init:
      return decodeInit(transfer, body);
    case FILE_STREAM.initAck:
      return withOffset(body, (offset) => ({ kind: 'initAck', transfer, offset }));
    case FILE_STREAM.chunk:
      return withOffset(body, (offset) => ({ kind: 'chunk', transfer, offset, data: body.subarray(8) }));
    case FILE_STREAM.ack:
      return withOffset(body, (offset) => ({ kind: 'ack', transfer, offset }));
    case FILE_STREAM.done:
      return { kind: 'done', transfer };
    case FILE_STREAM.complete:
      if (body.length < 1) return 'too_short';
      return { kind: 'complete', transfer, status: body[0]!, message: fromUtf8(body.subarray(1)) };
    case FILE_STREAM.abort:
      return { kind: 'abort', transfer, reason: fromUtf8(body) };
    default:
      return 'unknown_kind';
  }
}

function encodeInitBody(init: FileStreamMessage & { kind: 'init' }): Uint8Array {
  expectLength('SHA-256', init.sha256, SHA256_LENGTH);
  const error = fileNameError(init.name);
  if (error !== undefined) throw new RangeError(`Cannot encode file name "${init.name}": ${error}`);
  const name = utf8(init.name);
  const fixed = new Uint8Array(INIT_FIXED);
  fixed.set(u64(init.size), 0);
  fixed.set(init.sha256, 8);
  writeU32(fixed, 40, init.chunkSize);
  writeU16(fixed, 44, name.length);
  return concat(fixed, name);
}

function decodeInit(transfer: Uint8Array, body: Uint8Array): FileStreamMessage | FileStreamError {
  if (body.length < INIT_FIXED) return 'too_short';
  const nameLength = readU16(body, 44);
  if (body.length !== INIT_FIXED + nameLength) return 'bad_length';
  const name = fromUtf8Strict(body.subarray(INIT_FIXED));
  if (name === undefined) return 'name_not_utf8';
  const error = fileNameError(name);
  if (error !== undefined) return error;
  const size = readU64(body, 0);
  if (!Number.isSafeInteger(size)) return 'size_too_large';
  return { kind: 'init', transfer, size, sha256: body.subarray(8, 40), chunkSize: readU32(body, 40), name };
}

function withOffset(
  body: Uint8Array,
  make: (offset: number) => FileStreamMessage,
): FileStreamMessage | 'too_short' | 'size_too_large' {
  if (body.length < 8) return 'too_short';
  const offset = readU64(body, 0);
  return Number.isSafeInteger(offset) ? make(offset) : 'size_too_large';
}

function u64(value: number): Uint8Array {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`Cannot encode ${value} as a u64`);
  const out = new Uint8Array(8);
  writeU64(out, 0, value);
  return out;
}

function expectLength(what: string, bytes: Uint8Array, length: number): void {
  if (bytes.length !== length)
    throw new RangeError(`Cannot encode a ${what} of ${bytes.length} bytes: it has ${length}`);
}
