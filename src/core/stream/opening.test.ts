import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8 } from '../../base/bytes.ts';
import { add } from '../../base/seq.ts';
import { FLAG_ACK, FLAG_RST, FLAG_SYN } from '../../wire/packet.ts';
import { decodeStreamOptions, encodeStreamOptions } from './options.ts';
import { OUR_PORT, openDialed, openIncoming, PEER, PEER_PORT, Solo, US } from './solo.testkit.ts';
import { Link, seededRandom } from './streams.testkit.ts';
import { Streams } from './streams.ts';

const REMOTE = { network: 0, node: PEER };

test('repeats SYN after 0.25 s, then at doubling intervals up to 4 s, and gives up after the dial timeout', () => {
  const solo = new Solo();
  const start = solo.now;
  const conn = solo.streams.dial(REMOTE, PEER_PORT, solo.now);
  const times = solo.take().map(() => 0);
  while (solo.event('dialFailed') === undefined) {
    const at = solo.streams.nextTimeout()!;
    for (const packet of solo.wait(at - solo.now)) {
      assert.equal(packet.flags, FLAG_SYN);
      times.push(solo.now - start);
    }
  }
  assert.deepEqual(times, [0, 250, 750, 1750, 3750, 7750, 11_750, 15_750, 19_750, 23_750, 27_750]);
  assert.equal(solo.now - start, 30_000);
  assert.deepEqual(solo.event('dialFailed'), { type: 'dialFailed', conn, reason: 'timeout' });
  assert.equal(solo.streams.status().length, 0);
  assert.equal(solo.streams.nextTimeout(), undefined);
});

test('honours the timeout of a dial', () => {
  const solo = new Solo();
  solo.streams.dial(REMOTE, PEER_PORT, solo.now, { timeout: 900 });
  solo.wait(899);
  assert.equal(solo.event('dialFailed'), undefined);
  solo.wait(1);
  assert.equal(solo.event('dialFailed')!.reason, 'timeout');
});

test('a reset refuses the dial, be it the empty one of an old peer or one that acknowledges the SYN', () => {
  for (const exact of [true, false]) {
    const solo = new Solo();
    const conn = solo.streams.dial(REMOTE, PEER_PORT, solo.now);
    const [syn] = solo.take();
    const reset = { flags: FLAG_RST, destinationPort: syn!.sourcePort, window: 0 };
    solo.give({ ...reset, ack: add(syn!.seq, 2) });
    assert.equal(solo.event('dialFailed'), undefined, 'a reset for something else');
    solo.give({ ...reset, ack: exact ? add(syn!.seq, 1) : 0 });
    assert.deepEqual(solo.event('dialFailed'), { type: 'dialFailed', conn, reason: 'refused' });
  }
});

test('sends what was written before the stream was open as soon as it is', () => {
  const solo = new Solo();
  const conn = solo.streams.dial(REMOTE, PEER_PORT, solo.now);
  assert.equal(solo.streams.write(conn, utf8('hello'), solo.now), 5);
  const [syn, ...rest] = solo.take();
  assert.deepEqual(rest, []);
  const answers = solo.give({
    flags: FLAG_SYN | FLAG_ACK,
    destinationPort: syn!.sourcePort,
    seq: 0,
    ack: add(syn!.seq, 1),
  });
  assert.deepEqual(
    answers.map(({ payload }) => Buffer.from(payload).toString()),
    ['hello'],
  );
});

test('announces the stream options in SYN and answers with them only to a SYN that has them', () => {
  const solo = new Solo();
  solo.streams.dial(REMOTE, PEER_PORT, solo.now);
  assert.deepEqual(decodeStreamOptions(solo.take()[0]!.payload), { largestSegment: 0 });
  solo.streams.listen(OUR_PORT);
  const [plain] = solo.give({ flags: FLAG_SYN, sourcePort: 1 });
  assert.equal(plain!.payload.length, 0);
  const [able] = solo.give({
    flags: FLAG_SYN,
    sourcePort: 2,
    payload: encodeStreamOptions({ largestSegment: 0 }),
  });
  assert.deepEqual(decodeStreamOptions(able!.payload), { largestSegment: 0 });
});

