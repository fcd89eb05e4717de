/** The thirteen rules of spec/03 §10 for talking to old peers, one or more tests each. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat, EMPTY, utf8 } from '../../base/bytes.ts';
import { add, after, distance } from '../../base/seq.ts';
import { FLAG_ACK, FLAG_FIN, FLAG_RST, FLAG_SYN, type Packet } from '../../wire/packet.ts';
import { encodeSack, looksLikeSack } from '../../wire/sack.ts';
import { exchange } from './exchange.testkit.ts';
import { OldPeer } from './old-peer.testkit.ts';
import { OUR_PORT, openDialed, openIncoming, PEER, PEER_PORT, Solo } from './solo.testkit.ts';
import { type Link, type LinkConditions, seededRandom } from './streams.testkit.ts';
import { Streams } from './streams.ts';

const LOSSY: Partial<LinkConditions> = { delay: 20, jitter: 5, loss: 0.05, duplicate: 0.02, reorder: 0.05 };

/** We dial an old peer and send it 200 kB over a bad link; returns everything we sent. */
function sendToOldPeer(writes: number): Packet[] {
  const sent: Packet[] = [];
  const random = seededRandom(writes);
  const ours = new Streams({ random: random.fork('ours') });
  ours.setNode(1);
  const watch = (link: Link): void => {
    link.filter = (from, packet) => {
      if (from === 0) sent.push(packet);
      return true;
    };
  };
  const plan = {
    sizes: [200_000, 0],
    writes: [writes, 1],
    readPauses: [0, 0],
    closes: ['when_written', 'at_end'],
  } as const;
  const result = exchange([ours, new OldPeer(2)], random, LOSSY, [plan], 300_000, watch);
  assert.deepEqual(result.ends, [['finished', 'finished']]);
  return sent;
}

test('rule 1: repeats segments with identical boundaries', () => {
  for (const writes of [65_536, 700]) {
    const lengths = new Map<number, number>();
    let repeated = 0;
    for (const packet of sendToOldPeer(writes)) {
      if (packet.payload.length === 0 || (packet.flags & FLAG_SYN) !== 0) continue;
      if (looksLikeSack(packet.payload, 0, packet.payload.length)) continue;
      const before = lengths.get(packet.seq);
      if (before !== undefined) {
        repeated++;
        assert.equal(packet.payload.length, before);
      }
      lengths.set(packet.seq, packet.payload.length);
    }
    assert.ok(repeated > 0);
    const edges = [...lengths].sort(([a], [b]) => distance(a, b));
    for (let i = 1; i < edges.length; i++) {
      assert.equal(edges[i]![0], add(edges[i - 1]![0], edges[i - 1]![1]), 'segments overlap or leave a gap');
    }
  }
});

test('rule 2: sets ACK on every data packet', () => {
  for (const packet of sendToOldPeer(1152)) {
    if (packet.payload.length === 0 || (packet.flags & FLAG_SYN) !== 0) continue;
    assert.equal(packet.flags, FLAG_ACK);
  }
});

test('rule 3: puts no user data into SYN or FIN', () => {
  const solo = new Solo();
  const conn = solo.streams.dial({ network: 0, node: PEER }, PEER_PORT, solo.now);
  solo.streams.write(conn, utf8('early'), solo.now);
  const [syn] = solo.take();
  assert.ok(!Buffer.from(syn!.payload).includes('early'));
  for (const packet of sendToOldPeer(1152)) {
    if ((packet.flags & FLAG_FIN) !== 0) assert.equal(packet.payload.length, 0);
  }
});

test('rule 4: never advertises a window of zero', () => {
  const { give, solo, conn } = openIncoming(false, { initialReceiveBuffer: 16_384 });
  const segment = new Uint8Array(4096);
  for (let i = 0; i < 30; i++) {
    const answers = give({ seq: 1 + 4096 * i, payload: segment });
    for (const packet of [...answers, ...solo.wait(50)])
      assert.ok(packet.window >= 1, `window ${packet.window}`);
  }
  assert.ok(solo.streams.statusOf(conn)!.receiveWindow === 1);
});

