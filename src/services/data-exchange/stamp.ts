import { fromUtf8, utf8 } from '../../base/bytes.ts';
import type { UnixMillis } from '../../base/units.ts';

/** Longest file name of common file systems, in bytes. */
const NAME_LIMIT = 255;

/** `YYYYMMDD-HHMMSS.mmm` in local time. spec/21 §2.3 */
export function localStamp(at: UnixMillis): string {
  const date = new Date(at);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${date.getFullYear()}${two(date.getMonth() + 1)}${two(date.getDate())}`;
  const time = `${two(date.getHours())}${two(date.getMinutes())}${two(date.getSeconds())}`;
  return `${day}-${time}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}

/**
 * Name under which a received file is kept: `<stem>-<stamp>-<sequence><ext>`, where `<ext>` begins at the last dot
 * (spec/21 §2.3, spec/23 §3). A long stem is cut so that the file system takes the whole.
 */
export function receivedName(name: string, stamp: string, sequence: number): string {
  const dot = name.lastIndexOf('.');
  const stem = dot < 0 ? name : name.slice(0, dot);
  const ext = dot < 0 ? '' : cutBytes(name.slice(dot), 64);
  const tail = `-${stamp}-${String(sequence).padStart(6, '0')}${ext}`;
  return `${cutBytes(stem, NAME_LIMIT - utf8(tail).length)}${tail}`;
}

/** Name of an inbox record: `<TYPE>-<stamp>-<sequence>.json`. */
export function inboxName(type: string, stamp: string, sequence: number): string {
  return `${type}-${stamp}-${String(sequence).padStart(6, '0')}.json`;
}

/** At most `limit` bytes of UTF-8, never half a character. */
function cutBytes(text: string, limit: number): string {
  const bytes = utf8(text);
  if (bytes.length <= limit) return text;
  let end = Math.max(0, limit);
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--;
  return fromUtf8(bytes.subarray(0, end));
}
