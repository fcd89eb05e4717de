/** Datagrams, pings, and the shapes of recorded traffic. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8 } from '../../base/bytes.ts';
import { loadVectors } from '../../wire/codec.testkit.ts';
import {
  FLAG_ACK,
  FLAG_FIN,
  FLAG_RST,
  FLAG_SYN,
  type Packet,
  PROTOCOL_CONTROL,
  PROTOCOL_DATAGRAM,
  PROTOCOL_STREAM,
} from '../../wire/packet.ts';
import { openIncoming, PEER, Solo, US } from './solo.testkit.ts';

test('sends a datagram from a fresh port and delivers what arrives', () => {
  const solo = new Solo();
  assert.equal(solo.streams.sendDatagram({ network: 3, node: PEER }, 6000, utf8('hi'), solo.now), 'sent');
  const [packet] = solo.take();
  assert.ok(packet!.sourcePort >= 49_152);
  assert.deepEqual(
    { ...packet, sourcePort: 0 },
    {
      protocol: PROTOCOL_DATAGRAM,
      flags: 0,
      source: { network: 3, node: US },
      destination: { network: 3, node: PEER },
      sourcePort: 0,
      destinationPort: 6000,
      seq: 0,
      ack: 0,
      window: 0,
      payload: utf8('hi'),
    },
  );
  solo.give({ protocol: PROTOCOL_DATAGRAM, flags: 0, destinationPort: 7, payload: utf8('yo') });
  assert.deepEqual(solo.event('datagram'), {
    type: 'datagram',
    from: { network: 0, node: PEER },
    fromPort: 50_000,
    toPort: 7,
    payload: utf8('yo'),
  });
});

test('a datagram leaves from the port asked for, and is a copy', () => {
  const solo = new Solo();
  const payload = utf8('abc');
  solo.streams.sendDatagram({ network: 0, node: PEER }, 1, payload, solo.now, 77);
  payload.fill(0);
  const [packet] = solo.take();
  assert.deepEqual([packet!.sourcePort, packet!.payload], [77, utf8('abc')]);
});

test('datagrams and pings leave before the segments of their turn', () => {
  const { solo, conn } = openIncoming(true);
  solo.streams.write(conn, new Uint8Array(5000), solo.now);
  solo.streams.sendDatagram({ network: 0, node: PEER }, 1, utf8('urgent'), solo.now);
  solo.streams.ping(PEER, solo.now);
  const protocols = solo.take().map(({ protocol }) => protocol);
  assert.deepEqual(protocols.slice(0, 3), [PROTOCOL_DATAGRAM, PROTOCOL_CONTROL, PROTOCOL_STREAM]);
});

test('refuses datagrams that nobody can send, and drops empty ones that arrive', () => {
  const { streams, now } = new Solo();
  const to = { network: 0, node: PEER };
  assert.equal(streams.sendDatagram(to, 1, new Uint8Array(65_429), now), 'too_large');
  assert.equal(streams.sendDatagram(to, 1, new Uint8Array(65_428), now), 'sent');
  assert.equal(streams.sendDatagram(to, 1, new Uint8Array(0), now), 'invalid');
  assert.equal(streams.sendDatagram({ network: 0, node: 0 }, 1, utf8('x'), now), 'invalid');
  assert.equal(streams.sendDatagram({ network: 1, node: 0xffff_ffff }, 1, utf8('x'), now), 'invalid');
  const solo = new Solo();
  solo.give({ protocol: PROTOCOL_DATAGRAM, flags: 0 });
  assert.equal(solo.event('datagram'), undefined);
});

test('a ping is answered once, by the node it was sent to', () => {
  const solo = new Solo();
  const token = solo.streams.ping(PEER, solo.now);
  const [ping] = solo.take();
  assert.deepEqual([ping!.protocol, ping!.destinationPort, ping!.seq], [PROTOCOL_CONTROL, 0, token]);
  assert.ok(ping!.payload.length >= 8);
  solo.now += 33;
  const pong = {
    protocol: PROTOCOL_CONTROL,
    flags: FLAG_ACK,
    sourcePort: 0,
    destinationPort: ping!.sourcePort,
    seq: token,
    ack: token + 1,
    payload: ping!.payload,
  };
  solo.give(pong, 99);
  assert.equal(solo.event('pong'), undefined);
  solo.give(pong);
  assert.deepEqual(solo.event('pong'), { type: 'pong', token, from: PEER, rtt: 33 });
  solo.give(pong);
  assert.equal(solo.events.filter(({ type }) => type === 'pong').length, 1);
});

test('remembers a bounded number of pings', () => {
  const solo = new Solo();
  const tokens = Array.from({ length: 3000 }, () => solo.streams.ping(PEER, solo.now));
  assert.equal(new Set(tokens).size, 3000);
  const pings = solo.take();
  const answer = (packet: Packet): void => {
    const { sourcePort, seq, payload } = packet;
    solo.give({
      protocol: PROTOCOL_CONTROL,
      sourcePort: 0,
      destinationPort: sourcePort,
      seq,
      ack: seq + 1,
      payload,
    });
  };
  for (const ping of pings) answer(ping);
  assert.equal(solo.events.filter(({ type }) => type === 'pong').length, 1024);
});

interface Recorded {
  readonly from_port: number;
  readonly flags?: string;
  readonly plen: number;
  readonly src_node: number;
  readonly dst_node: number;
  readonly src_port: number;
  readonly dst_port: number;
  readonly seq: number;
  readonly ack: number;
  readonly window: number;
}

const FLAGS: Readonly<Record<string, number>> = {
  SYN: FLAG_SYN,
  ACK: FLAG_ACK,
  FIN: FLAG_FIN,
  RST: FLAG_RST,
};

/** Stream packets of a recorded run that came from one node; of long payloads only the length was kept. */
function recorded(run: string, fromPort: number): Packet[] {
  const trace = loadVectors<Record<string, Recorded[]>>('stream-trace');
  const packets: Packet[] = [];
  for (const entry of trace[run]!) {
    if (entry.from_port !== fromPort || entry.flags === undefined) continue;
    let flags = 0;
    for (const name of entry.flags.split('|')) flags |= FLAGS[name]!;
    packets.push({
      protocol: PROTOCOL_STREAM,
      flags,
      source: { network: 0, node: entry.src_node },
      destination: { network: 0, node: entry.dst_node },
      sourcePort: entry.src_port,
      destinationPort: entry.dst_port,
      seq: entry.seq,
      ack: entry.ack,
      window: entry.window,
      payload: new Uint8Array(entry.plen),
    });
  }
  return packets;
}

