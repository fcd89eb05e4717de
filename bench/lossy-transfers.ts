/**
 * Transfers one after another over a path that loses packets: every one must arrive whole. Linux and root.
 * Run: node dist/bench/lossy-transfers.js [--count 100] [--megabytes 20] [--loss 5] [--round-trip 30]
 */
import { median, percentile } from './measure.ts';
import { flag, number } from './options.ts';
import { ShapedPath, whyNoShapedPath } from './shaped-path.ts';

const count = number('count', flag('short') ? 3 : 100);
const megabytes = number('megabytes', flag('short') ? 2 : 20);
const loss = number('loss', 5) / 100;
const roundTrip = number('round-trip', 30);

const reason = whyNoShapedPath();
if (reason !== undefined) {
  console.log(`Not measured: ${reason}`);
  process.exit(0);
}
const path = new ShapedPath();
try {
  const pilot = await path.pilot();
  path.set(roundTrip, loss);
  const rates: number[] = [];
  let lost = 0;
  for (let i = 0; i < count; i++) {
    try {
      const { megabytesPerSecond } = await pilot.bulk(megabytes * 1_000_000);
      rates.push(megabytesPerSecond * 8);
    } catch (error) {
      lost++;
      console.log(`transfer ${i + 1}: ${error instanceof Error ? error.message : error}`);
    }
    await pilot.drop();
  }
  console.log(
    `${rates.length} of ${count} transfers of ${megabytes} MB at ${loss * 100} % loss and ${roundTrip} ms arrived, ${lost} lost; Mbit/s: median ${median(rates).toFixed(1)}, slowest ${Math.min(...rates).toFixed(1)}, 90 % above ${percentile(rates, 0.1).toFixed(1)}`,
  );
  if (lost > 0) process.exitCode = 1;
} finally {
  await path.down();
}
process.exit();
