import { randomBytes, randomFillSync } from 'node:crypto';
import type { Random } from '../base/random.ts';

/** Small draws come from a pool: one call into the CSPRNG costs as much for 4 bytes as for 4096. */
const POOL_BYTES = 4096;
const LARGEST_POOLED = 64;

/** The operating system's CSPRNG. `fork` returns the same source: independent streams are a need of seeded ones. */
export function nodeRandom(): Random {
  const pool = Buffer.allocUnsafeSlow(POOL_BYTES);
  let used = POOL_BYTES;

  /** Reserves `length` fresh pool bytes and returns where they start. */
  function take(length: number): number {
    if (used + length > POOL_BYTES) {
      randomFillSync(pool);
      used = 0;
    }
    const start = used;
    used += length;
    return start;
  }
  function u32(): number {
    return pool.readUInt32LE(take(4));
  }
  const random: Random = {
    bytes(length) {
      if (length > LARGEST_POOLED) return new Uint8Array(randomBytes(length));
      const start = take(length);
      const out = new Uint8Array(length);
      out.set(pool.subarray(start, start + length));
      pool.fill(0, start, start + length);
      return out;
    },
    u32,
    below(limit) {
      if (!(limit >= 1 && limit <= 0x1_0000_0000)) throw new RangeError(`limit out of range: ${limit}`);
      const unbiased = 0x1_0000_0000 - (0x1_0000_0000 % limit);
      let draw = u32();
      while (draw >= unbiased) draw = u32();
      return draw % limit;
    },
    fraction() {
      return ((u32() >>> 5) * 0x400_0000 + (u32() >>> 6)) / 0x20_0000_0000_0000;
    },
    fork: () => random,
  };
  return random;
}
