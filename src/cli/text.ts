import type { Millis, UnixMillis } from '../base/units.ts';

/**
 * Makes text from other people safe to show: control characters, which could move the cursor or run terminal
 * commands, become visible escapes. Line breaks and tabs stay.
 */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what this removes
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return code === 13 ? '' : `\\u${code.toString(16).padStart(4, '0')}`;
  });
}

/** One line of at most `most` characters, for lists. */
export function preview(text: string, most: number): string {
  const line = printable(text.replace(/\s+/g, ' ').trim());
  return line.length <= most ? line : `${line.slice(0, most - 1)}…`;
}

const SIZES = ['bytes', 'KB', 'MB', 'GB', 'TB'];

/** `14 bytes`, `1.5 MB`; units of 1,000. */
export function formatSize(bytes: number): string {
  let amount = bytes;
  let unit = 0;
  while (amount >= 999.5 && unit < SIZES.length - 1) {
    amount /= 1000;
    unit++;
  }
  if (unit === 0) return bytes === 1 ? '1 byte' : `${bytes} bytes`;
  return `${amount < 10 ? amount.toFixed(1) : Math.round(amount)} ${SIZES[unit]}`;
}

/** `850ms`, `30s`, `2m 5s`, `3h 4m`, `2d 7h`. */
export function formatSpan(millis: Millis): string {
  if (millis > 0 && millis < 1000) return `${Math.round(millis)}ms`;
  const seconds = Math.round(millis / 1000);
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return pair(minutes, 'm', seconds % 60, 's');
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return pair(hours, 'h', minutes % 60, 'm');
  return pair(Math.floor(hours / 24), 'd', hours % 24, 'h');
}

function pair(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large}${largeUnit}` : `${large}${largeUnit} ${small}${smallUnit}`;
}

/** `just now`, `5m ago`. */
export function formatAgo(when: UnixMillis, now: UnixMillis): string {
  const past = now - when;
  return past < 5000 ? 'just now' : `${formatSpan(past - (past % 1000))} ago`;
}

/** `12.53ms` */
export function formatMillis(millis: Millis): string {
  return `${millis < 10 ? millis.toFixed(2) : millis.toFixed(1)}ms`;
}

export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** Columns padded to their widest cell, two spaces apart; no trailing blanks. */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  return [head, ...rows]
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** `Label:  value` lines with the values under each other; undefined values are left out. */
export function formatFields(
  fields: readonly (readonly [string, string | undefined])[],
  indent = '',
): string {
  const shown = fields.filter((field): field is readonly [string, string] => field[1] !== undefined);
  const width = Math.max(0, ...shown.map(([label]) => label.length)) + 1;
  return shown.map(([label, value]) => `${indent}${`${label}:`.padEnd(width)} ${value}`).join('\n');
}
