/**
 * One stream of many gigabytes through two engines in virtual time, over a link that loses, repeats and reorders: each
 * byte is compared, and the sequence numbers wrap every 4.3 GB. Run: npm run long-stream [-- --gigabytes 24]
 */
import { runLongStream } from '../../src/core/stream/long-stream.testkit.ts';

const at = process.argv.indexOf('--gigabytes');
const gigabytes = at < 0 ? 24 : Number(process.argv[at + 1]);
const began = performance.now();
let told = 0;
const { packets, took } = runLongStream({
  bytes: gigabytes * 1e9,
  start: 2 ** 32 - 1_000_000,
  segment: 60_000,
  seed: Number(process.env.PILOT_SEED ?? 1),
  conditions: {
    delay: 1,
    jitter: 0.5,
    loss: 0.001,
    duplicate: 0.001,
    reorder: 0.001,
    rate: 10e9,
    queue: 32e6,
  },
  progress: (done) => {
    if (done < told + 1e9) return;
    told += 1e9;
    console.log(`${told / 1e9} GB, every byte right`);
  },
});
const seconds = (performance.now() - began) / 1000;
console.log(
  `${gigabytes} GB in ${packets} packets: ${(took / 1000).toFixed(0)} s of virtual time, ${seconds.toFixed(0)} s here`,
);
