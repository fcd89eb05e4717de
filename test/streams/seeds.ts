/**
 * Random lives of streams: `npm run stream-seeds -- --from 1 --count 10000`. Prints the seeds that broke a promise, with
 * what they stand for; exit status 1 when there were any.
 */
import { parseArgs } from 'node:util';
import { modelCase, playSeed } from '../../src/core/stream/model.testkit.ts';

const { values } = parseArgs({
  options: { from: { type: 'string', default: '1' }, count: { type: 'string', default: '10000' } },
});
const from = Number(values.from);
const count = Number(values.count);
const kinds: Record<string, number> = {};
let broken = 0;
for (let seed = from; seed < from + count; seed++) {
  try {
    const { kind } = playSeed(seed);
    kinds[kind] = (kinds[kind] ?? 0) + 1;
  } catch (error) {
    broken++;
    console.log(`seed ${seed}: ${error instanceof Error ? error.message : error}`);
    console.log(JSON.stringify(modelCase(seed)));
  }
}
console.log(`${count - broken} of ${count} seeds kept every promise: ${JSON.stringify(kinds)}`);
process.exitCode = broken === 0 ? 0 : 1;