test('replays the dialer of a recorded echo: our answers have the recorded shape', () => {
  const solo = new Solo();
  solo.streams.setNode(2);
  solo.streams.listen(7);
  const shapes: string[] = [];
  let shift = 0;
  for (const packet of recorded('ping_echo', 19_210)) {
    const ack = packet.ack === 0 ? 0 : packet.ack + shift;
    solo.streams.handlePacket({ ...packet, ack }, solo.now);
    const arrived = solo.event('readable');
    if (arrived !== undefined) {
      const data = solo.streams.read(arrived.conn, solo.now);
      if (data !== undefined) solo.streams.write(arrived.conn, data, solo.now);
    }
    for (const { flags, seq, ack, payload } of solo.take()) {
      if (shapes.length === 0) shift = seq;
      shapes.push(`${flags} ${seq - shift} ${ack} ${payload.length}`);
    }
  }
  const expected = recorded('ping_echo', 19_211).map(
    ({ flags, seq, ack, payload }) => `${flags} ${seq} ${ack} ${payload.length}`,
  );
  assert.deepEqual(shapes, expected);
});

test('replays a recorded refusal: our dial fails at once', () => {
  const solo = new Solo();
  const conn = solo.streams.dial({ network: 0, node: 2 }, 9, solo.now);
  const [syn] = solo.take();
  const [reset] = recorded('refused', 19_211);
  solo.streams.handlePacket({ ...reset!, destinationPort: syn!.sourcePort }, solo.now);
  assert.deepEqual(solo.event('dialFailed'), { type: 'dialFailed', conn, reason: 'refused' });
});

test('replays the sender of a recorded file: everything is received and the storm of FIN+ACK is not joined', () => {
  const solo = new Solo();
  solo.streams.setNode(2);
  solo.streams.listen(1001);
  let shift = 0;
  let received = 0;
  let answersAfterFin = 0;
  let sawFin = false;
  for (const packet of recorded('send_file_30000', 19_210)) {
    solo.streams.handlePacket({ ...packet, ack: packet.ack === 0 ? 0 : packet.ack + shift }, solo.now);
    for (const { seq } of solo.take()) {
      if (shift === 0) shift = seq;
      if (sawFin) answersAfterFin++;
    }
    const conn = solo.event('incoming')!.conn;
    for (let c = solo.streams.read(conn, solo.now); c !== undefined; c = solo.streams.read(conn, solo.now)) {
      received += c.length;
      // The recorded listener answered in two frames of 28 bytes together.
      if (received === 30_015) solo.streams.write(conn, new Uint8Array(28), solo.now);
    }
    sawFin ||= (packet.flags & FLAG_FIN) !== 0;
  }
  assert.equal(received, 30_015);
  assert.equal(sawFin, true);
  assert.equal(answersAfterFin, 0);
});
