import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat, equal, toHex } from '../../base/bytes.ts';
import type { Endpoint } from '../../base/units.ts';
import { nodeRandom } from '../../platform/random.ts';
import { FLAG_ACK, type Packet, PROTOCOL_STREAM } from '../../wire/packet.ts';
import { PILS_OVERHEAD } from '../../wire/tunnel-frames.ts';
import { KeySlot } from '../session/key-slot.ts';
import { crypto } from '../session/session.testkit.ts';
import { seededRandom } from '../stream/streams.testkit.ts';
import { Departures, LONGEST_TRAIN, MOST_FRAMES } from './departures.ts';
import { BEACON, type Pair, pair } from './tunnel.testkit.ts';
import type { Tunnel } from './tunnel.ts';

const random = seededRandom(11);
const HEADERS = 34 + PILS_OVERHEAD;

function packetOf(length: number, seq = 0, node = 1): Packet {
  return {
    protocol: PROTOCOL_STREAM,
    flags: FLAG_ACK,
    source: { network: 0, node },
    destination: { network: 0, node: 3 - node },
    sourcePort: 50_000,
    destinationPort: 7,
    seq,
    ack: 5,
    window: 9,
    payload: random.bytes(length),
  };
}

function slotOf(node: number): KeySlot {
  const key = crypto.agreementKey(new Uint8Array(32).fill(7));
  return new KeySlot({
    crypto,
    random: nodeRandom(),
    node,
    peer: 3 - node,
    offer: {
      publicKey: key.publicKey,
      pila: new Uint8Array(0),
      createdAt: 0,
      key,
      paired: new Set(),
      sendings: 0,
    },
    peerKey: '',
    peerKeyBytes: new Uint8Array(32),
    key: new Uint8Array(32).fill(9),
    first: node === 1,
    now: 0,
  });
}

interface Train {
  readonly data: Uint8Array;
  readonly segment: number;
}

const WAY = { endpoint: { host: '192.0.2.1', port: 4000 }, relay: false, via: 0 };

/** The trains that packets of these lengths leave in. */
function trainsOf(lengths: readonly number[], reuses = true): number[][] {
  const trains: number[][] = [];
  const departures = new Departures(reuses, (_to, data, _via, segment) => {
    const frames = Array.from({ length: Math.ceil(data.length / segment) }, (_, i) =>
      Math.min(segment, data.length - i * segment),
    );
    assert.ok(data.length <= LONGEST_TRAIN && frames.length <= MOST_FRAMES);
    trains.push(frames.map((length) => length - HEADERS));
  });
  const slot = slotOf(1);
  for (const length of lengths) assert.ok(departures.add(slot, WAY, packetOf(length), 1, 2));
  departures.close();
  departures.close();
  return trains;
}

test('packets of one length make a train, a shorter one ends it, a longer one begins another', () => {
  assert.deepEqual(trainsOf([1152, 1152, 1152, 40, 40, 1152]), [[1152, 1152, 1152, 40], [40], [1152]]);
  assert.deepEqual(trainsOf(new Array(70).fill(0)), [new Array(64).fill(0), new Array(6).fill(0)]);
  assert.deepEqual(
    trainsOf([30_000, 30_000, 30_000, 65_000]).map((train) => train.length),
    [2, 1, 1],
  );
  for (let i = 0; i < 200; i++) {
    const lengths = Array.from({ length: random.below(150) }, () => 8 * random.below(1 + random.below(300)));
    assert.deepEqual(trainsOf(lengths, random.below(2) === 0).flat(), lengths);
  }
});

test('a packet to somewhere else, or under another key, begins a train of its own', () => {
  const trains: string[] = [];
  const departures = new Departures(true, (to, data, via, segment) =>
    trains.push(`${to.port} ${via} ${data.length / segment}`),
  );
  const [one, other] = [slotOf(1), slotOf(1)];
  const elsewhere = { ...WAY, endpoint: { host: '192.0.2.1', port: 5000 }, via: 3 };
  for (const [slot, way] of [
    [one, WAY],
    [one, WAY],
    [one, elsewhere],
    [other, elsewhere],
    [one, WAY],
  ] as const)
    departures.add(slot, way, packetOf(100), 1, 2);
  departures.close();
  assert.deepEqual(trains, ['4000 0 2', '5000 3 1', '5000 3 1', '4000 0 1']);
});

test('the one buffer is used again once its bytes are gone, and not before', () => {
  const buffers: ArrayBufferLike[] = [];
  const copies: Uint8Array[] = [];
  const trains: Uint8Array[] = [];
  const departures = new Departures(true, (_to, data) => {
    buffers.push(data.buffer);
    trains.push(data);
    copies.push(data.slice());
  });
  const slot = slotOf(1);
  for (let turn = 0; turn < 20; turn++) {
    trains.length = 0;
    copies.length = 0;
    for (let i = 0; i < 200; i++) departures.add(slot, WAY, packetOf(1152), 1, 2);
    departures.close();
    for (const [index, train] of trains.entries()) assert.ok(equal(train, copies[index]!));
    departures.drained();
  }
  assert.equal(new Set(buffers).size, 1);
});

