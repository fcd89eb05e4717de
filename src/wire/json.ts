/** JSON as peers exchange it: bounded when read, one text per value when written. */
import { fromUtf8Strict, utf8 } from '../base/bytes.ts';

/** Nesting a peer may send. Chosen: no message of ours or of old peers nests deeper than 8. */
export const MAX_JSON_DEPTH = 64;

export type JsonError = 'not_utf8' | 'too_deep' | 'invalid_json';

/** A JSON object as parsed: nothing about its members is known. */
export type JsonObject = { readonly [key: string]: unknown };

/** Parses UTF-8 JSON a peer sent. Depth is bounded so that nobody who walks the value runs out of stack. */
export function parseJson(bytes: Uint8Array): { readonly value: unknown } | JsonError {
  if (nestsDeeper(bytes, MAX_JSON_DEPTH)) return 'too_deep';
  const text = fromUtf8Strict(bytes);
  if (text === undefined) return 'not_utf8';
  try {
    return { value: JSON.parse(text) };
  } catch {
    return 'invalid_json';
  }
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Canonical text: keys sorted by code unit, no spaces, members that are undefined left out. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item ?? null)).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null);
  const object = value as JsonObject;
  const members: string[] = [];
  for (const key of Object.keys(object).sort()) {
    if (object[key] !== undefined) members.push(`${JSON.stringify(key)}:${canonicalJson(object[key])}`);
  }
  return `{${members.join(',')}}`;
}

/** Escapes `<`, `>`, `&` and the two line separators, as old peers write JSON. Changes only the inside of strings. */
export function escapeHtml(json: string): string {
  return json.replace(/[<>&\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** UTF-8 of `canonicalJson`, escaped as old peers do. */
export function encodeJson(value: unknown): Uint8Array {
  return utf8(escapeHtml(canonicalJson(value)));
}

function nestsDeeper(bytes: Uint8Array, limit: number): boolean {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!;
    if (inString) {
      if (byte === 0x5c) i++;
      else if (byte === 0x22) inString = false;
    } else if (byte === 0x22) inString = true;
    else if (byte === 0x5b || byte === 0x7b) {
      if (++depth > limit) return true;
    } else if (byte === 0x5d || byte === 0x7d) depth--;
  }
  return false;
}
