import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8 } from '../../base/bytes.ts';
import { add } from '../../base/seq.ts';
import { FLAG_ACK, FLAG_RST } from '../../wire/packet.ts';
import { exchange } from './exchange.testkit.ts';
import { openDialed, openIncoming } from './solo.testkit.ts';
import { Link, seededRandom } from './streams.testkit.ts';
import { Streams } from './streams.ts';

/** Two of ours with one open stream. */
function pairOf(conditions: object): {
  link: Link;
  peers: readonly [Streams, Streams];
  conn: number;
  server: () => number;
  events: { side: number; type: string; reason?: string }[];
} {
  const random = seededRandom(9);
  const peers = [
    new Streams({ random: random.fork('a') }),
    new Streams({ random: random.fork('b') }),
  ] as const;
  peers[0].setNode(1);
  peers[1].setNode(2);
  peers[1].listen(80);
  const events: { side: number; type: string; reason?: string }[] = [];
  let server = 0;
  const link = new Link(peers, [1, 2], random, { delay: 20, ...conditions }, (side, output) => {
    if (output.type === 'incoming') server = output.conn;
    events.push({ side, ...output });
  });
  const conn = peers[0].dial({ network: 0, node: 2 }, 80, link.now);
  link.run(link.now + 2000);
  return { link, peers, conn, server: () => server, events };
}

test('probes a silent stream within 45 s, and not before 33 s, with a byte the peer already has, and any answer satisfies', () => {
  const { solo, give, ourSeq } = openDialed();
  assert.deepEqual(solo.wait(33_700), []);
  const [probe, ...more] = solo.wait(11_400);
  assert.deepEqual(more, []);
  assert.deepEqual([probe!.flags, probe!.seq, probe!.payload.length], [FLAG_ACK, add(ourSeq, -1), 1]);
  give({});
  assert.deepEqual(solo.wait(33_000), []);
});

test('a peer that answers nothing is given up after two minutes of silence', () => {
  const { solo, conn } = openDialed();
  const sent = solo.wait(119_000);
  assert.equal(solo.event('closed'), undefined);
  assert.ok(sent.length === 5 || sent.length === 6);
  const reset = solo.wait(2000).at(-1);
  assert.equal(reset!.flags, FLAG_RST);
  assert.deepEqual(solo.event('closed'), { type: 'closed', conn, reason: 'timeout' });
});

test('two healthy ends keep an idle stream open for an hour with a handful of packets', () => {
  const { link, events } = pairOf({ loss: 0.1 });
  const before = link.packets;
  link.run(link.now + 3_600_000);
  assert.equal(
    events.find(({ type }) => type === 'closed'),
    undefined,
  );
  assert.ok(link.packets - before < 700, `${link.packets - before} packets`);
});

test('data in flight survives an outage of 90 s and moves within two seconds of its end', () => {
  const { link, peers, conn, server, events } = pairOf({});
  const size = 300_000;
  peers[0].write(conn, new Uint8Array(size), link.now);
  link.settle();
  link.filter = () => false;
  const before = link.packets;
  link.run(link.now + 90_000);
  assert.ok(link.packets - before < 60, `${link.packets - before} packets into the void`);
  link.filter = () => true;
  peers[0].retryPeer(2, link.now);
  let got = 0;
  link.run(link.now + 2000, () => {
    for (let c = peers[1].read(server(), link.now); c !== undefined; c = peers[1].read(server(), link.now))
      got += c.length;
    return got === size;
  });
  assert.equal(got, size);
  assert.equal(
    events.find(({ type }) => type === 'closed'),
    undefined,
  );
});

test('without a hint that the path is back, data moves again within the longest back-off', () => {
  const { link, peers, conn, server } = pairOf({});
  peers[0].write(conn, new Uint8Array(100_000), link.now);
  link.settle();
  link.filter = () => false;
  link.run(link.now + 35_000);
  link.filter = () => true;
  let got = 0;
  link.run(link.now + 6000, () => {
    for (let c = peers[1].read(server(), link.now); c !== undefined; c = peers[1].read(server(), link.now))
      got += c.length;
    return got === 100_000;
  });
  assert.equal(got, 100_000);
});

test('data that nobody acknowledges for two minutes ends the stream', () => {
  const { solo, conn } = openDialed();
  solo.streams.write(conn, utf8('anyone?'), solo.now);
  const sent = solo.wait(119_000);
  assert.equal(solo.event('closed'), undefined);
  assert.ok(sent.length < 30, `${sent.length} packets`);
  solo.wait(2000);
  assert.equal(solo.event('closed')!.reason, 'timeout');
});

test('a peer that restarted is noticed at the next packet', () => {
  const { link, peers, conn, events } = pairOf({});
  const reborn = new Streams({ random: seededRandom(77) });
  reborn.setNode(2);
  link.replace(1, reborn);
  peers[0].write(conn, utf8('still there?'), link.now);
  link.run(link.now + 1000);
  assert.deepEqual(events.at(-1), { side: 0, type: 'closed', conn, reason: 'reset' });
});

test('a stream whose reader stalls for ten minutes lives on', () => {
  const random = seededRandom(4);
  const peers = [
    new Streams({ random: random.fork('a') }),
    new Streams({ random: random.fork('b') }),
  ] as const;
  peers[0].setNode(1);
  peers[1].setNode(2);
  const plan = {
    sizes: [6_000_000, 0],
    writes: [65_536, 1],
    readPauses: [0, 600_000],
    closes: ['when_written', 'at_end'],
  } as const;
  const result = exchange(peers, random, { delay: 5 }, [plan], 1_300_000);
  assert.deepEqual(result.ends, [[undefined, undefined]]);
  assert.ok(result.packets < 12_000, `${result.packets} packets`);
});

test('answers probes without answering answers', () => {
  const { solo, give } = openIncoming(true);
  solo.wait(3000);
  assert.equal(give({ seq: 0, payload: new Uint8Array(1) }).length, 1);
  assert.equal(give({}).length, 0);
});

test('after a pause of our own the peer gets the time of one more probe', () => {
  for (const answers of [true, false]) {
    const { solo, give } = openDialed();
    solo.now += 500_000;
    const [probe] = solo.wait(0);
    assert.equal(probe!.payload.length, 1);
    assert.equal(solo.event('closed'), undefined);
    if (answers) give({});
    solo.wait(16_000);
    assert.equal(solo.event('closed')?.reason, answers ? undefined : 'timeout');
  }
});

test('a blocked event loop does not count as loss', () => {
  const { solo, conn, give, ourSeq } = openDialed(true);
  solo.wait(20);
  solo.streams.write(conn, new Uint8Array(10 * 1152), solo.now);
  solo.take();
  give({ ack: add(ourSeq, 1152) });
  const before = solo.streams.statusOf(conn)!.congestionWindow;
  solo.now += 3000;
  assert.equal(solo.wait(0).length, 1, 'one probe');
  give({ ack: add(ourSeq, 10 * 1152) });
  assert.ok(solo.streams.statusOf(conn)!.congestionWindow >= before);
});

test('a dead peer is given up at any instant, however the sums round', () => {
  for (let i = 0; i < 300; i++) {
    const { solo } = openDialed();
    solo.now += i * 0.1 + i * 1e-7;
    solo.streams.write(1, utf8('x'), solo.now);
    solo.wait(130_000);
    assert.equal(solo.event('closed')?.reason, 'timeout');
    assert.equal(solo.streams.nextTimeout(), undefined);
  }
});
