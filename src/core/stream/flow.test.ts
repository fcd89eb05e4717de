import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat, utf8 } from '../../base/bytes.ts';
import { add } from '../../base/seq.ts';
import type { Packet } from '../../wire/packet.ts';
import { exchange } from './exchange.testkit.ts';
import { OldPeer } from './old-peer.testkit.ts';
import { openDialed, openIncoming, PEER } from './solo.testkit.ts';
import { Link, seededRandom } from './streams.testkit.ts';
import { Streams } from './streams.ts';

const hasData = ({ payload }: Packet): boolean => payload.length > 0;

test('write takes what the send buffer has room for and calls back when there is room again', () => {
  const { solo, conn, give, ourSeq } = openDialed(true);
  const data = new Uint8Array(3 * 1024 * 1024);
  assert.equal(solo.streams.write(conn, data, solo.now), 1024 * 1024);
  assert.equal(solo.streams.write(conn, data, solo.now), 0);
  assert.equal(solo.event('writable'), undefined);
  let acked = 0;
  for (let i = 0; solo.event('writable') === undefined; i++) {
    assert.ok(i < 1000);
    for (const packet of [...solo.take(), ...solo.wait(1)].filter(hasData)) {
      acked = Math.max(acked, packet.seq + packet.payload.length - ourSeq);
    }
    give({ ack: add(ourSeq, acked), window: 65_535 });
  }
  assert.ok(acked >= 256 * 1024);
  assert.ok(solo.streams.write(conn, data, solo.now) > 0);
});

test('what was written may be changed afterwards', () => {
  const { solo, conn } = openDialed();
  const data = utf8('before');
  solo.streams.write(conn, data, solo.now);
  data.fill(0x78);
  assert.equal(Buffer.from(solo.take()[0]!.payload).toString(), 'before');
});

test('keeps no more segments in flight than an old peer has slots', () => {
  const { solo, conn, give, ourSeq } = openDialed();
  give({ window: 3 });
  solo.streams.write(conn, new Uint8Array(50_000), solo.now);
  assert.equal(solo.take().filter(hasData).length, 3);
  assert.equal(give({ ack: add(ourSeq, 1152), window: 3 }).filter(hasData).length, 1);
});

test('probes an old peer whose queue is full with one segment after a pause, and goes on when there is room', () => {
  const { solo, conn, give, ourSeq } = openDialed();
  solo.streams.write(conn, new Uint8Array(20_000), solo.now);
  solo.take();
  give({ ack: add(ourSeq, 10 * 1152), window: 0 });
  assert.equal(solo.wait(150).filter(hasData).length, 0);
  const probes = solo.wait(100).filter(hasData);
  assert.equal(probes.length, 1);
  assert.ok(give({ ack: add(ourSeq, 11 * 1152), window: 500 }).filter(hasData).length >= 5);
});

test('the window in bytes of a peer that knows the options bounds what is in flight', () => {
  const { solo, conn, give, ourSeq } = openDialed(true);
  give({ window: 2 });
  const status = solo.streams.statusOf(conn)!;
  assert.equal(status.peerWindow, 2);
  // The window of 512 slots that came with SYN+ACK still holds: it never shrinks.
  solo.streams.write(conn, new Uint8Array(50_000), solo.now);
  assert.equal(solo.take().filter(hasData).length, 10);
  assert.ok(ourSeq > 0);
});

test('the receive window grows while the reader keeps up, and not otherwise', () => {
  for (const reads of [true, false]) {
    const { solo, conn, give } = openIncoming(true);
    const segment = new Uint8Array(1024);
    const first = solo.streams.statusOf(conn)!.receiveWindow;
    for (let i = 0; i < 200; i++) {
      give({ seq: 1 + 1024 * i, payload: segment });
      if (reads) while (solo.streams.read(conn, solo.now) !== undefined);
    }
    const last = solo.streams.statusOf(conn)!.receiveWindow;
    assert.equal(first, 64);
    assert.equal(last, reads ? 128 : 14);
  }
});

test('memory for windows is shared: when it is used up, new streams start small and none grows', () => {
  const { solo, conn, give } = openIncoming(true, { totalReceiveBuffer: 300 * 1024 });
  const segment = new Uint8Array(1024);
  for (let i = 0; i < 600; i++) {
    give({ seq: 1 + 1024 * i, payload: segment });
    while (solo.streams.read(conn, solo.now) !== undefined);
  }
  assert.equal(solo.streams.statusOf(conn)!.receiveWindow, 64);
  solo.give({ flags: 1, sourcePort: 9 });
  const second = solo.event('incoming')!.conn;
  assert.equal(solo.streams.statusOf(second)!.receiveWindow, 16);
  solo.streams.abort(conn, solo.now);
  solo.give({ flags: 1, sourcePort: 10 });
  assert.equal(solo.streams.statusOf(solo.event('incoming')!.conn)!.receiveWindow, 64);
});

test('never holds more than the window and a little, whatever is sent', () => {
  const limit = 64 * 1024;
  const { solo, conn, give } = openIncoming(true, { initialReceiveBuffer: limit, receiveBuffer: limit });
  for (let i = 0; i < 500; i++) give({ seq: 1 + 1024 * i, payload: new Uint8Array(1024) });
  for (let i = 0; i < 500; i++) give({ seq: 1 + 200_000 + 3000 * i, payload: new Uint8Array(1024) });
  let held = 0;
  for (let c = solo.streams.read(conn, solo.now); c !== undefined; c = solo.streams.read(conn, solo.now))
    held += c.length;
  assert.ok(held <= limit + 16 * 1024, `${held} bytes`);
  assert.equal(solo.streams.statusOf(conn)!.outOfOrder, 0);
});

