import { PilotError } from '../../api/errors.ts';
import type { Conn } from '../../api/stream.ts';
import type { Crypto } from '../../base/crypto.ts';
import type { Bytes, Millis } from '../../base/units.ts';
import type { Abort, Clock } from '../../runtime/ports.ts';
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
  readonly signal?: Abort;
  /** How long to wait for each acknowledgement. @default 60000 */
  readonly timeout?: Millis;
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

/** Sends one message and waits for its acknowledgement, whose text it returns. Errors: `transfer_failed`, `timeout`, `too_large`. */
export function sendMessage(
  _context: SendContext,
  _message: { readonly type: MessageType; readonly data: Uint8Array },
): Promise<string> {
  return Promise.reject(new PilotError('unavailable', 'Cannot send yet'));
}

/** Sends a file with type 7, or type 4 when the peer is old. Errors: `transfer_failed`, `disk_full`, `timeout`, `cancelled`, `too_large`. */
export function sendFile(
  _context: SendContext,
  _source: FileSource,
  _options: { readonly onProgress?: (progress: Progress) => void } = {},
): Promise<FileSent> {
  return Promise.reject(new PilotError('unavailable', 'Cannot send yet'));
}
