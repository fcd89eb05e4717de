import { PilotError } from '../../api/errors.ts';
import type { Conn } from '../../api/stream.ts';
import type { Crypto } from '../../base/crypto.ts';
import type { Bytes } from '../../base/units.ts';
import { DATA_FRAME_LIMIT, DATA_TYPE, encodeFilePayload, fileNameError } from '../../wire/data-exchange.ts';
import { hashSource, streamFile } from './file-sender.ts';
import type { FileSource } from './file-source.ts';
import { type FrameContext, sendFrame } from './frame-sender.ts';

/** spec/21 §2 */
export const DATA_EXCHANGE_PORT = 1001;

export interface Progress {
  /** `hashing` reads the source once before anything is sent; `sending` counts what the peer has acknowledged. */
  readonly phase: 'hashing' | 'sending';
  readonly bytes: Bytes;
  readonly total: Bytes;
}

export interface SendContext extends FrameContext {
  readonly crypto: Crypto;
  /** Opens a stream to port 1001 of the peer. */
  readonly dial: () => Promise<Conn>;
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
  const frame = { type: DATA_TYPE.file, payload: encodeFilePayload(source.name, data) };
  const conn = await context.dial();
  try {
    const sent = await sendFrame(context, conn, frame, {
      onWritten: (bytes) =>
        options.onProgress?.({ phase: 'sending', bytes: Math.max(0, bytes - overhead), total: source.size }),
    });
    if (sent === undefined)
      throw new PilotError('transfer_failed', 'The peer ended the stream without an answer');
    // The peer has it: how the stream ends changes nothing.
    conn.close().catch(() => conn.abort());
    return { transport: 'frame', bytes: source.size, sha256, resumedFrom: 0, ack: sent.ack };
  } catch (error) {
    conn.abort();
    throw error;
  }
}
