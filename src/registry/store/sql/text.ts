import type { Row } from '../steps.ts';

/**
 * PostgreSQL keeps no zero character, the library of the embedded store hands out nothing behind one, and clients may
 * send one. It travels as two characters: an escape from the
 * private use area and a digit; the escape itself likewise.
 */
const ESCAPE = '\u{e000}';

export function stored(text: string): string {
  if (!text.includes('\0') && !text.includes(ESCAPE)) return text;
  return text.replaceAll(ESCAPE, `${ESCAPE}1`).replaceAll('\0', `${ESCAPE}0`);
}

/** A row as it was before its texts were stored. */
export function restoredRow(row: Record<string, unknown>): Row {
  for (const column in row) {
    const value = row[column];
    if (typeof value === 'string' && value.includes(ESCAPE)) row[column] = restored(value);
  }
  return row;
}

export function restored(text: string): string {
  if (!text.includes(ESCAPE)) return text;
  return text.replaceAll(`${ESCAPE}0`, '\0').replaceAll(`${ESCAPE}1`, ESCAPE);
}
