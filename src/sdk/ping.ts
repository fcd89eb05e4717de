import { asPilotError } from '../api/errors.ts';
import type { Millis } from '../base/units.ts';
import type { PingReply } from '../ipc/methods.ts';
import type { Abort, Clock } from '../runtime/ports.ts';

export interface PingOptions {
  /** @default 4 */
  readonly count?: number;
  /** From the start of one ping to the start of the next. @default 1000 */
  readonly interval?: Millis;
  /** For each ping. @default 5000 */
  readonly timeout?: Millis;
  readonly signal?: Abort;
  /** Called after each ping. */
  readonly onResult?: (result: PingResult) => void;
}

export type PingResult =
  | ({ readonly seq: number; readonly ok: true } & PingReply)
  | { readonly seq: number; readonly ok: false; readonly code: string; readonly message: string };

export interface PingSummary {
  readonly sent: number;
  readonly received: number;
  /** Milliseconds; null when nothing was received. */
  readonly min_ms: number | null;
  readonly avg_ms: number | null;
  readonly max_ms: number | null;
  readonly results: readonly PingResult[];
}

/** Sends pings one after another. Only a lost ping (`timeout`) lets the series go on. */
export async function pingSeries(
  once: (timeout: Millis, signal: Abort | undefined) => Promise<PingReply>,
  clock: Clock,
  options: PingOptions,
): Promise<PingSummary> {
  const { count = 4, interval = 1000, timeout = 5000, signal } = options;
  const results: PingResult[] = [];
  for (let seq = 1; seq <= count; seq++) {
    const next = clock.now() + interval;
    let result: PingResult;
    try {
      result = { seq, ok: true, ...(await once(timeout, signal)) };
    } catch (thrown) {
      const error = asPilotError(thrown);
      if (error.code !== 'timeout') throw error;
      result = { seq, ok: false, code: error.code, message: error.message };
    }
    results.push(result);
    options.onResult?.(result);
    const wait = next - clock.now();
    if (seq < count && wait > 0) await clock.sleep(wait, signal);
  }
  const times = results.flatMap((result) => (result.ok ? [result.rtt_ms] : []));
  const total = times.reduce((sum, time) => sum + time, 0);
  const any = times.length > 0;
  return {
    sent: results.length,
    received: times.length,
    min_ms: any ? Math.min(...times) : null,
    avg_ms: any ? total / times.length : null,
    max_ms: any ? Math.max(...times) : null,
    results,
  };
}
