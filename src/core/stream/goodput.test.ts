/** How much of a link a stream uses, in virtual time: the same figures on every machine. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exchange, type StreamPeer } from './exchange.testkit.ts';
import { OldPeer } from './old-peer.testkit.ts';
import { type LinkConditions, seededRandom } from './streams.testkit.ts';
import { Streams } from './streams.ts';

const MBIT = 1e6;
/** 100 Mbit/s, 50 ms there and back, a queue of one such round trip. */
const WIDE: Partial<LinkConditions> = { delay: 25, rate: 100 * MBIT, queue: 625_000 };

function ours(node: number, label: string): Streams {
  const streams = new Streams({ random: seededRandom(node).fork(label) });
  streams.setNode(node);
  return streams;
}

/** Mbit/s of user data over one stream, opening and closing included. */
function goodput(
  size: number,
  link: Partial<LinkConditions>,
  ends: readonly [StreamPeer, StreamPeer],
): number {
  const plan = {
    sizes: [size, 0],
    writes: [65_536, 1],
    readPauses: [0, 0],
    // An old sender that closes first would cut off what is not acknowledged.
    closes: ['at_end', 'when_received'],
  } as const;
  let done = 0;
  let start = 0;
  const result = exchange(ends, seededRandom(1), link, [plan], 900_000, (on) => {
    start = on.now;
    on.filter = (from, packet, now) => {
      if (from === 0 && packet.payload.length > 100) done = now;
      return true;
    };
  });
  assert.deepEqual(result.received, [[0, size]]);
  return (size * 8) / 1000 / (done + 2 * (link.delay ?? 0) - start);
}

const cases: readonly [name: string, least: number, size: number, link: Partial<LinkConditions>][] = [
  ['a clean link of 100 Mbit/s and 50 ms', 80, 30e6, WIDE],
  ['1 % loss on 100 Mbit/s and 50 ms', 75, 30e6, { ...WIDE, loss: 0.01 }],
  ['3 % loss on 100 Mbit/s and 50 ms', 45, 20e6, { ...WIDE, loss: 0.03 }],
  ['10 % loss on 100 Mbit/s and 50 ms', 8, 5e6, { ...WIDE, loss: 0.1 }],
  ['reordering on 100 Mbit/s and 50 ms', 75, 30e6, { ...WIDE, reorder: 0.05 }],
  ['10 ms of jitter and 1 % loss on 100 Mbit/s and 50 ms', 55, 30e6, { ...WIDE, loss: 0.01, jitter: 10 }],
  ['a shallow queue on 100 Mbit/s and 50 ms', 50, 30e6, { ...WIDE, queue: 60_000 }],
  ['2 Mbit/s with 64 kB of queue', 1.7, 2e6, { delay: 10, rate: 2 * MBIT, queue: 64_000 }],
  [
    '1 Gbit/s and 10 ms with 0.1 % loss',
    600,
    100e6,
    { delay: 5, rate: 1000 * MBIT, queue: 1e6, loss: 0.001 },
  ],
];

for (const [name, least, size, link] of cases) {
  test(`uses most of ${name}`, (t) => {
    const rate = goodput(size, link, [ours(1, 'a'), ours(2, 'b')]);
    t.diagnostic(`${rate.toFixed(1)} Mbit/s`);
    assert.ok(rate >= least, `${rate.toFixed(1)} Mbit/s`);
  });
}

test('sends to an old peer over a lossy link faster than another old peer would', (t) => {
  const link = { ...WIDE, loss: 0.01 };
  const rate = goodput(5e6, link, [ours(1, 'a'), new OldPeer(2)]);
  const before = goodput(1e6, link, [new OldPeer(1), new OldPeer(2)]);
  t.diagnostic(`${rate.toFixed(1)} Mbit/s instead of ${before.toFixed(1)} Mbit/s`);
  assert.ok(rate > 1.3 * before);
});

test('two streams share a link fairly', (t) => {
  const plan = {
    sizes: [40e6, 0],
    writes: [65_536, 1],
    readPauses: [0, 0],
    closes: ['when_written', 'at_end'],
  } as const;
  const bytes = [0, 0];
  const at: number[][] = [];
  const result = exchange(
    [ours(1, 'a'), ours(2, 'b')],
    seededRandom(3),
    WIDE,
    [plan, plan],
    900_000,
    (on) => {
      on.filter = (from, packet, now) => {
        if (from === 0) bytes[packet.destinationPort - 5000]! += packet.payload.length;
        if (at.length === 0 && now > 4000) at.push([...bytes]);
        if (at.length === 1 && now > 7000) at.push([...bytes]);
        return true;
      };
    },
  );
  assert.deepEqual(result.ends, [
    ['finished', 'finished'],
    ['finished', 'finished'],
  ]);
  const shares = [0, 1].map((stream) => at[1]![stream]! - at[0]![stream]!);
  const share = Math.min(...shares) / (shares[0]! + shares[1]!);
  t.diagnostic(`${(100 * share).toFixed(0)} % for the slower one`);
  assert.ok(share > 0.25);
});