test('rule 5: cuts data that an old peer would take for SACK so that its first piece is shorter than five bytes', () => {
  const { solo, conn } = openDialed();
  const data = concat(encodeSack([{ left: 5, right: 9 }]), utf8(' and then some'));
  solo.streams.write(conn, data, solo.now);
  const sent = solo.take().filter(({ payload }) => payload.length > 0);
  assert.ok(sent[0]!.payload.length < 5);
  for (const { payload } of sent) assert.ok(!looksLikeSack(payload, 0, payload.length));
  assert.deepEqual(concat(...sent.map(({ payload }) => payload)), data);
});

test('rule 6: sends FIN only when all own data is acknowledged', () => {
  const { solo, conn, give, ourSeq } = openDialed();
  solo.streams.write(conn, new Uint8Array(3000), solo.now);
  solo.streams.close(conn, solo.now);
  const isFin = ({ flags }: Packet): boolean => (flags & FLAG_FIN) !== 0;
  assert.ok(!solo.take().some(isFin));
  assert.ok(!solo.wait(300).some(isFin));
  assert.ok(!give({ ack: add(ourSeq, 1152) }).some(isFin));
  const [fin] = give({ ack: add(ourSeq, 3000) }).filter(isFin);
  assert.equal(fin!.flags, FLAG_FIN);
  assert.equal(fin!.seq, add(ourSeq, 3000));
});

test('rule 7: waits half a second for data that a FIN has overtaken', () => {
  const { solo, conn, give, peerSeq } = openIncoming();
  give({ flags: FLAG_FIN, seq: add(peerSeq, 5), ack: 0, window: 0 });
  solo.wait(400);
  assert.equal(solo.streams.atEnd(conn), false);
  give({ payload: utf8('hello') });
  assert.equal(Buffer.from(solo.streams.read(conn, solo.now)!).toString(), 'hello');
  assert.equal(solo.streams.atEnd(conn), true);
});

test('rule 7: reports a stream as reset, not as finished, when the data in front of FIN never comes', () => {
  const { solo, conn, give, peerSeq } = openIncoming();
  give({ payload: utf8('hel') });
  give({ flags: FLAG_FIN, seq: add(peerSeq, 5), ack: 0, window: 0 });
  solo.wait(600);
  assert.deepEqual(solo.event('closed'), { type: 'closed', conn, reason: 'reset' });
  assert.equal(solo.streams.atEnd(conn), false);
});

test('rule 8: answers FIN with one FIN+ACK, and FIN+ACK with nothing', () => {
  const { solo, give, peerSeq, ourSeq } = openIncoming();
  const answers = give({ flags: FLAG_FIN, ack: 0, window: 0 });
  assert.equal(answers.length, 1);
  assert.equal(answers[0]!.flags, FLAG_FIN | FLAG_ACK);
  assert.equal(answers[0]!.ack, add(peerSeq, 1));
  for (let i = 0; i < 20; i++) {
    assert.deepEqual(
      give({ flags: FLAG_FIN | FLAG_ACK, seq: add(peerSeq, 1), ack: add(ourSeq, 1), window: 0 }),
      [],
    );
  }
  assert.deepEqual(solo.wait(9000), []);
  // Once the connection is forgotten as well.
  solo.wait(60_000);
  assert.deepEqual(
    give({ flags: FLAG_FIN | FLAG_ACK, seq: add(peerSeq, 1), ack: add(ourSeq, 1), window: 0 }),
    [],
  );
});

test('rule 8: takes FIN+ACK for the acknowledgment of its own FIN and for the end of the peer', () => {
  const { solo, conn, give, ourSeq } = openDialed();
  solo.streams.close(conn, solo.now);
  assert.equal(solo.take()[0]!.flags, FLAG_FIN);
  assert.deepEqual(give({ flags: FLAG_FIN | FLAG_ACK, ack: add(ourSeq, 1), window: 0 }), []);
  assert.deepEqual(solo.event('closed'), { type: 'closed', conn, reason: 'finished' });
});

