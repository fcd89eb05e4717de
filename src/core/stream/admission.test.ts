import assert from 'node:assert/strict';
import { test } from 'node:test';
import { add } from '../../base/seq.ts';
import { FLAG_ACK, FLAG_FIN, FLAG_RST, FLAG_SYN } from '../../wire/packet.ts';
import { OUR_PORT, openIncoming, Solo } from './solo.testkit.ts';

test('refuses a closed port with a reset that acknowledges the SYN', () => {
  const solo = new Solo();
  const [reset] = solo.give({ flags: FLAG_SYN, seq: 41 });
  assert.deepEqual([reset!.flags, reset!.seq, reset!.ack], [FLAG_RST, 0, 42]);
});

test('a node that may not connect learns nothing: neither open nor closed ports answer', () => {
  const asked: unknown[] = [];
  const solo = new Solo({}, ({ source, destination, destinationPort }, kind) => {
    asked.push([source.node, destination, destinationPort, kind]);
    return false;
  });
  solo.streams.listen(OUR_PORT);
  assert.deepEqual(solo.give({ flags: FLAG_SYN }), []);
  assert.deepEqual(solo.give({ flags: FLAG_SYN, destinationPort: 9 }), []);
  assert.deepEqual(solo.give({ seq: 5, ack: 6 }), []);
  assert.deepEqual(solo.give({ protocol: 2, payload: Uint8Array.of(1) }), []);
  assert.deepEqual(solo.events, []);
  const destination = { network: 0, node: 1 };
  assert.deepEqual(asked, [
    [2, destination, OUR_PORT, 'stream'],
    [2, destination, 9, 'stream'],
    [2, destination, OUR_PORT, 'stray'],
    [2, destination, OUR_PORT, 'datagram'],
  ]);
});

test('tells a peer that believes in a stream we do not know that it is gone', () => {
  const solo = new Solo();
  const [reset] = solo.give({ seq: 100, ack: 200, payload: new Uint8Array(10) });
  assert.deepEqual([reset!.flags, reset!.seq, reset!.ack], [FLAG_RST, 200, 110]);
  const [forFin] = solo.give({ flags: FLAG_FIN, seq: 100, ack: 0 });
  assert.equal(forFin!.flags, FLAG_RST);
});

test('answers neither RST nor FIN+ACK nor flagless packets of a stream it does not know', () => {
  const solo = new Solo();
  assert.deepEqual(solo.give({ flags: FLAG_RST }), []);
  assert.deepEqual(solo.give({ flags: FLAG_FIN | FLAG_ACK }), []);
  assert.deepEqual(solo.give({ flags: 0, payload: Uint8Array.of(1) }), []);
});

test('limits resets per peer, so that no packet can be answered for ever', () => {
  const solo = new Solo();
  let resets = 0;
  for (let i = 0; i < 1000; i++) resets += solo.give({ seq: i, ack: 200 }).length;
  assert.equal(resets, 100);
});

test('one source cannot spend the SYN allowance of the others', () => {
  const solo = new Solo({ synLimits: { rate: 100, burst: 100, sourceRate: 10, sourceBurst: 10 } });
  solo.streams.listen(OUR_PORT);
  let answers = 0;
  for (let i = 0; i < 150; i++) answers += solo.give({ flags: FLAG_SYN, sourcePort: i }).length;
  assert.equal(answers, 10);
  assert.equal(solo.give({ flags: FLAG_SYN }, 3).length, 1);
  solo.wait(1000);
  answers = 0;
  for (let i = 0; i < 150; i++) answers += solo.give({ flags: FLAG_SYN, sourcePort: 1000 + i }).length;
  assert.equal(answers, 10);
});

test('repeated SYNs of one stream do not count against the limit', () => {
  const solo = new Solo({ synLimits: { rate: 100, burst: 100, sourceRate: 1, sourceBurst: 1 } });
  solo.streams.listen(OUR_PORT);
  for (let i = 0; i < 5; i++) assert.equal(solo.give({ flags: FLAG_SYN, seq: 7 }).length, 1);
});

test('bounds live streams per port and altogether, and frees the place of an ended one', () => {
  const limits = { rate: 1e6, burst: 1e6, sourceRate: 1e6, sourceBurst: 1e6 };
  const solo = new Solo({ maxPerPort: 3, maxConnections: 5, synLimits: limits });
  solo.streams.listen(OUR_PORT);
  solo.streams.listen(2000);
  const dial = (sourcePort: number, destinationPort = OUR_PORT): number =>
    solo.give({ flags: FLAG_SYN, sourcePort, destinationPort })[0]!.flags;
  for (let i = 0; i < 3; i++) assert.equal(dial(i), FLAG_SYN | FLAG_ACK);
  assert.equal(dial(3), FLAG_RST);
  assert.equal(dial(3, 2000), FLAG_SYN | FLAG_ACK);
  assert.equal(dial(4, 2000), FLAG_SYN | FLAG_ACK);
  assert.equal(dial(5, 2000), FLAG_RST);
  const first = solo.events.find((event) => event.type === 'incoming')!;
  solo.streams.abort(first.conn, solo.now);
  solo.take();
  assert.equal(dial(6), FLAG_SYN | FLAG_ACK);
});