test('tells the sender when a reader has made room in a full window, and again in case that is lost', () => {
  const limit = 64 * 1024;
  const { solo, conn, give } = openIncoming(true, { initialReceiveBuffer: limit, receiveBuffer: limit });
  for (let i = 0; i < 64; i++) give({ seq: 1 + 1024 * i, payload: new Uint8Array(1024) });
  solo.wait(100);
  assert.equal(solo.streams.statusOf(conn)!.receiveWindow, 1);
  solo.streams.read(conn, solo.now, 4096);
  assert.deepEqual(solo.take(), [], 'not for a few bytes');
  solo.streams.read(conn, solo.now);
  const [update] = solo.take();
  assert.equal(update!.window, 16);
  const again = solo.wait(5000);
  assert.deepEqual(
    again.map(({ window }) => window),
    [16, 16],
  );
});

test('a transfer to a reader that pauses for seconds finishes soon after it reads on', () => {
  const random = seededRandom(2);
  const peers = [
    new Streams({ random: random.fork('a') }),
    new Streams({ random: random.fork('b') }),
  ] as const;
  peers[0].setNode(1);
  peers[1].setNode(2);
  peers[1].listen(80);
  let server = 0;
  let got = 0;
  const link = new Link(peers, [1, 2], random, { delay: 10 }, (_, output) => {
    if (output.type === 'incoming') server = output.conn;
  });
  const conn = peers[0].dial({ network: 0, node: 2 }, 80, link.now);
  peers[0].write(conn, new Uint8Array(1_000_000), link.now);
  link.run(link.now + 30_000);
  const before = link.packets;
  link.run(link.now + 60_000);
  assert.ok(link.packets - before < 80, `${link.packets - before} packets while the window was closed`);
  const drain = (): boolean => {
    for (let c = peers[1].read(server, link.now); c !== undefined; c = peers[1].read(server, link.now))
      got += c.length;
    return got === 1_000_000;
  };
  drain();
  assert.ok(link.run(link.now + 500, drain), `${got} bytes`);
});

test('an old sender survives a reader that stalls for five minutes', () => {
  const random = seededRandom(6);
  const ours = new Streams({ random });
  ours.setNode(2);
  const old = new OldPeer(1);
  const plan = {
    sizes: [500_000, 0],
    writes: [65_536, 1],
    readPauses: [0, 300_000],
    closes: ['at_end', 'when_received'],
  } as const;
  const result = exchange([old, ours], random, { delay: 5 }, [plan], 3_000_000);
  assert.deepEqual(result.received, [[0, 500_000]]);
  assert.deepEqual(result.ends, [['finished', 'finished']]);
});

test('with Nagle, small writes wait for company while one small segment is out, but not for long', () => {
  const { solo, conn } = openDialed();
  solo.streams.write(conn, utf8('a'), solo.now);
  solo.streams.write(conn, utf8('b'), solo.now);
  solo.streams.write(conn, utf8('c'), solo.now);
  assert.deepEqual(
    solo.take().map(({ payload }) => payload.length),
    [1],
  );
  assert.deepEqual(
    solo.wait(10).map(({ payload }) => payload.length),
    [2],
  );
});

test('without Nagle, every write leaves at once', () => {
  const solo = openDialed().solo;
  const conn = solo.streams.dial({ network: 0, node: PEER }, 50_000, solo.now, { noDelay: true });
  const [syn] = solo.take();
  solo.give({ flags: 3, destinationPort: syn!.sourcePort, ack: add(syn!.seq, 1) });
  for (const text of ['a', 'b', 'c']) solo.streams.write(conn, utf8(text), solo.now);
  assert.deepEqual(
    solo.take().map(({ payload }) => payload.length),
    [1, 1, 1],
  );
});

test('the tail of a large write is not held back', () => {
  const { solo, conn } = openDialed();
  solo.streams.write(conn, new Uint8Array(1152 + 10), solo.now);
  assert.deepEqual(
    solo.take().map(({ payload }) => payload.length),
    [1152, 10],
  );
});

test('acknowledges every second segment of an old sender at once, and a lone one within 25 ms', () => {
  const { solo, give } = openIncoming();
  assert.equal(give({ seq: 1, payload: new Uint8Array(4096) }).length, 0);
  assert.equal(give({ seq: 4097, payload: new Uint8Array(4096) }).length, 1);
  assert.equal(give({ seq: 8193, payload: new Uint8Array(4096) }).length, 0);
  assert.equal(solo.wait(24).length, 0);
  assert.equal(solo.wait(1).length, 1);
  assert.equal(give({ seq: 12_289, payload: new Uint8Array(10) }).length, 0);
  assert.equal(solo.wait(5).length, 1, 'a short segment ends a burst');
});

test('data that answers carries the acknowledgment', () => {
  const { solo, conn, give } = openIncoming();
  give({ payload: utf8('ping') });
  solo.streams.write(conn, utf8('pong'), solo.now);
  const sent = solo.take();
  assert.deepEqual(
    sent.map(({ ack, payload }) => [ack, payload.length]),
    [[5, 4]],
  );
  assert.deepEqual(solo.wait(8), []);
});

test('user data of an old sender that looks like SACK is delivered', () => {
  const { solo, conn, give } = openIncoming();
  const text = concat(utf8('SACK'), Uint8Array.of(1), utf8('RFID tags are cheap'));
  give({ payload: text });
  assert.deepEqual(solo.streams.read(conn, solo.now), text);
});

test('payload without the ACK flag is never delivered', () => {
  const { solo, conn, give } = openIncoming();
  assert.deepEqual(give({ flags: 0, payload: utf8('x') }), []);
  assert.equal(solo.streams.read(conn, solo.now), undefined);
});
