/** Peers that send anything: nothing throws, nothing grows, nothing answers for ever. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { utf8 } from '../../base/bytes.ts';
import { add } from '../../base/seq.ts';
import { FLAG_ACK } from '../../wire/packet.ts';
import { encodeSack } from '../../wire/sack.ts';
import { encodeStreamOptions } from './options.ts';
import { type Open, OUR_PORT, openDialed, openIncoming, PEER_PORT } from './solo.testkit.ts';

/** A sequence number near a chosen point, or anywhere. */
const near = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: -3000, max: 3000 }) },
  { weight: 1, arbitrary: fc.integer() },
);

const payload = fc.oneof(
  fc.constant(new Uint8Array(0)),
  fc.uint8Array({ maxLength: 60 }),
  fc.integer({ min: 1, max: 5000 }).map((length) => new Uint8Array(length)),
  fc
    .array(fc.tuple(near, near), { minLength: 1, maxLength: 4 })
    .map((blocks) => encodeSack(blocks.map(([left, right]) => ({ left: left >>> 0, right: right >>> 0 })))),
  fc.constant(encodeStreamOptions({ largestSegment: 1 })),
);

interface PacketStep {
  readonly kind: 'packet';
  readonly protocol: number;
  readonly flags: number;
  readonly seq: number;
  readonly ack: number;
  readonly window: number;
  readonly payload: Uint8Array;
  /** From a port that no stream is open with. */
  readonly strange: boolean;
}

interface CommandStep {
  readonly kind: 'write' | 'read' | 'close' | 'wait' | 'retry';
  /** Bytes, or ms. */
  readonly size: number;
}

const packet: fc.Arbitrary<PacketStep> = fc.record({
  kind: fc.constant('packet' as const),
  protocol: fc.constantFrom(1, 1, 1, 1, 1, 2, 3, 4),
  flags: fc.oneof(fc.constant(FLAG_ACK), fc.integer({ min: 0, max: 15 })),
  seq: near,
  ack: near,
  window: fc.constantFrom(0, 1, 2, 64, 512, 65_535),
  payload,
  strange: fc.boolean(),
});
const command: fc.Arbitrary<CommandStep> = fc.record({
  kind: fc.constantFrom(
    'write' as const,
    'read' as const,
    'close' as const,
    'wait' as const,
    'retry' as const,
  ),
  size: fc.constantFrom(1, 100, 5000, 200_000),
});

test('random packets and commands in any order neither throw, nor storm, nor grow', () => {
  const steps = fc.array(fc.oneof({ weight: 4, arbitrary: packet }, { weight: 1, arbitrary: command }), {
    maxLength: 150,
  });
  fc.assert(
    fc.property(steps, fc.boolean(), fc.boolean(), (given, dialed, options) => {
      const open = dialed ? openDialed(options) : openIncoming(options);
      const { solo, conn } = open;
      for (const step of given) {
        let sent: number;
        if (step.kind === 'packet') sent = givePacket(open, step).length;
        else sent = run(open, step);
        // A window of ten segments, opened wide by acknowledgments of what was never lost, bounds what one step sends.
        assert.ok(sent < 3000, `${sent} packets for one step`);
        for (const status of solo.streams.status()) {
          assert.ok(status.outOfOrder <= 8192);
          assert.ok(status.inFlight <= 8 * 1024 * 1024);
          assert.ok(status.congestionWindow >= 2 * 256);
        }
      }
      // Left alone, everything comes to its end.
      solo.streams.close(conn, solo.now);
      let sent = solo.wait(700_000).length;
      while (solo.streams.read(conn, solo.now) !== undefined);
      sent += solo.wait(100_000).length;
      assert.ok(sent < 1500, `${sent} packets while nobody answered`);
      assert.deepEqual(
        solo.streams.status().filter(({ id }) => id === conn),
        [],
      );
    }),
    { numRuns: Number(process.env.PILOT_SEEDS ?? 150) },
  );
});

function givePacket({ solo, conn, ourSeq, give }: Open, step: PacketStep): unknown[] {
  const status = solo.streams.statusOf(conn);
  const acked = add(ourSeq, step.ack + (status?.bytesSent ?? 0));
  return give({
    protocol: step.protocol,
    flags: step.flags,
    seq: add(1 + (status?.bytesReceived ?? 0), step.seq),
    ack: acked,
    window: step.window,
    payload: step.payload,
    ...(step.strange ? { sourcePort: PEER_PORT + 1, destinationPort: OUR_PORT } : {}),
  });
}

function run({ solo, conn }: Open, step: CommandStep): number {
  switch (step.kind) {
    case 'write':
      solo.streams.write(conn, new Uint8Array(step.size), solo.now);
      return solo.take().length;
    case 'read':
      solo.streams.read(conn, solo.now, step.size);
      return solo.take().length;
    case 'close':
      solo.streams.close(conn, solo.now);
      return solo.take().length;
    case 'retry':
      solo.streams.retryPeer(2, solo.now);
      return solo.take().length;
    case 'wait':
      return solo.wait(step.size).length;
    default:
      return step.kind satisfies never;
  }
}

test('acknowledging what was not sent, or in tiny steps, buys no burst', () => {
  const { solo, conn, give, ourSeq } = openDialed(true);
  solo.streams.write(conn, new Uint8Array(1_000_000), solo.now);
  assert.equal(solo.take().length, 10);
  let sent = 0;
  for (let i = 1; i <= 1152; i++) sent += give({ ack: add(ourSeq, i), window: 65_535 }).length;
  assert.ok(sent <= 2, `${sent} packets for one acknowledged segment`);
});

test('a flood of one-byte segments out of order costs bounded memory and one answer each', () => {
  const { solo, conn, give } = openIncoming(true);
  let answers = 0;
  for (let i = 1; i <= 20_000; i++) answers += give({ seq: 1 + 2 * i, payload: utf8('x') }).length;
  assert.ok(answers <= 20_000);
  assert.ok(solo.streams.statusOf(conn)!.outOfOrder <= 1024);
});

test('a report of bytes that were never sent is not taken for data when the peer keeps the two apart', () => {
  const { solo, conn, ourSeq, give } = openIncoming(true);
  solo.streams.write(conn, utf8('hello'), solo.now);
  solo.take();
  give({ payload: encodeSack([{ left: add(ourSeq, 900_000), right: add(ourSeq, 900_100) }]) });
  assert.equal(solo.streams.read(conn, solo.now), undefined);
  give({ ack: add(ourSeq, 5), payload: utf8('answer') });
  assert.deepEqual(solo.streams.read(conn, solo.now), utf8('answer'));
});

test('a late segment of a former stream with the same ports is not reported as received twice', () => {
  const { give } = openIncoming(true);
  assert.deepEqual(
    give({ seq: 0xc000_0000, payload: new Uint8Array(100) }).map(({ payload }) => payload.length),
    [0],
  );
});
