import { PilotError } from '../api/errors.ts';
import type { Conn } from '../api/stream.ts';
import { concat, fromUtf8Strict } from '../base/bytes.ts';
import type { Millis } from '../base/units.ts';
import type { Clock } from '../runtime/ports.ts';
import { encodeBase64 } from '../wire/base64.ts';

/** Silence after which what has arrived counts as one message. */
const PAUSE: Millis = 250;

/**
 * The next message of a stream that has no framing: everything from the first byte until the peer pauses or ends,
 * at most `limit` bytes. Empty when the peer ended without a byte.
 */
export async function readMessage(conn: Conn, clock: Clock, limit: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  let next = conn.read();
  for (;;) {
    const chunk = length === 0 ? await next : await within(next, clock, PAUSE);
    if (chunk === undefined) break;
    chunks.push(chunk);
    length += chunk.length;
    if (length > limit) {
      conn.abort();
      throw new PilotError('too_large', `The peer sent more than ${limit} bytes`, {
        hint: 'large data travels better with: pilotctl send-file',
      });
    }
    next = conn.read();
  }
  // The read left open by a pause ends with the stream.
  next.catch(() => {});
  return concat(...chunks);
}

function within<T>(promise: Promise<T>, clock: Clock, time: Millis): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const timer = clock.at(clock.now() + time, () => resolve(undefined));
    promise.then(
      (value) => {
        timer.cancel();
        resolve(value);
      },
      (error) => {
        timer.cancel();
        reject(error);
      },
    );
  });
}

/** Bytes as JSON members: text under `name` when they are valid UTF-8, else base64 under `name_b64`. */
export function dataFields(name: string, bytes: Uint8Array): Record<string, string> {
  const text = fromUtf8Strict(bytes);
  return text === undefined ? { [`${name}_b64`]: encodeBase64(bytes) } : { [name]: text };
}
