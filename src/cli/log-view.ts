import { fromUtf8 } from '../base/bytes.ts';
import type { ReadableFile } from './host.ts';
import { printable } from './text.ts';

/** The longest end of a log that is searched for its last lines, bytes. */
const TAIL = 4 * 1024 * 1024;

/** The last lines of a log that is `file.size` long. */
export async function lastLines(file: ReadableFile, count: number): Promise<string[]> {
  const from = Math.max(0, file.size - TAIL);
  const text = fromUtf8(await file.read(from, file.size - from));
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.slice(-count);
}

/** A JSON line of the log for people: time, level, event, fields. Other lines pass as they are. */
export function formatLogLine(line: string, localTime: (when: number) => string): string {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    return printable(line);
  }
  if (typeof parsed !== 'object' || parsed === null) return printable(line);
  const { time, level, event, ...fields } = parsed as Record<string, unknown>;
  if (typeof time !== 'string' || typeof level !== 'string') return printable(line);
  const shown = Object.entries(fields).map(
    ([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  return printable(
    [localTime(Date.parse(time)), level.toUpperCase().padEnd(5), String(event), ...shown].join(' '),
  );
}