test('rule 8: never answers a pong and pings from a port other than zero', () => {
  const solo = new Solo();
  const control = { protocol: 3, destinationPort: 0 };
  const [pong] = solo.give({ ...control, flags: 0, seq: 77, ack: 0, payload: utf8('x') });
  assert.deepEqual(
    { seq: pong!.seq, ack: pong!.ack, port: pong!.sourcePort, flags: pong!.flags, to: pong!.destinationPort },
    { seq: 77, ack: 78, port: 0, flags: FLAG_ACK, to: PEER_PORT },
  );
  assert.deepEqual(solo.give({ ...control, flags: FLAG_ACK, seq: 77, ack: 78, sourcePort: 0 }), []);
  assert.deepEqual(solo.give({ ...control, flags: 0, seq: 77, ack: 78 }), []);
  solo.streams.ping(PEER, solo.now);
  assert.notEqual(solo.take()[0]!.sourcePort, 0);
});

test('rule 9: resets a stale connection that answers its SYN and redials from another port', () => {
  const solo = new Solo();
  const conn = solo.streams.dial({ network: 0, node: PEER }, PEER_PORT, solo.now);
  solo.streams.write(conn, utf8('kept'), solo.now);
  const [syn] = solo.take();
  const stale = { flags: FLAG_SYN | FLAG_ACK, seq: 4711, ack: 9000, destinationPort: syn!.sourcePort };
  const [reset, again] = solo.give(stale);
  assert.equal(reset!.flags, FLAG_RST);
  assert.equal(reset!.sourcePort, syn!.sourcePort);
  assert.equal(again!.flags, FLAG_SYN);
  assert.notEqual(again!.sourcePort, syn!.sourcePort);
  assert.equal(solo.event('connected'), undefined);
  const ports = { destinationPort: again!.sourcePort };
  const sent = solo.give({ ...ports, flags: FLAG_SYN | FLAG_ACK, seq: 0, ack: add(again!.seq, 1) });
  assert.equal(solo.event('connected')!.conn, conn);
  assert.equal(Buffer.from(sent.at(-1)!.payload).toString(), 'kept');
});

test('rule 9: redials when an old listener repeats SYN+ACK with the number of a byte we have missed', () => {
  const solo = new Solo();
  const conn = solo.streams.dial({ network: 0, node: PEER }, PEER_PORT, solo.now);
  const [syn] = solo.take();
  const ports = { destinationPort: syn!.sourcePort };
  const answers = solo.give({ ...ports, flags: FLAG_SYN | FLAG_ACK, seq: 5000, ack: add(syn!.seq, 1) });
  assert.deepEqual(
    answers.map(({ flags }) => flags),
    [FLAG_RST, FLAG_SYN],
  );
  assert.equal(solo.event('connected'), undefined);
  assert.equal(solo.streams.statusOf(conn)!.state, 'SYN_SENT');
});

test('rule 9: loses nothing to the stale connection of a dialer that has restarted', () => {
  // Old dialer, ISN 0, port 49152: the same four numbers after its restart, while our end is still open.
  const { solo, give, conn } = openIncoming();
  give({ payload: utf8('first life') });
  solo.wait(5000);
  const [synAck] = give({ flags: FLAG_SYN, seq: 0, ack: 0 });
  assert.deepEqual(solo.event('closed'), { type: 'closed', conn, reason: 'reset' });
  assert.equal(synAck!.flags, FLAG_SYN | FLAG_ACK);
  assert.equal(synAck!.ack, 1);
  const second = solo.event('incoming')!.conn;
  assert.notEqual(second, conn);
  give({ seq: 1, ack: add(synAck!.seq, 1), payload: utf8('second life') });
  assert.equal(Buffer.from(solo.streams.read(second, solo.now)!).toString(), 'second life');
});

test('rule 10: first sequence numbers and ephemeral ports are random', () => {
  const seqs = new Set<number>();
  const ports = new Set<number>();
  for (let seed = 0; seed < 20; seed++) {
    const solo = new Solo({}, undefined, seed);
    solo.streams.dial({ network: 0, node: PEER }, PEER_PORT, solo.now);
    const [syn] = solo.take();
    seqs.add(syn!.seq);
    ports.add(syn!.sourcePort);
    assert.ok(syn!.sourcePort >= 49_152);
  }
  assert.ok(seqs.size === 20);
  assert.ok(ports.size > 15);
});

