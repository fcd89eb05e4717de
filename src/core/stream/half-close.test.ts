import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8 } from '../../base/bytes.ts';
import { FLAG_ACK, FLAG_FIN } from '../../wire/packet.ts';
import { openDialed, openIncoming } from './solo.testkit.ts';
import { Link, seededRandom } from './streams.testkit.ts';
import { Streams } from './streams.ts';
import type { ConnId } from './types.ts';

const ADDRESS = { network: 0, node: 2 };
const PORT = 9;
const ANSWER = 400_000;

test('who ends its writing reads on, however long the answer takes', () => {
  const random = seededRandom(5);
  const [asker, answerer] = [1, 2].map((node) => {
    const streams = new Streams({ random: random.fork(`${node}`) });
    streams.setNode(node);
    return streams;
  }) as [Streams, Streams];
  answerer.listen(PORT);
  let served: ConnId | undefined;
  const ends: string[] = [];
  const link = new Link([asker, answerer], undefined, random.fork('link'), { delay: 20 }, (side, output) => {
    if (side === 1 && output.type === 'incoming') served = output.conn;
    if (output.type === 'closed') ends.push(`${side} ${output.reason}`);
  });
  const conn = asker.dial(ADDRESS, PORT, link.now);
  link.run(link.now + 1000);
  asker.write(conn, utf8('question'), link.now);
  asker.close(conn, link.now, true);
  link.run(link.now + 1000);
  assert.ok(served !== undefined);
  assert.equal(Buffer.from(answerer.read(served, link.now)!).toString(), 'question');
  assert.equal(answerer.atEnd(served), true);
  assert.equal(asker.write(conn, utf8('more'), link.now), 0, 'it said that it writes no more');
  link.run(link.now + 3_600_000);
  assert.deepEqual(ends, [], 'an hour of silence ends nothing');
  let sent = 0;
  let got = 0;
  while (!asker.atEnd(conn)) {
    sent += answerer.write(served, new Uint8Array(ANSWER - sent), link.now);
    if (sent === ANSWER) answerer.close(served, link.now);
    link.run(link.now + 100);
    got += asker.read(conn, link.now)?.length ?? 0;
  }
  assert.equal(got, ANSWER);
  assert.equal(asker.read(conn, link.now), undefined);
  link.run(link.now + 1000);
  assert.deepEqual(ends.sort(), ['0 finished', '1 finished']);
});

test('an old peer gets FIN only with the close: to it, FIN ends both directions', () => {
  const { solo, conn, give, ourSeq } = openDialed(false);
  solo.streams.write(conn, utf8('question'), solo.now);
  solo.streams.close(conn, solo.now, true);
  give({ ack: ourSeq + 8 });
  assert.ok(solo.wait(5000).every(({ flags }) => (flags & FLAG_FIN) === 0));
  give({ ack: ourSeq + 8, payload: utf8('answer') });
  assert.equal(Buffer.from(solo.streams.read(conn, solo.now)!).toString(), 'answer');
  solo.streams.close(conn, solo.now);
  assert.ok(solo.take().some(({ flags }) => (flags & FLAG_FIN) !== 0));
});

test('ending the writing after the peer ended its own closes the stream', () => {
  const { solo, conn, give, ourSeq } = openIncoming(true);
  give({ flags: FLAG_FIN, seq: 1, ack: 0 });
  assert.equal(solo.streams.read(conn, solo.now), undefined);
  solo.streams.close(conn, solo.now, true);
  assert.ok(solo.take().some(({ flags }) => (flags & FLAG_FIN) !== 0));
  give({ flags: FLAG_ACK, seq: 2, ack: ourSeq + 1 });
  assert.equal(solo.event('closed')!.reason, 'finished');
});
