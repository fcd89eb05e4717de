import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8 } from '../../base/bytes.ts';
import { add } from '../../base/seq.ts';
import { FLAG_ACK, FLAG_FIN, FLAG_RST, FLAG_SYN, type Packet } from '../../wire/packet.ts';
import { OUR_PORT, openDialed, openIncoming, Solo } from './solo.testkit.ts';
import { Link, seededRandom } from './streams.testkit.ts';
import { Streams } from './streams.ts';
import type { StreamOutput } from './types.ts';

const isFin = ({ flags }: Packet): boolean => (flags & FLAG_FIN) !== 0;

test('each direction ends on its own when both ends know the options', () => {
  const { solo, conn, give, ourSeq } = openDialed(true);
  solo.streams.write(conn, utf8('question'), solo.now);
  solo.streams.close(conn, solo.now);
  const fin = solo.take().find(isFin)!;
  assert.equal(fin.seq, add(ourSeq, 8), 'FIN follows the data at once');
  give({ ack: add(ourSeq, 9) });
  assert.deepEqual(solo.event('finished'), { type: 'finished', conn });
  assert.equal(solo.event('closed'), undefined);
  assert.equal(solo.streams.write(conn, utf8('more'), solo.now), 0);
  give({ ack: add(ourSeq, 9), payload: utf8('answer') });
  assert.equal(Buffer.from(solo.streams.read(conn, solo.now)!).toString(), 'answer');
  const [ack] = give({ flags: FLAG_FIN, seq: 7, ack: 0 });
  assert.deepEqual([ack!.flags, ack!.seq, ack!.ack], [FLAG_ACK, add(ourSeq, 9), 8]);
  assert.deepEqual(solo.event('closed'), { type: 'closed', conn, reason: 'finished' });
});

test('the peer may finish first and still be written to', () => {
  const { solo, conn, give, ourSeq } = openIncoming(true);
  give({ payload: utf8('all I have') });
  give({ flags: FLAG_FIN, seq: 11, ack: 0 });
  assert.equal(solo.streams.statusOf(conn)!.state, 'CLOSE_WAIT');
  assert.equal(solo.streams.atEnd(conn), false, 'there is something to read first');
  solo.streams.read(conn, solo.now);
  assert.equal(solo.streams.atEnd(conn), true);
  assert.equal(solo.streams.write(conn, utf8('thanks'), solo.now), 6);
  const [data] = solo.take();
  assert.equal(data!.ack, 12, 'FIN is acknowledged with the data');
  solo.streams.close(conn, solo.now);
  give({ seq: 12, ack: add(ourSeq, 7) });
  assert.equal(solo.event('closed')!.reason, 'finished');
});

test('FIN waits for the data in front of it, however often it comes', () => {
  const { solo, conn, give } = openIncoming(true);
  for (let i = 0; i < 3; i++) {
    const [ack] = give({ flags: FLAG_FIN, seq: 6, ack: 0 });
    assert.equal(ack!.ack, 1);
  }
  solo.wait(5000);
  assert.equal(solo.streams.atEnd(conn), false);
  give({ payload: utf8('hello') });
  solo.streams.read(conn, solo.now);
  assert.equal(solo.streams.atEnd(conn), true);
});

test('a lost FIN is repeated soon, and its acknowledgment ends the repetition', () => {
  const { solo, conn, give, ourSeq } = openDialed(true);
  solo.wait(1);
  solo.streams.close(conn, solo.now);
  assert.equal(solo.take().length, 1);
  const again = solo.wait(100);
  assert.equal(again.length, 1);
  assert.ok(isFin(again[0]!));
  give({ ack: add(ourSeq, 1) });
  assert.deepEqual(solo.wait(20_000), []);
});

test('FIN to a vanished old peer ends the stream as finished after half a minute: all data is acknowledged', () => {
  const { solo, conn, give, ourSeq } = openDialed();
  solo.streams.write(conn, utf8('data'), solo.now);
  solo.take();
  give({ ack: add(ourSeq, 4) });
  solo.streams.close(conn, solo.now);
  const sent = solo.wait(45_000);
  assert.ok(sent.length > 3 && sent.length < 15, `${sent.length} FINs`);
  assert.deepEqual(solo.event('closed'), { type: 'closed', conn, reason: 'finished' });
});

test('old peers end both directions at once: what was not acknowledged by then is reported as lost', () => {
  const { solo, conn, give } = openIncoming();
  give({ payload: utf8('bye') });
  solo.streams.write(conn, utf8('too late'), solo.now);
  solo.take();
  give({ flags: FLAG_FIN, seq: 4, ack: 0, window: 0 });
  assert.equal(solo.streams.write(conn, utf8('more'), solo.now), 0);
  solo.wait(600);
  assert.equal(solo.event('closed'), undefined, 'what the peer sent is read first');
  assert.equal(solo.streams.read(conn, solo.now)!.length, 3);
  assert.equal(solo.event('closed')!.reason, 'reset');
});

