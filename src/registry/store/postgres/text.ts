/**
 * PostgreSQL keeps no zero character, and clients may send one. It travels as two characters: an escape from the
 * private use area and a digit; the escape itself likewise.
 */
const ESCAPE = '\u{e000}';

export function stored(text: string): string {
  if (!text.includes('\0') && !text.includes(ESCAPE)) return text;
  return text.replaceAll(ESCAPE, `${ESCAPE}1`).replaceAll('\0', `${ESCAPE}0`);
}

export function restored(text: string): string {
  if (!text.includes(ESCAPE)) return text;
  return text.replaceAll(`${ESCAPE}0`, '\0').replaceAll(`${ESCAPE}1`, ESCAPE);
}
