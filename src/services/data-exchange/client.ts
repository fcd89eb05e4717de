import { PilotError } from '../../api/errors.ts';
import type { Conn } from '../../api/stream.ts';
import { fromUtf8 } from '../../base/bytes.ts';
import type { Crypto } from '../../base/crypto.ts';
import type { Bytes, Millis } from '../../base/units.ts';
import type { Abort, Clock } from '../../runtime/ports.ts';
import {
  DATA_FRAME_LIMIT,
  DATA_TYPE,
  dataTypeName,
  encodeDataFrame,
  encodeFilePayload,
  fileNameError,
  parseAnswer,
} from '../../wire/data-exchange.ts';
import { AnswerReader } from './answer-reader.ts';
import { within } from './deadline.ts';
import { hashSource, streamFile } from './file-sender.ts';
import type { FileSource } from './file-source.ts';

/** spec/21 §2 */
export const DATA_EXCHANGE_PORT = 1001;

export type MessageType = 'text' | 'json' | 'binary';

export interface Progress {
  /** `hashing` reads the source once before anything is sent; `sending` counts what the peer has acknowledged. */
  readonly phase: 'hashing' | 'sending';
  readonly bytes: Bytes;
  readonly total: Bytes;
}

export interface SendContext {
  readonly clock: Clock;
  readonly crypto: Crypto;
  /** Opens a stream to port 1001 of the peer. */
  readonly dial: () => Promise<Conn>;
  readonly signal?: Abort | undefined;
  /** How long to wait for each acknowledgement. @default 60000 */
  readonly timeout?: Millis | undefined;
}

export interface FileSent {
  /** `stream`: checked end to end and resumable (type 7); `frame`: one type 4 frame, to an old peer. */
  readonly transport: 'stream' | 'frame';
  readonly bytes: Bytes;
  /** Lower-case hex. */
  readonly sha256: string;
  /** Where an earlier, broken transfer had stopped. */
  readonly resumedFrom: Bytes;
  readonly ack: string;
}

export interface SendFileOptions {
  readonly onProgress?: (progress: Progress) => void;
}

/** spec/23 §3 */
const ANSWER_LIMIT: Millis = 60_000;
/** Pieces in which a large frame is written, so that a cancelled one stops soon. */
const PIECE = 256 * 1024;

const TYPES: Readonly<Record<MessageType, number>> = {
  text: DATA_TYPE.text,
  json: DATA_TYPE.json,
  binary: DATA_TYPE.binary,
};

/** Sends one message and waits for its acknowledgement, whose text it returns. Errors: `transfer_failed`, `timeout`, `too_large`. */
export async function sendMessage(
  context: SendContext,
  message: { readonly type: MessageType; readonly data: Uint8Array },
): Promise<string> {
  if (message.data.length > DATA_FRAME_LIMIT) {
    throw new PilotError(
      'too_large',
      `Cannot send a message of ${message.data.length} bytes: the limit is ${DATA_FRAME_LIMIT}`,
      { hint: 'send it as a file: pilotctl send-file <target> <path>' },
    );
  }
  return sendFrame(context, TYPES[message.type], message.data);
}

/**
 * Sends a file with type 7, or type 4 when the peer is old. When the connection breaks it is opened again, and the
 * transfer goes on where it stopped, as long as each attempt gets further.
 * Errors: `transfer_failed`, `timeout`, `cancelled`, `too_large`, `invalid_argument`, and those of `dial`.
 */
export async function sendFile(
  context: SendContext,
  source: FileSource,
  options: SendFileOptions = {},
): Promise<FileSent> {
  const nameError = source.name === '' ? 'name_empty' : fileNameError(source.name);
  if (nameError !== undefined) {
    throw new PilotError('invalid_argument', `Cannot send a file named "${source.name}": ${nameError}`);
  }
  const sha256 = await hashSource(context, source, options);
  const streamed = await streamFile(context, source, sha256, options);
  if (streamed !== 'old_peer') return streamed;
  return sendWhole(context, source, sha256, options);
}

/** One type 4 frame: all an old peer understands. */
async function sendWhole(
  context: SendContext,
  source: FileSource,
  sha256: string,
  options: SendFileOptions,
): Promise<FileSent> {
  const overhead = encodeFilePayload(source.name, new Uint8Array(0)).length;
  if (source.size + overhead > DATA_FRAME_LIMIT) {
    throw new PilotError(
      'too_large',
      `Cannot send ${source.size} bytes: the peer is an old daemon and takes files of at most ${DATA_FRAME_LIMIT - overhead} bytes`,
      { hint: 'ask for an update of the peer' },
    );
  }
  const data = await source.read(0, source.size);
  if (data.length !== source.size)
    throw new PilotError('transfer_failed', `"${source.name}" changed while it was read`);
  const ack = await sendFrame(context, DATA_TYPE.file, encodeFilePayload(source.name, data), (bytes) =>
    options.onProgress?.({ phase: 'sending', bytes: Math.max(0, bytes - overhead), total: source.size }),
  );
  return { transport: 'frame', bytes: source.size, sha256, resumedFrom: 0, ack };
}

async function sendFrame(
  context: SendContext,
  type: number,
  payload: Uint8Array,
  onWritten?: (bytes: Bytes) => void,
): Promise<string> {
  const { clock, signal, timeout = ANSWER_LIMIT } = context;
  const what = `the peer's answer to a ${dataTypeName(type)}`;
  const conn = await context.dial();
  try {
    const answers = new AnswerReader(conn);
    // An answer may come before everything is written: a refusal.
    const answered = answers.next();
    answered.catch(() => {});
    const frame = encodeDataFrame(type, payload);
    for (let at = 0; at < frame.length; at += PIECE) {
      const written = conn.write(frame.subarray(at, at + PIECE));
      await within(clock, timeout, Promise.race([written, answered]), what, signal);
      onWritten?.(Math.min(at + PIECE, frame.length) - 8);
    }
    const answer = await within(clock, timeout, answered, what, signal);
    if (answer === undefined)
      throw new PilotError('transfer_failed', 'The peer ended the stream without an answer');
    const text = fromUtf8(answer.payload);
    const parsed = answer.type === DATA_TYPE.text ? parseAnswer(text) : undefined;
    if (parsed?.kind !== 'ack' || parsed.typeName !== dataTypeName(type)) {
      const reason = parsed?.kind === 'err' ? parsed.reason : `it answered "${text.slice(0, 200)}"`;
      throw new PilotError('transfer_failed', `The peer did not store it: ${reason}`, {
        hint: 'try again later, or ask the owner of the peer',
      });
    }
    // The peer has it: how the stream ends changes nothing.
    conn.close().catch(() => conn.abort());
    return text;
  } catch (error) {
    conn.abort();
    throw error;
  }
}
