import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Link, seededRandom } from './streams.testkit.ts';
import { Streams } from './streams.ts';
import type { StreamOutput } from './types.ts';

test('carries bytes both ways over a perfect link and closes cleanly', () => {
  const random = seededRandom(1);
  const a = new Streams({ random: random.fork('a') });
  const b = new Streams({ random: random.fork('b') });
  a.setNode(1);
  b.setNode(2);
  const events: StreamOutput[][] = [[], []];
  const got: number[] = [];
  let reply = 0;
  let incoming = 0;
  const link = new Link([a, b], [1, 2], random, { delay: 5 }, (side, output) => {
    events[side]!.push(output);
    if (side === 1 && output.type === 'incoming') incoming = output.conn;
    if (side === 1 && output.type === 'readable') {
      for (let c = b.read(incoming, link.now); c; c = b.read(incoming, link.now)) got.push(...c);
      if (b.atEnd(incoming)) {
        b.write(incoming, new Uint8Array(5000).fill(7), link.now);
        b.close(incoming, link.now);
      }
    }
    if (side === 0 && output.type === 'readable') {
      for (let c = a.read(conn, link.now); c; c = a.read(conn, link.now)) reply += c.length;
    }
  });
  b.listen(80);
  const data = random.bytes(100_000);
  const conn = a.dial({ network: 0, node: 2 }, 80, link.now);
  assert.equal(a.write(conn, data, link.now), data.length);
  a.close(conn, link.now);
  link.run(200_000);
  assert.deepEqual(Uint8Array.from(got), data);
  assert.equal(reply, 5000);
  const closed = (side: number) => events[side]!.find((e) => e.type === 'closed');
  assert.deepEqual(closed(0), { type: 'closed', conn, reason: 'finished' });
  assert.deepEqual(closed(1), { type: 'closed', conn: incoming, reason: 'finished' });
  assert.equal(a.status().length, 0);
  assert.equal(b.status().length, 0);
  assert.equal(link.next(), undefined);
});
