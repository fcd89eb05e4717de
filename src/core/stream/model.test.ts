import { test } from 'node:test';
import { modelCase, playSeed } from './model.testkit.ts';

/** Thousands are run by `npm run stream-seeds`. */
const SEEDS = Number(process.env.PILOT_SEEDS ?? 80);
/** Each was broken once: a report of bytes of a former stream taken for data, and streams of restarted peers that hung. */
const REMEMBERED = [442, 531, 1122, 2189];

test('whatever happens to link and peers, every byte arrives once and every stream ends', () => {
  for (const seed of [...REMEMBERED, ...Array.from({ length: SEEDS }, (_, i) => 1 + i)]) {
    try {
      playSeed(seed);
    } catch (cause) {
      throw new Error(`Seed ${seed}: ${JSON.stringify(modelCase(seed))}`, { cause });
    }
  }
});
