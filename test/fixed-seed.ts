/**
 * Loaded before every test file by `npm test`: properties are tried with the numbers of one seed, so that a run can be
 * repeated. Another seed looks elsewhere: `PILOT_SEED=7 npm test`.
 */
import { readFileSync } from 'node:fs';

const file = process.argv[1];
// The library takes a tenth of a second to load, and most files have no property.
if (file !== undefined && /fast-check|\.testkit\.js/.test(readFileSync(file, 'utf8'))) {
  const { default: fc } = await import('fast-check');
  fc.configureGlobal({ seed: Number(process.env.PILOT_SEED ?? 1) });
}