test('rule 11: answers a keep-alive with one plain ACK, at most once per second', () => {
  const { solo, give, ourSeq, peerSeq } = openIncoming();
  solo.wait(2000);
  const [answer, ...more] = give({ window: 0 });
  assert.deepEqual(more, []);
  assert.deepEqual([answer!.flags, answer!.seq, answer!.ack], [FLAG_ACK, ourSeq, peerSeq]);
  assert.equal(answer!.payload.length, 0);
  assert.deepEqual(give({ window: 0 }), []);
  solo.wait(1100);
  assert.equal(give({ window: 0 }).length, 1);
});

test('rule 11: answers the probe of a blocked sender when it is owed a window', () => {
  const { solo, give, conn } = openIncoming(false, { initialReceiveBuffer: 16_384, receiveBuffer: 16_384 });
  for (let i = 0; i < 4; i++) give({ seq: 1 + 4096 * i, payload: new Uint8Array(4096) });
  assert.deepEqual(give({ seq: 1 + 16_384 }), [], 'nothing has changed yet');
  solo.streams.read(conn, solo.now, 4096);
  solo.streams.read(conn, solo.now, 4096);
  assert.deepEqual(solo.take(), [], 'too little room to announce unasked');
  const [answer] = give({ seq: 1 + 16_384 });
  assert.equal(answer!.window, 2);
  assert.deepEqual(give({ seq: 1 + 16_384 }), [], 'once is enough');
});

test('rule 11: an idle stream with an old peer lives for ten minutes', () => {
  for (const oldDials of [true, false]) {
    const random = seededRandom(1);
    const ours = new Streams({ random });
    ours.setNode(oldDials ? 2 : 1);
    const old = new OldPeer(oldDials ? 1 : 2);
    const plan = { sizes: [5, 0], writes: [5, 5], readPauses: [0, 0], closes: ['at_end', 'at_end'] } as const;
    const peers = oldDials ? ([old, ours] as const) : ([ours, old] as const);
    const result = exchange(peers, random, { delay: 20, loss: 0.05 }, [plan], 600_000);
    assert.deepEqual(result.ends, [[undefined, undefined]]);
    assert.ok(result.packets < 120, `${result.packets} packets`);
  }
});

test('rule 12: repairs a loss from SACK-bearing ACKs, without waiting for a timeout', () => {
  const { solo, conn, give, ourSeq } = openDialed();
  solo.wait(100);
  solo.streams.write(conn, new Uint8Array(20 * 1152), solo.now);
  const first = solo.take();
  assert.equal(first.length, 10);
  solo.now += 40;
  const at = (i: number): number => add(ourSeq, i * 1152);
  let sent: Packet[] = [];
  for (let i = 2; i <= 4; i++)
    sent = sent.concat(give({ payload: encodeSack([{ left: at(1), right: at(i) }]) }));
  assert.ok(
    sent.some(({ seq }) => seq === ourSeq),
    'the lost segment is repeated at once',
  );
  assert.ok(solo.streams.statusOf(conn)!.inRecovery);
});

test('rule 13: accepts acknowledgments only of what was sent', () => {
  const { solo, conn, give, ourSeq } = openDialed();
  solo.streams.write(conn, new Uint8Array(1000), solo.now);
  solo.take();
  give({ ack: add(ourSeq, 5000), payload: utf8('bogus') });
  give({ ack: add(ourSeq, -5), window: 1, payload: EMPTY });
  const status = solo.streams.statusOf(conn)!;
  assert.equal(status.inFlight, 1000);
  assert.equal(status.peerWindow, 512);
  assert.equal(solo.streams.read(conn, solo.now), undefined);
  give({ ack: add(ourSeq, 1000) });
  assert.equal(solo.streams.statusOf(conn)!.inFlight, 0);
  assert.ok(after(add(ourSeq, 1000), ourSeq));
  assert.equal(OUR_PORT, 1000);
});
