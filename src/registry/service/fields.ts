/** Reading a request's fields the way old registries do, so that wrong types give the same answers. spec/10 §2.2 */

export type Fields = Readonly<Record<string, unknown>>;

/** 0 unless a number of 0 to 2^32 - 1; fractions are cut. */
export function u32(value: unknown): number {
  return whole(value, 0xffff_ffff);
}
/** 0 unless a number of 0 to 65535; fractions are cut. */
export function u16(value: unknown): number {
  return whole(value, 0xffff);
}
/** Empty unless a string. */
export function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
export function flag(value: unknown): boolean {
  return value === true;
}
/** The strings of a list; other members are skipped. */
export function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

function whole(value: unknown, max: number): number {
  if (typeof value !== 'number' || !(value >= 0 && value <= max)) return 0;
  return Math.trunc(value);
}
