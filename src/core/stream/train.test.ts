/** Packets that come together are answered together. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { add } from '../../base/seq.ts';
import { FLAG_ACK, type Packet } from '../../wire/packet.ts';
import { type Open, OUR_PORT, openIncoming, PEER, PEER_PORT, US } from './solo.testkit.ts';

/** Segments of `length` bytes at `offsets`, as one train. */
function train({ peerSeq, ourSeq }: Open, offsets: readonly number[], length = 1000): Packet[] {
  return offsets.map((offset) => ({
    protocol: 1,
    flags: FLAG_ACK,
    source: { network: 0, node: PEER },
    destination: { network: 0, node: US },
    sourcePort: PEER_PORT,
    destinationPort: OUR_PORT,
    seq: add(peerSeq, offset),
    ack: ourSeq,
    window: 512,
    payload: new Uint8Array(length).fill(offset / length),
  }));
}

const offsets = (count: number) => Array.from({ length: count }, (_, i) => 1000 * i);

test('a train is acknowledged once', () => {
  const open = openIncoming(true);
  const packets = train(open, offsets(40));
  open.solo.streams.handlePackets(packets, packets.length, open.solo.now);
  assert.deepEqual(
    open.solo.take().map(({ ack, payload }) => [ack, payload.length]),
    [[40_001, 0]],
  );
});

test('a train with holes is acknowledged once, with what is missing', () => {
  const open = openIncoming(true);
  const packets = train(open, [0, 1000, 3000, 4000, 6000]);
  open.solo.streams.handlePackets(packets, packets.length, open.solo.now);
  const [only, ...others] = open.solo.take();
  assert.deepEqual([only!.ack, only!.payload.length, others.length], [2001, 5 + 2 * 8, 0]);
});

test('only the named packets of the array count', () => {
  const open = openIncoming(true);
  open.solo.streams.handlePackets(train(open, offsets(4)), 2, open.solo.now);
  assert.equal(open.solo.streams.statusOf(open.conn)!.bytesReceived, 2000);
});

test('an old sender gets an acknowledgment per two segments, in a train too', () => {
  const open = openIncoming(false);
  const packets = train(open, offsets(6));
  open.solo.streams.handlePackets(packets, packets.length, open.solo.now);
  assert.equal(open.solo.take().length, 3);
});

test('a train of acknowledgments makes one burst of data', () => {
  const { solo, conn, ourSeq, peerSeq } = openIncoming(true);
  solo.streams.write(conn, new Uint8Array(100_000), solo.now);
  const first = solo.take().length;
  const acks = [1, 2, 3, 4].map((count) => ({
    ...train({ solo, conn, ourSeq, peerSeq } as Open, [0], 0)[0]!,
    ack: add(ourSeq, 1152 * count),
  }));
  solo.now += 10;
  solo.streams.handlePackets(acks, acks.length, solo.now);
  assert.ok(first >= 10);
  assert.equal(solo.take().length, 8, 'four were acknowledged while the window doubles');
});

test('what was read into a buffer is the same as what was read in chunks', () => {
  const open = openIncoming(true);
  const packets = train(open, offsets(20));
  open.solo.streams.handlePackets(packets, packets.length, open.solo.now);
  const out = new Uint8Array(30_000);
  let at = 100;
  for (const limit of [1, 999, 1500, 100_000]) {
    at += open.solo.streams.readInto(open.conn, out, at, limit, open.solo.now);
  }
  assert.equal(at, 20_100);
  for (let i = 0; i < 20_000; i++) assert.equal(out[100 + i], Math.floor(i / 1000));
  assert.equal(open.solo.streams.readInto(open.conn, out, 0, 1000, open.solo.now), 0);
});

test("the memory of a train is the caller's again once it was handed over, in order or not", () => {
  const open = openIncoming(true, { initialReceiveBuffer: 1 << 20 });
  const bytes = new Uint8Array(60 * 1024);
  const [model] = train(open, [0]);
  const order = Array.from({ length: 600 }, (_, i) => (i % 7 === 3 ? i + 1 : i % 7 === 4 ? i - 1 : i));
  for (const i of order) {
    bytes.fill(i & 0xff);
    const packet = { ...model!, seq: add(open.peerSeq, 1000 * i), payload: bytes.subarray(7, 1007) };
    open.solo.streams.handlePackets([packet], 1, open.solo.now);
  }
  bytes.fill(0xee);
  let at = 0;
  for (;;) {
    const chunk = open.solo.streams.read(open.conn, open.solo.now, 1700);
    if (chunk === undefined) break;
    for (const byte of chunk) assert.equal(byte, Math.floor(at++ / 1000) & 0xff, `byte ${at}`);
  }
  assert.equal(at, 600_000);
});
