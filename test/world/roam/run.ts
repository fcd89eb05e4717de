/**
 * Runs one soak: `run.ts --hours 24 --nodes 50 --seed 1`. Exit status 1 when a trusted pair was not back in time or an
 * idle node says too much.
 */
import { parseArgs } from 'node:util';
import { describeLate, report } from './report.ts';
import { BACK_WITHIN, IDLE_RATE, runSoak } from './soak.ts';

const { values } = parseArgs({
  options: {
    hours: { type: 'string', default: '24' },
    nodes: { type: 'string', default: '50' },
    seed: { type: 'string', default: '1' },
    outages: { type: 'string', default: '3' },
    journal: { type: 'boolean', default: false },
  },
});
const startedAt = performance.now();
let journal: readonly string[] = [];
const result = await runSoak({
  seed: values.seed,
  nodes: Number(values.nodes),
  hours: Number(values.hours),
  outages: Number(values.outages),
  onWorld: (pilot) => {
    journal = pilot.journal;
  },
  onHour: (hour, { checks, late }) => console.error(`hour ${hour}: ${checks} pairs back, ${late} late`),
  onLate: (late) => console.error(describeLate(late)),
});
if (values.journal) for (const line of journal) console.log(line);
console.log(report(result, (performance.now() - startedAt) / 1000));
const isQuiet = result.idle.every(({ total }) => total < IDLE_RATE);
const isInTime = result.late.length === 0 && (result.times.at(-1) ?? 0) <= BACK_WITHIN;
process.exitCode = isQuiet && isInTime && result.failures.length === 0 ? 0 : 1;
