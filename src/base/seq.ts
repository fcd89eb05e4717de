/** Sequence-number arithmetic modulo 2^32 (spec/03, RFC 9293 §3.4). The only place that compares sequence numbers. */
export type Seq = number & { readonly __unit?: 'Seq' };

/** True when `a` comes after `b`. */
export function after(a: Seq, b: Seq): boolean {
  return ((a - b) | 0) > 0;
}
/** True when `a` comes before `b`. */
export function before(a: Seq, b: Seq): boolean {
  return ((a - b) | 0) < 0;
}
/** `a + n` modulo 2^32. */
export function add(a: Seq, n: number): Seq {
  return (a + n) >>> 0;
}
/** Signed distance `a - b`. */
export function distance(a: Seq, b: Seq): number {
  return (a - b) | 0;
}
