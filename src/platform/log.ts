import pino from 'pino';
import type { Log, LogLevel } from '../runtime/ports.ts';

export interface NodeLogOptions {
  /** Events below this level are dropped. @default 'info' */
  readonly level?: LogLevel;
  /** A file path (created 0600, appended to) or a file descriptor. @default 2 (stderr) */
  readonly destination?: string | number;
  /** Wins over `destination`. Gets one line at a time. */
  readonly stream?: { write(line: string): void };
}

/** One JSON line per event: `level`, `time` (ISO 8601), `event`, then the fields. Written synchronously: a crash loses nothing. */
export function nodeLog(options: NodeLogOptions = {}): Log {
  const stream =
    options.stream ??
    pino.destination({ dest: options.destination ?? 2, sync: true, append: true, mkdir: true, mode: 0o600 });
  const logger = pino(
    {
      level: options.level ?? 'info',
      base: null,
      messageKey: 'event',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    stream,
  );
  return {
    event(level, name, fields) {
      if (!logger.isLevelEnabled(level)) return;
      if (fields === undefined) logger[level](name);
      else logger[level](printable(fields), name);
    },
  };
}

/** Errors and bytes print as nothing useful in JSON; everything else passes. */
function printable(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value instanceof Error) {
      out[name] = { message: value.message, code: (value as { code?: unknown }).code, stack: value.stack };
    } else if (value instanceof Uint8Array) out[name] = Buffer.from(value).toString('hex');
    else out[name] = value;
  }
  return out;
}
