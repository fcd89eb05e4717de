import { PilotError } from '../api/errors.ts';
import type { Conn } from '../api/stream.ts';
import type { Bytes, Millis } from '../base/units.ts';
import type { Abort, Clock } from '../runtime/ports.ts';

export interface BenchOptions {
  /** @default 8388608 */
  readonly bytes?: Bytes;
  /** For the dial. @default 30000 */
  readonly timeout?: Millis;
  readonly signal?: Abort;
  readonly onProgress?: (progress: { sent: Bytes; received: Bytes; total: Bytes }) => void;
}

export interface BenchResult {
  readonly bytes: Bytes;
  /** From the first byte sent to the last byte back. */
  readonly duration_ms: Millis;
  /** Bytes out and back counted once. */
  readonly mb_per_second: number;
  readonly send_duration_ms: Millis;
}

const BLOCK = 64 * 1024;

/** Sends a known pattern through an echo service and verifies every byte that comes back. */
export async function benchEcho(conn: Conn, clock: Clock, options: BenchOptions): Promise<BenchResult> {
  const total = options.bytes ?? 8 * 1024 * 1024;
  const block = new Uint8Array(BLOCK);
  for (let i = 0; i < BLOCK; i++) block[i] = (i * 31 + (i >> 8)) & 0xff;
  const abort = (): void => conn.abort();
  options.signal?.addEventListener('abort', abort);
  const started = clock.now();
  let sent = 0;
  let received = 0;
  let sendDone = started;
  const report = (): void => options.onProgress?.({ sent, received, total });

  async function send(): Promise<void> {
    while (sent < total) {
      const part = block.subarray(0, Math.min(BLOCK, total - sent));
      await conn.write(part);
      sent += part.length;
      report();
    }
    sendDone = clock.now();
  }
  async function receive(): Promise<void> {
    while (received < total) {
      const chunk = await conn.read();
      if (chunk === undefined) {
        throw new PilotError('connection_failed', `The echo ended after ${received} of ${total} bytes`);
      }
      for (let i = 0; i < chunk.length; i++) {
        if (chunk[i] !== block[(received + i) % BLOCK]) {
          throw new PilotError(
            'protocol_error',
            `The echo differs from what was sent at byte ${received + i}`,
          );
        }
      }
      received += chunk.length;
      report();
    }
  }
  try {
    await Promise.all([send(), receive()]);
    const duration = clock.now() - started;
    await conn.close();
    return {
      bytes: total,
      duration_ms: duration,
      mb_per_second: total / 1e6 / Math.max(duration / 1000, 1e-6),
      send_duration_ms: sendDone - started,
    };
  } catch (error) {
    conn.abort();
    if (options.signal?.aborted) throw new PilotError('cancelled', 'Cancelled: bench');
    throw error;
  } finally {
    options.signal?.removeEventListener('abort', abort);
  }
}
