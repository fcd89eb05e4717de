import type { Random } from '../../base/random.ts';

/**
 * A seeded generator (xoshiro128**, Blackman & Vigna). A fork depends only on the parent's name and the label,
 * never on how much the parent has drawn, so one new draw somewhere shifts nothing elsewhere.
 */
export function seededRandom(name: string): Random {
  let [a, b, c, d] = digest(name);

  function u32(): number {
    const product = Math.imul(b, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = (d << 11) | (d >>> 21);
    return result;
  }
  return {
    u32,
    bytes(length) {
      const out = new Uint8Array(length);
      for (let at = 0; at < length; at += 4) {
        const word = u32();
        out[at] = word;
        if (at + 1 < length) out[at + 1] = word >>> 8;
        if (at + 2 < length) out[at + 2] = word >>> 16;
        if (at + 3 < length) out[at + 3] = word >>> 24;
      }
      return out;
    },
    below(limit) {
      if (!(limit >= 1 && limit <= 0x1_0000_0000)) throw new RangeError(`limit out of range: ${limit}`);
      const unbiased = 0x1_0000_0000 - (0x1_0000_0000 % limit);
      let draw = u32();
      while (draw >= unbiased) draw = u32();
      return draw % limit;
    },
    fraction: () => ((u32() >>> 5) * 0x400_0000 + (u32() >>> 6)) / 0x20_0000_0000_0000,
    fork: (label) => seededRandom(`${name}/${label}`),
  };
}

/** True with the given probability. Draws once whatever the probability, so changing one leaves later draws alone. */
export function chance(random: Random, probability: number): boolean {
  return random.fraction() < probability;
}

/** A number from `low` to `high`. */
export function between(random: Random, low: number, high: number): number {
  return low + random.fraction() * (high - low);
}

export function pick<T>(random: Random, choices: readonly T[]): T {
  if (choices.length === 0) throw new RangeError('nothing to pick from');
  return choices[random.below(choices.length)]!;
}

/** Four well-mixed words of a text: four FNV-1a lanes with different offsets, finished as in MurmurHash3. */
function digest(text: string): [number, number, number, number] {
  const lanes: [number, number, number, number] = [0x811c9dc5, 0x9e3779b9, 0x85ebca6b, 0xc2b2ae35];
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    for (let lane = 0; lane < 4; lane++)
      lanes[lane] = Math.imul(lanes[lane]! ^ (unit + lane * 0x1003f), 0x01000193);
  }
  for (let lane = 0; lane < 4; lane++) {
    let h = lanes[lane]! ^ lanes[(lane + 1) & 3]!;
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    lanes[lane] = h ^ (h >>> 16);
  }
  // All-zero is the one state the generator cannot leave.
  if ((lanes[0] | lanes[1] | lanes[2] | lanes[3]) === 0) lanes[0] = 1;
  return lanes;
}
