/** Segments as large as the path carries, towards peers that take any cut. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8 } from '../../base/bytes.ts';
import { exchange, type Plan } from './exchange.testkit.ts';
import { openDialed } from './solo.testkit.ts';
import { type Link, seededRandom } from './streams.testkit.ts';
import { Streams } from './streams.ts';

const US = 1;
const PEER = 2;

function lengths(packets: readonly { readonly payload: Uint8Array }[]): number[] {
  return packets.map(({ payload }) => payload.length);
}

/** One way, 3 MB; `during` may change what the link carries. Returns the time it took and the largest payload seen. */
function transfer(
  during: (link: Link, streams: readonly [Streams, Streams]) => void,
  onSuspectSize?: (streams: Streams, bytes: number, now: number) => void,
): { readonly elapsed: number; readonly packets: number } {
  const random = seededRandom(7);
  const ours: Streams = new Streams({
    random: random.fork('a'),
    onSuspectSize: (_node, bytes, now) => onSuspectSize?.(ours, bytes, now),
  });
  const peers = [ours, new Streams({ random: random.fork('b') })] as const;
  peers[0].setNode(US);
  peers[1].setNode(PEER);
  const plan: Plan = {
    sizes: [3_000_000, 1000],
    writes: [100_000, 100],
    readPauses: [0, 0],
    closes: ['when_written', 'at_end'],
  };
  const result = exchange(
    peers,
    random,
    { delay: 10, rate: 100e6, queue: 500_000 },
    [plan],
    120_000,
    (link) => during(link, peers),
  );
  assert.deepEqual(result.received, [[1000, 3_000_000]]);
  assert.deepEqual(result.ends, [['finished', 'finished']]);
  return result;
}

/** The link loses what is larger than `limit`. */
function carriesOnly(link: Link, limit: number): void {
  link.filter = (_from, { payload }) => payload.length <= limit;
}

test('streams with our own peers fill packets as large as their path carries', () => {
  const { solo, conn } = openDialed(true);
  solo.streams.setSegmentLimit(PEER, 8000, solo.now);
  solo.streams.write(conn, new Uint8Array(11_000), solo.now);
  assert.deepEqual(lengths(solo.take()), [8000, 3000]);
});

test('a stream that opens later begins with what the path carries', () => {
  const { packets } = transfer((_link, [a]) => a.setSegmentLimit(PEER, 20_000, 0));
  assert.ok(packets < 600, `${packets} packets`);
});

test('old peers get segments of the size they know', () => {
  const { solo, conn } = openDialed(false);
  solo.streams.setSegmentLimit(PEER, 8000, solo.now);
  solo.streams.write(conn, new Uint8Array(3000), solo.now);
  assert.deepEqual(lengths(solo.take()), [1152, 1152, 696]);
});

test('what is under way is cut again when the path shrinks', () => {
  const { solo, conn, ourSeq, give } = openDialed(true);
  solo.streams.setSegmentLimit(PEER, 8000, solo.now);
  solo.streams.write(conn, new Uint8Array(10_000), solo.now);
  solo.take();
  solo.streams.setSegmentLimit(PEER, 3000, solo.now);
  const again = solo.take();
  assert.deepEqual(lengths(again), [3000, 3000, 2000]);
  assert.equal(again[0]!.seq, ourSeq);
  assert.deepEqual(lengths(give({ ack: (ourSeq + 10_000) >>> 0 })), []);
  assert.equal(solo.streams.statusOf(conn)!.inFlight, 0);
});

test('pieces are never what a receiver takes for SACK', () => {
  const { solo, conn } = openDialed(true);
  solo.streams.setSegmentLimit(PEER, 8000, solo.now);
  const data = new Uint8Array(6000);
  data.set(utf8('SACK'), 3000);
  data[3004] = 1;
  solo.streams.write(conn, data, solo.now);
  assert.deepEqual(lengths(solo.take()), [6000]);
  solo.streams.setSegmentLimit(PEER, 3000, solo.now);
  assert.deepEqual(lengths(solo.take()), [3000, 4, 2996]);
});

test('a transfer goes on when the path shrinks and that is known', () => {
  const { elapsed } = transfer((link, [a]) => {
    a.setSegmentLimit(PEER, 20_000, 0);
    link.at(link.now + 150, () => carriesOnly(link, 1300));
    link.at(link.now + 400, () => a.setSegmentLimit(PEER, 1300, link.now));
  });
  assert.ok(elapsed < 1500, `${elapsed} ms`);
});

test('a transfer goes on when the path shrinks and nobody says so', () => {
  const suspected: number[] = [];
  const { elapsed } = transfer(
    (link, [a]) => {
      a.setSegmentLimit(PEER, 20_000, 0);
      link.at(link.now + 150, () => carriesOnly(link, 1300));
    },
    (_streams, bytes) => suspected.push(bytes),
  );
  assert.deepEqual(suspected, [20_000]);
  assert.ok(elapsed < 3000, `${elapsed} ms`);
});

test('large segments are used again when the suspicion proves wrong', () => {
  const { solo, conn, ourSeq, give } = openDialed(true);
  solo.streams.setSegmentLimit(PEER, 8000, solo.now);
  solo.streams.write(conn, new Uint8Array(8000), solo.now);
  assert.deepEqual(lengths(solo.take()), [8000]);
  const repeated = lengths(solo.wait(2000));
  assert.ok(repeated.includes(1152), `${repeated}`);
  give({ ack: (ourSeq + 8000) >>> 0 });
  solo.streams.setSegmentLimit(PEER, 8000, solo.now);
  solo.streams.write(conn, new Uint8Array(8000), solo.now);
  assert.deepEqual(lengths(solo.take()), [8000]);
});

test('a window smaller than a segment is used all the same', () => {
  const random = seededRandom(3);
  const small = { initialReceiveBuffer: 16_384, receiveBuffer: 16_384 };
  const peers = [
    new Streams({ random: random.fork('a') }),
    new Streams({ random: random.fork('b'), config: small }),
  ] as const;
  peers[0].setNode(US);
  peers[1].setNode(PEER);
  peers[0].setSegmentLimit(PEER, 60_000, 0);
  const plan: Plan = {
    sizes: [300_000, 0],
    writes: [65_536, 1],
    readPauses: [0, 20],
    closes: ['when_written', 'at_end'],
  };
  const result = exchange(peers, random, { delay: 5 }, [plan], 30_000);
  assert.deepEqual(result.received, [[0, 300_000]]);
  assert.ok(result.elapsed < 3000, `${result.elapsed} ms`);
});
