import type { UnixMillis } from '../../base/units.ts';

/** RFC 3339 in UTC, whole seconds, as old registries print times. */
export function rfc3339(at: UnixMillis): string {
  return `${new Date(at).toISOString().slice(0, 19)}Z`;
}

/** Milliseconds of an RFC 3339 time, or undefined. */
export function parseRfc3339(text: string): UnixMillis | undefined {
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/.test(text)) return undefined;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : at;
}

export function unixSeconds(at: UnixMillis): number {
  return Math.floor(at / 1000);
}

/** Whole days since the key was made or last rotated. */
export function keyAgeDays(
  node: { readonly keyCreatedAt: UnixMillis; readonly keyRotatedAt: UnixMillis | undefined },
  at: UnixMillis,
): number {
  return Math.max(0, Math.floor((at - (node.keyRotatedAt ?? node.keyCreatedAt)) / 86_400_000));
}