test('an acknowledgment that arrives shortly after an old peer has finished still counts', () => {
  const { solo, conn, give, ourSeq } = openIncoming();
  solo.streams.write(conn, utf8('just in time'), solo.now);
  solo.take();
  give({ flags: FLAG_FIN, ack: 0, window: 0 });
  give({ seq: 2, ack: add(ourSeq, 12) });
  solo.streams.close(conn, solo.now);
  assert.equal(solo.event('closed')!.reason, 'finished');
});

test('a stream that an old peer has finished is over once its end was read', () => {
  const { solo, conn, give } = openIncoming();
  give({ payload: utf8('last words') });
  give({ flags: FLAG_FIN, seq: 11, ack: 0, window: 0 });
  assert.equal(solo.streams.read(conn, solo.now)!.length, 10);
  assert.equal(solo.streams.read(conn, solo.now), undefined);
  assert.equal(solo.streams.atEnd(conn), true);
  assert.equal(solo.event('closed')!.reason, 'finished');
});

test('TIME_WAIT ends on time whatever arrives, and answers a repeated FIN', () => {
  for (const options of [true, false]) {
    const { solo, conn, give, ourSeq } = openDialed(options);
    solo.streams.close(conn, solo.now);
    solo.take();
    if (options) {
      give({ ack: add(ourSeq, 1) });
      give({ flags: FLAG_FIN, ack: 0 });
    } else give({ flags: FLAG_FIN | FLAG_ACK, ack: add(ourSeq, 1), window: 0 });
    const closedAt = solo.now;
    assert.equal(solo.streams.statusOf(conn)!.state, 'TIME_WAIT');
    for (let i = 0; i < 9; i++) {
      const [answer, ...more] = give({ flags: FLAG_FIN, ack: 0, window: 0 });
      assert.equal(answer!.flags, options ? FLAG_ACK : FLAG_FIN | FLAG_ACK);
      assert.deepEqual(more, []);
      solo.wait(1000);
    }
    assert.equal(solo.streams.status().length, 1);
    solo.wait(closedAt + (options ? 120_000 : 10_000) - 1 - solo.now);
    assert.equal(solo.streams.status().length, 1);
    solo.wait(1);
    assert.equal(solo.streams.status().length, 0);
    assert.equal(solo.streams.nextTimeout(), undefined);
  }
});

test('both closing at the same time ends well', () => {
  const random = seededRandom(5);
  const peers = [
    new Streams({ random: random.fork('a') }),
    new Streams({ random: random.fork('b') }),
  ] as const;
  peers[0].setNode(1);
  peers[1].setNode(2);
  peers[1].listen(80);
  const ends: StreamOutput[] = [];
  let server = 0;
  const link = new Link(peers, [1, 2], random, { delay: 10 }, (_, output) => {
    if (output.type === 'incoming') server = output.conn;
    if (output.type === 'closed') ends.push(output);
  });
  const conn = peers[0].dial({ network: 0, node: 2 }, 80, link.now);
  link.run(link.now + 100);
  const before = link.packets;
  peers[0].close(conn, link.now);
  peers[1].close(server, link.now);
  link.run(link.now + 200_000);
  assert.deepEqual(
    ends.map((end) => end.type === 'closed' && end.reason),
    ['finished', 'finished'],
  );
  assert.ok(link.packets - before <= 4, `${link.packets - before} packets`);
  assert.equal(link.next(), undefined);
});

test('after close, data nobody reads does not keep the stream for ever', () => {
  const { solo, conn, give, ourSeq } = openIncoming(true);
  give({ payload: utf8('unread') });
  solo.streams.close(conn, solo.now);
  solo.take();
  give({ seq: 7, ack: add(ourSeq, 1) });
  solo.wait(29_000);
  assert.equal(solo.event('closed'), undefined);
  const sent = solo.wait(2000);
  assert.deepEqual(
    sent.map(({ flags }) => flags),
    [FLAG_RST],
  );
  assert.equal(solo.event('closed')!.reason, 'finished');
});

test('a reader that has not closed may take its time with what a finished peer sent', () => {
  const { solo, conn, give } = openIncoming();
  give({ payload: utf8('slow') });
  give({ flags: FLAG_FIN, seq: 5, ack: 0, window: 0 });
  solo.wait(600_000);
  assert.equal(solo.event('closed'), undefined);
  assert.equal(solo.streams.read(conn, solo.now)!.length, 4);
  assert.equal(solo.streams.atEnd(conn), true);
  assert.equal(solo.streams.read(conn, solo.now), undefined);
  assert.equal(solo.event('closed')!.reason, 'finished');
  assert.equal(solo.streams.status().length, 0);
});