test('keeps to the largest segment that the peer wants, within reason', () => {
  for (const [wanted, sent] of [
    [500, 500],
    [10, 256],
    [9000, 1152],
    [0, 1152],
  ] as const) {
    const solo = new Solo();
    solo.streams.listen(OUR_PORT);
    const [synAck] = solo.give({ flags: FLAG_SYN, payload: encodeStreamOptions({ largestSegment: wanted }) });
    solo.give({ seq: 1, ack: add(synAck!.seq, 1) });
    solo.streams.write(solo.event('incoming')!.conn, new Uint8Array(5000), solo.now);
    assert.equal(solo.take()[0]!.payload.length, sent);
  }
});

test('answers a repeated SYN with the same SYN+ACK and hands the stream over once', () => {
  const solo = new Solo();
  solo.streams.listen(OUR_PORT);
  const [first] = solo.give({ flags: FLAG_SYN, seq: 70 });
  const [second] = solo.give({ flags: FLAG_SYN, seq: 70 });
  assert.deepEqual([second!.flags, second!.seq, second!.ack], [FLAG_SYN | FLAG_ACK, first!.seq, 71]);
  assert.equal(solo.events.filter(({ type }) => type === 'incoming').length, 1);
});

test('ignores a SYN that is only late, and begins a new stream for one with another sequence number', () => {
  const { solo, give, conn } = openIncoming();
  assert.deepEqual(give({ flags: FLAG_SYN, seq: 0 }), []);
  assert.equal(solo.event('closed'), undefined);
  const [synAck] = give({ flags: FLAG_SYN, seq: 900 });
  assert.equal(synAck!.ack, 901);
  assert.deepEqual(solo.event('closed'), { type: 'closed', conn, reason: 'reset' });
});

test('acknowledges a repeated SYN+ACK, whose sender waits for a sign of life', () => {
  const { give, ourSeq } = openDialed();
  const [answer] = give({ flags: FLAG_SYN | FLAG_ACK, seq: 0 });
  assert.deepEqual([answer!.flags, answer!.seq, answer!.ack], [FLAG_ACK, ourSeq, 1]);
});

test('data that a dialer has thrown away while it waited for SYN+ACK is repeated by a probe, not by a timeout', () => {
  const solo = new Solo();
  solo.streams.listen(OUR_PORT);
  solo.give({ flags: FLAG_SYN, seq: 0 });
  const { conn } = solo.event('incoming')!;
  solo.streams.write(conn, utf8('welcome'), solo.now);
  const [lost] = solo.take();
  solo.wait(250);
  const [synAck] = solo.give({ flags: FLAG_SYN, seq: 0 });
  solo.wait(20);
  solo.give({ seq: 1, ack: add(synAck!.seq, 1) });
  const again = solo.wait(400);
  assert.deepEqual(
    again.map(({ seq, payload }) => [seq, payload]),
    [[lost!.seq, lost!.payload]],
  );
});

test('an incoming stream whose dialer never answers is given up after a minute', () => {
  const solo = new Solo();
  solo.streams.listen(OUR_PORT);
  solo.give({ flags: FLAG_SYN, seq: 0 });
  assert.equal(solo.streams.status()[0]!.state, 'SYN_RECV');
  solo.wait(59_000);
  assert.equal(solo.event('closed'), undefined);
  solo.wait(6000);
  assert.equal(solo.event('closed')!.reason, 'timeout');
});

test('a node can talk to itself', () => {
  const streams = new Streams({ random: seededRandom(3) });
  streams.setNode(US);
  streams.listen(80);
  let got = '';
  let server = 0;
  const mirror = {
    handlePacket() {},
    handleTimeout() {},
    nextTimeout: () => undefined,
    poll: () => undefined,
  };
  const link = new Link([streams, mirror], [US, US], seededRandom(1), {}, (_, output) => {
    if (output.type === 'incoming') server = output.conn;
    if (output.type === 'readable' && output.conn === server) {
      got = Buffer.from(streams.read(server, link.now)!).toString();
    }
  });
  link.filter = (_, packet, now) => {
    streams.handlePacket(packet, now);
    return false;
  };
  const conn = streams.dial({ network: 0, node: US }, 80, link.now);
  streams.write(conn, utf8('me'), link.now);
  link.run(link.now + 100);
  assert.equal(got, 'me');
});

test('a dial fails at once when no local port or no room is left', () => {
  const solo = new Solo({ maxConnections: 2 });
  for (let i = 0; i < 3; i++) solo.streams.dial(REMOTE, PEER_PORT, solo.now);
  solo.settle();
  assert.deepEqual(
    solo.events.map((event) => event.type === 'dialFailed' && event.reason),
    ['aborted'],
  );
});