/** Two nodes that know each other, and what one of them puts on the wire, taken off it. */
function scene(
  seed: string,
  nat: { a?: 'symmetric'; b?: 'symmetric' } = {},
): Pair & {
  train(packets: readonly Packet[]): Train;
} {
  const both = pair(seed, { beacon: nat.a !== undefined, ...nat });
  const { internet, a, b } = both;
  a.say(2, 'hello');
  internet.run(2_000);
  b.say(1, 'hello');
  internet.run(2_000);
  a.say(2, 'hello');
  internet.run(2_000);
  b.received.length = 0;
  return {
    ...both,
    train(packets) {
      const frames: Uint8Array[] = [];
      internet.filter = ({ to, data }) => {
        const toB = nat.a === undefined ? to.host === b.local.host : to.port !== BEACON.port;
        if (toB) frames.push(data);
        return !toB;
      };
      for (const packet of packets) assert.equal(a.tunnel.sendPacket(2, packet, internet.now), 'sent');
      a.drain();
      internet.run(200);
      internet.filter = () => true;
      // What follows is of the path itself.
      const lengths = new Set(packets.map(({ payload }) => payload.length + HEADERS + (nat.a ? 5 : 0)));
      const data = frames.filter((frame) => lengths.has(frame.length)).slice(0, packets.length);
      return { data: concat(...data), segment: data[0]!.length };
    },
  };
}

const arrived = (both: Pair): string[] => both.b.received.map(({ packet }) => toHex(packet.payload));

for (const kind of ['direct', 'relayed'] as const) {
  const nat = kind === 'direct' ? {} : ({ a: 'symmetric', b: 'symmetric' } as const);
  test(`a train is opened in one go, ${kind}: every packet once, and a second time none`, () => {
    const both = scene(`train ${kind}`, nat);
    const packets = [...Array.from({ length: 20 }, (_, i) => packetOf(700, i)), packetOf(531, 99)];
    const { data, segment } = both.train(packets);
    const from = kind === 'direct' ? both.a.local : BEACON;
    const again = data.slice();
    take(both.b.tunnel, from, data, segment, both.internet.now);
    both.b.drain();
    assert.deepEqual(
      arrived(both),
      packets.map(({ payload }) => toHex(payload)),
    );
    assert.equal(both.b.received[0]!.path, kind === 'direct' ? 'direct' : 'relay');
    take(both.b.tunnel, from, again, segment, both.internet.now);
    both.b.drain();
    assert.equal(both.b.received.length, 21);
    assert.equal(both.b.tunnel.drops().replayed, 21);
  });
}

test('a frame of a train that was tampered with is dropped alone', () => {
  const both = scene('tampered');
  const packets = Array.from({ length: 5 }, (_, i) => packetOf(300, i));
  const { data, segment } = both.train(packets);
  data[2 * segment + 60]! ^= 1;
  take(both.b.tunnel, both.a.local, data, segment, both.internet.now);
  both.b.drain();
  assert.deepEqual(
    arrived(both),
    packets.filter(({ seq }) => seq !== 2).map(({ payload }) => toHex(payload)),
  );
  assert.equal(both.b.tunnel.drops().unauthentic, 1);
});

test('a train of anything else is taken datagram by datagram, and nothing in it throws', () => {
  const both = scene('hostile');
  const { data, segment } = both.train(Array.from({ length: 6 }, (_, i) => packetOf(200, i)));
  for (let i = 0; i < 400; i++) {
    const hostile = data.slice(0, random.below(data.length) + 1);
    for (let flips = random.below(4); flips > 0; flips--)
      hostile[random.below(hostile.length)] = random.u32();
    const cut = random.below(3) === 0 ? 1 + random.below(200) : segment;
    take(both.b.tunnel, both.a.local, hostile, cut, both.internet.now);
    take(both.b.tunnel, BEACON, hostile, cut, both.internet.now);
    both.b.drain();
  }
  assert.ok(new Set(both.b.received.map(({ packet }) => packet.seq)).size === both.b.received.length);
  both.b.received.length = 0;
  both.a.say(2, 'still there?');
  both.internet.run(1_000);
  assert.deepEqual(both.b.heard(), ['still there?']);
});

/** As a node does: what is not taken as a train is handled one by one. */
function take(tunnel: Tunnel, from: Endpoint, lent: Uint8Array, segment: number, now: number): void {
  if (tunnel.takesTrain(from, lent, segment, now)) return;
  const own = lent.slice();
  for (let at = 0; at < own.length; at += segment)
    tunnel.handleDatagram(from, own.subarray(at, at + segment), now);
}
