/** Source of randomness. Forks are independent streams by label, so that one new draw does not shift all others. */
export interface Random {
  /** `length` unpredictable bytes. */
  bytes(length: number): Uint8Array;
  /** A number of 0 to 2^32 - 1. */
  u32(): number;
  /** A whole number of 0 to `limit` - 1. `limit` is 1 to 2^32. */
  below(limit: number): number;
  /** A fraction of 0 (inclusive) to 1 (exclusive). */
  fraction(): number;
  /** An independent stream. Equal labels of equal parents give equal streams in the seeded generator. */
  fork(label: string): Random;
}