test('strangers open less, and take nothing from those who are known', () => {
  const fast = { rate: 1e6, burst: 1e6, sourceRate: 1e6, sourceBurst: 1e6 };
  const slow = { rate: 5, burst: 5, sourceRate: 3, sourceBurst: 3 };
  const strangers = { synLimits: slow, maxPerPort: 4, maxPerPeer: 2 };
  const known = new Set([7]);
  const solo = new Solo({ synLimits: fast, maxPerPort: 3, maxPerPeer: 3, strangers }, undefined, 1, (node) =>
    known.has(node),
  );
  solo.streams.listen(OUR_PORT);
  const dial = (node: number, sourcePort: number): number | undefined =>
    solo.give({ flags: FLAG_SYN, sourcePort, destinationPort: OUR_PORT }, node)[0]?.flags;
  const OPEN = FLAG_SYN | FLAG_ACK;
  assert.deepEqual(
    [1, 2, 3, 4].map((port) => dial(8, port)),
    [OPEN, OPEN, FLAG_RST, undefined],
  );
  assert.deepEqual(
    [1, 2, 3, 4].map((port) => dial(7, port)),
    [OPEN, OPEN, OPEN, FLAG_RST],
  );
  // Known since: what it opened before still counts where it was counted.
  known.add(8);
  assert.equal(dial(8, 5), FLAG_RST, 'the port is full of those who are known');
  for (const event of solo.events) if (event.type === 'incoming') solo.streams.abort(event.conn, solo.now);
  solo.take();
  assert.deepEqual(
    [11, 12, 13, 14].map((port) => dial(8, port)),
    [OPEN, OPEN, OPEN, FLAG_RST],
  );
});

test('one peer cannot hold all streams of a port', () => {
  const limits = { rate: 100, burst: 100, sourceRate: 100, sourceBurst: 100 };
  const solo = new Solo({ maxPerPort: 4, maxPerPeer: 2, synLimits: limits });
  solo.streams.listen(OUR_PORT);
  const dial = (node: number, sourcePort: number): number =>
    solo.give({ flags: FLAG_SYN, sourcePort, destinationPort: OUR_PORT }, node)[0]!.flags;
  assert.equal(dial(7, 1), FLAG_SYN | FLAG_ACK);
  assert.equal(dial(7, 2), FLAG_SYN | FLAG_ACK);
  assert.equal(dial(7, 3), FLAG_RST);
  assert.equal(dial(8, 1), FLAG_SYN | FLAG_ACK);
  const first = solo.events.find((event) => event.type === 'incoming')!;
  solo.streams.abort(first.conn, solo.now);
  solo.take();
  assert.equal(dial(7, 4), FLAG_SYN | FLAG_ACK);
});

test('a port is listened on once, and streams outlive their listener', () => {
  const { solo, give, conn } = openIncoming();
  assert.equal(solo.streams.listen(OUR_PORT), false);
  solo.streams.unlisten(OUR_PORT);
  assert.equal(solo.give({ flags: FLAG_SYN, sourcePort: 77 })[0]!.flags, FLAG_RST);
  give({ payload: Uint8Array.of(1, 2, 3) });
  assert.equal(solo.streams.read(conn, solo.now)!.length, 3);
  assert.equal(solo.streams.listen(OUR_PORT), true);
});

test('abortPeer resets all streams of one node but those of the spared port', () => {
  const solo = new Solo();
  for (const port of [10, 444]) solo.streams.listen(port);
  for (const port of [10, 444]) solo.give({ flags: FLAG_SYN, destinationPort: port });
  solo.give({ flags: FLAG_SYN, destinationPort: 10 }, 3);
  solo.streams.abortPeer(2, solo.now, 'untrusted', 444);
  const resets = solo.take();
  assert.deepEqual(
    resets.map(({ flags, destination, sourcePort }) => [flags, destination.node, sourcePort]),
    [[FLAG_RST, 2, 10]],
  );
  assert.equal(solo.event('closed')!.reason, 'untrusted');
  assert.equal(solo.streams.status().length, 2);
});

test('believes a reset in the window, and an empty one only from a peer that sends no others', () => {
  for (const options of [false, true]) {
    const { solo, give, ourSeq } = openIncoming(options);
    give({ flags: FLAG_RST, seq: add(1, -100), ack: 7 });
    give({ flags: FLAG_RST, seq: 0x8000_0000, ack: 7 });
    assert.equal(solo.event('closed'), undefined);
    give({ flags: FLAG_RST, seq: 0, ack: 0 });
    assert.equal(solo.event('closed')?.reason, options ? undefined : 'reset');
    give({ flags: FLAG_RST, seq: 1, ack: ourSeq });
    assert.equal(solo.event('closed')!.reason, 'reset');
    assert.equal(solo.streams.status().length, 0);
  }
});
