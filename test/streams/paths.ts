/**
 * How much of a path one stream uses, how streams share one, and how long they make others wait: `npm run stream-paths`.
 * Virtual time, so the figures are the same on every machine.
 */
import { type DumbbellResult, dumbbell, type Flow, jain } from '../../src/core/stream/dumbbell.testkit.ts';
import type { LinkConditions } from '../../src/core/stream/streams.testkit.ts';

const RATE = 100e6;
const ROUND_TRIPS = [1, 30, 100, 300];
const LOSSES = [0, 0.005, 0.02, 0.05];
const CONTROLLERS = (process.env.CONTROLLERS ?? 'tolerant,bbr,cubic').split(',') as never[];
const SECONDS = Number(process.env.SECONDS ?? 15);

function path(roundTrip: number, loss = 0, queue = 1): Partial<LinkConditions> {
  return { delay: roundTrip / 2, rate: RATE, loss, queue: (queue * Math.max(20, roundTrip) * RATE) / 8000 };
}

function share(result: DumbbellResult, flow: number, from: number): number {
  const { received } = result.flows[flow]!;
  return received.at(-1)! - received[from]!;
}

for (const congestion of CONTROLLERS) {
  const flow: Flow = { config: { congestion } };
  console.log(`\n${congestion}: Mbit/s (mean queueing ms / repeated %)`);
  for (const queue of [1, 0.25]) {
    for (const roundTrip of ROUND_TRIPS) {
      const cells = LOSSES.map((loss) => {
        const run = dumbbell([flow], path(roundTrip, loss, queue), SECONDS * 1000);
        const mbit = (run.flows[0]!.received.at(-1)! * 8) / 1e6 / SECONDS;
        const again = (100 * run.flows[0]!.retransmits) / run.flows[0]!.segments;
        return `${mbit.toFixed(1).padStart(6)} (${run.queueMean.toFixed(0)}/${again.toFixed(1)})`.padEnd(18);
      });
      console.log(`${queue} queue ${String(roundTrip).padStart(4)} ms  ${cells.join('')}`);
    }
  }
  const alone = dumbbell(Array(8).fill(flow), path(30), 30_000);
  const staggered = dumbbell(
    Array.from({ length: 8 }, (_, i) => ({ ...flow, from: 2000 * i })),
    path(30),
    60_000,
  );
  const eight = (run: DumbbellResult, from: number) => jain(run.flows.map((_, i) => share(run, i, from)));
  console.log(
    `8 streams, Jain: ${eight(alone, 4).toFixed(3)}, started one by one ${eight(staggered, 29).toFixed(3)}`,
  );
  for (const queue of [0.5, 1, 2]) {
    const mixed = dumbbell([flow, { config: { congestion: 'cubic' as never } }], path(30, 0, queue), 60_000);
    const [ours, theirs] = [share(mixed, 0, 9), share(mixed, 1, 9)];
    console.log(`beside one CUBIC, queue ${queue}: ${((100 * ours) / (ours + theirs)).toFixed(0)} %`);
  }
}