test('a half-closed stream whose peer neither sends nor finishes ends after two minutes', () => {
  const { solo, conn, give, ourSeq } = openDialed(true);
  solo.streams.close(conn, solo.now);
  solo.take();
  give({ ack: add(ourSeq, 1) });
  solo.wait(60_000);
  give({ ack: add(ourSeq, 1), payload: utf8('still busy') });
  solo.streams.read(conn, solo.now);
  for (let i = 0; i < 11; i++) {
    solo.wait(10_000);
    give({ seq: 11, ack: add(ourSeq, 1) });
  }
  assert.equal(solo.event('closed'), undefined);
  solo.wait(10_000);
  assert.equal(solo.event('finished')!.conn, conn);
  assert.equal(solo.event('closed')!.reason, 'timeout');
});

test('what arrived before a reset can still be read for half a minute', () => {
  for (const patient of [false, true]) {
    const { solo, conn, give } = openIncoming();
    give({ payload: utf8('last words') });
    give({ flags: FLAG_RST, seq: 0, ack: 0 });
    assert.equal(solo.event('closed')!.reason, 'reset');
    assert.deepEqual(solo.streams.status(), []);
    solo.wait(patient ? 31_000 : 29_000);
    assert.equal(solo.streams.read(conn, solo.now)?.length, patient ? undefined : 10);
    assert.equal(solo.streams.atEnd(conn), false);
    assert.equal(solo.streams.read(conn, solo.now), undefined);
    assert.equal(solo.streams.write(conn, utf8('no'), solo.now), 0);
    assert.deepEqual(
      give({ payload: utf8('x') }).map(({ flags }) => flags),
      [FLAG_RST],
    );
  }
});

test('abort resets at once, also a dial', () => {
  const { solo, conn, ourSeq } = openDialed(true);
  solo.streams.abort(conn, solo.now);
  const [reset, ...more] = solo.take();
  assert.deepEqual([reset!.flags, reset!.seq, reset!.ack, more.length], [FLAG_RST, ourSeq, 1, 0]);
  assert.deepEqual(solo.event('closed'), { type: 'closed', conn, reason: 'aborted' });
  const dial = solo.streams.dial({ network: 0, node: 2 }, 9, solo.now);
  const [syn] = solo.take();
  solo.streams.abort(dial, solo.now);
  assert.deepEqual([solo.take()[0]!.flags, syn!.flags], [FLAG_RST, FLAG_SYN]);
  assert.deepEqual(solo.event('dialFailed'), { type: 'dialFailed', conn: dial, reason: 'aborted' });
  assert.equal(solo.streams.nextTimeout(), undefined);
});

test('commands on an unknown or dead stream do nothing', () => {
  const solo = new Solo();
  assert.equal(solo.streams.write(99, utf8('x'), solo.now), 0);
  assert.equal(solo.streams.read(99, solo.now), undefined);
  assert.equal(solo.streams.atEnd(99), false);
  solo.streams.close(99, solo.now);
  solo.streams.abort(99, solo.now);
  assert.equal(solo.streams.statusOf(99), undefined);
  assert.deepEqual(solo.take(), []);
  assert.equal(solo.streams.listen(OUR_PORT), true);
});

test('closing a dial in progress sends what was written, then FIN, once it is open', () => {
  const solo = new Solo();
  const conn = solo.streams.dial({ network: 0, node: 2 }, 50_000, solo.now);
  const [syn] = solo.take();
  solo.streams.write(conn, utf8('in passing'), solo.now);
  solo.streams.close(conn, solo.now);
  const ours = add(syn!.seq, 1);
  const open = { destinationPort: syn!.sourcePort, ack: ours };
  const [data, ...more] = solo.give({ ...open, flags: FLAG_SYN | FLAG_ACK });
  assert.deepEqual([data!.payload.length, more.length], [10, 0]);
  const [fin] = solo.give({ ...open, seq: 1, ack: add(ours, 10) });
  assert.equal(fin!.flags, FLAG_FIN);
});

test('remembers a bounded number of finished streams', () => {
  const solo = new Solo({ maxTimeWait: 10 });
  solo.streams.listen(OUR_PORT);
  for (let sourcePort = 1; sourcePort <= 30; sourcePort++) {
    const [synAck] = solo.give({ flags: FLAG_SYN, seq: 0, sourcePort });
    const { conn } = solo.event('incoming')!;
    solo.give({ flags: FLAG_FIN, seq: 1, ack: add(synAck!.seq, 1), sourcePort });
    solo.streams.close(conn, solo.now);
    solo.settle();
  }
  assert.equal(solo.events.filter(({ type }) => type === 'closed').length, 30);
  assert.equal(solo.streams.status().length, 10);
});
