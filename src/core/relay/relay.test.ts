import assert from 'node:assert/strict';
import { test } from 'node:test';
import { equal, toHex } from '../../base/bytes.ts';
import { formatEndpoint, sameEndpoint } from '../../base/endpoint.ts';
import type { Endpoint } from '../../base/units.ts';
import { nodeCrypto } from '../../platform/crypto.ts';
import { seededRandom } from '../../sim/net/seeded-random.ts';
import {
  decodeBeaconMessage,
  encodeDiscover,
  encodePunchRequest,
  encodeRelay,
  encodeSync,
  SYNC_MAX_NODES,
} from '../../wire/beacon.ts';
import { discoverSignedBytes } from '../../wire/beacon-extension.ts';
import { hex, loadVectors, neverThrows } from '../../wire/codec.testkit.ts';
import { CONTROL_BURST, ENTRY_LIFETIME, FRESH, PUNCH_BURST, RELAY_BURST } from './limits.ts';
import { Relay } from './relay.ts';
import type { RelayConfig, RelayOutput } from './types.ts';

const crypto = nodeCrypto();
const A: Endpoint = { host: '198.51.100.1', port: 4001 };
const B: Endpoint = { host: '198.51.100.2', port: 4002 };
const EVE: Endpoint = { host: '203.0.113.66', port: 6666 };
const PEER: Endpoint = { host: '192.0.2.9', port: 9001 };
const OTHER_PEER: Endpoint = { host: '192.0.2.10', port: 9001 };

/** A relay with its directory; time is the test's. */
class Bench {
  readonly relay: Relay;
  now = 0;
  readonly keys = new Map<number, Uint8Array>();
  /** Lookups wait until `answerKeys`. */
  readonly asked: number[] = [];
  readonly events: string[] = [];

  constructor(config: Partial<RelayConfig> = {}) {
    this.relay = new Relay({ crypto, random: seededRandom('relay'), config });
  }

  /** Feeds one datagram; returns what went out because of it. */
  send(from: Endpoint, data: Uint8Array): { to: Endpoint; data: Uint8Array }[] {
    this.relay.handleDatagram(from, data, this.now);
    return this.drain();
  }

  drain(): { to: Endpoint; data: Uint8Array }[] {
    const sent: { to: Endpoint; data: Uint8Array }[] = [];
    for (let output = this.relay.poll(); output !== undefined; output = this.relay.poll())
      this.#on(output, sent);
    return sent;
  }

  pass(millis: number): { to: Endpoint; data: Uint8Array }[] {
    this.now += millis;
    this.relay.handleTimeout(this.now);
    return this.drain();
  }

  answerKeys(): void {
    for (const node of this.asked.splice(0)) this.relay.identityKey(node, this.keys.get(node), this.now);
    this.drain();
  }

  /** What a node of ours does: asks, signs the challenge, asks again. */
  prove(node: number, at: Endpoint, seed = node): void {
    const identity = crypto.signingKey(new Uint8Array(32).fill(seed));
    if (seed === node) this.keys.set(node, identity.publicKey);
    const challenge = this.challenge(node, at);
    const signature = identity.sign(discoverSignedBytes(node, challenge));
    this.send(at, encodeDiscover(node, { challenge, signature }));
    this.answerKeys();
  }

  challenge(node: number, at: Endpoint): Uint8Array {
    const [reply] = this.send(at, encodeDiscover(node));
    const message = decodeBeaconMessage(reply!.data);
    assert.ok(
      typeof message !== 'string' && message.type === 'discoverReply' && message.challenge !== undefined,
    );
    return message.challenge;
  }

  whereIs(node: number): string | undefined {
    const entry = this.relay.entries().find((each) => each.node === node);
    return entry && formatEndpoint(entry.endpoint);
  }

  drops(reason: string): number {
    return (this.relay.stats().drops as Record<string, number>)[reason] ?? 0;
  }

  #on(output: RelayOutput, sent: { to: Endpoint; data: Uint8Array }[]): void {
    if (output.type === 'transmit') sent.push({ to: output.to, data: output.data });
    else if (output.type === 'needKey') this.asked.push(output.node);
    else this.events.push(output.event.name);
  }
}

interface Vectors {
  readonly a_endpoint: string;
  readonly b_endpoint: string;
  readonly messages: readonly {
    readonly name: string;
    readonly from?: 'a' | 'b';
    readonly sent_hex?: string;
    readonly received_by_a_hex?: string;
    readonly received_by_b_hex?: string;
  }[];
}

/** Where we refuse on purpose what the old beacon did. */
const REFUSED = new Set(['relay F2910004 -> 1, sender id is not checked against the source address']);

test('answers as an old beacon does, message by message', () => {
  const vectors = loadVectors<Vectors>('beacon');
  const endpoint = (text: string): Endpoint => ({
    host: text.split(':')[0]!,
    port: Number(text.split(':')[1]),
  });
  const [a, b] = [endpoint(vectors.a_endpoint), endpoint(vectors.b_endpoint)];
  const bench = new Bench({ challenges: false });
  bench.relay.setPeers([b]);
  let compared = 0;
  for (const vector of vectors.messages) {
    if (vector.sent_hex === undefined || vector.from === undefined) continue;
    const sent = bench.send(vector.from === 'a' ? a : b, hex(vector.sent_hex));
    const received = (at: Endpoint): string[] =>
      sent.filter(({ to }) => sameEndpoint(to, at)).map(({ data }) => toHex(data));
    const expected = (text: string | undefined): string[] =>
      text === undefined || REFUSED.has(vector.name) ? [] : [text];
    assert.deepEqual(received(a), expected(vector.received_by_a_hex), vector.name);
    assert.deepEqual(received(b), expected(vector.received_by_b_hex), vector.name);
    compared++;
  }
  assert.ok(compared >= 13);
});

test('a challenge is added where old daemons ignore it, but not for node 0', () => {
  const bench = new Bench();
  const [reply] = bench.send(A, encodeDiscover(1));
  assert.equal(reply!.data.length, 8 + 3 + 16);
  assert.equal(bench.send(A, encodeDiscover(0))[0]!.data.length, 8);
  assert.equal(bench.relay.stats().nodes, 1);
});

test('relays to where the destination registered, in place and without a copy of the frame', () => {
  const bench = new Bench();
  bench.send(A, encodeDiscover(1));
  bench.send(B, encodeDiscover(2));
  const frame = Uint8Array.from({ length: 1200 }, (_, i) => i);
  const [out] = bench.send(A, encodeRelay(1, 2, frame));
  assert.ok(sameEndpoint(out!.to, B));
  const delivered = decodeBeaconMessage(out!.data);
  assert.ok(typeof delivered !== 'string' && delivered.type === 'relayDeliver');
  assert.equal(delivered.sender, 1);
  assert.ok(equal(delivered.frame, frame));
});

test('hijack: another source can not take a node id while its entry is fresh, but later can', () => {
  const bench = new Bench();
  bench.send(A, encodeDiscover(1));
  bench.now += FRESH - 1;
  const replies = bench.send(EVE, encodeDiscover(1));
  assert.equal(bench.whereIs(1), formatEndpoint(A));
  assert.equal(replies.length, 1, 'it still learns its own endpoint');
  assert.ok(sameEndpoint(replies[0]!.to, EVE));
  assert.equal(bench.drops('held_by_other_source'), 1);
  bench.now += 2;
  bench.send(B, encodeDiscover(1));
  assert.equal(bench.whereIs(1), formatEndpoint(B), 'a node that moved is found again');
});

test('hijack: a proven node is moved by proof only, and then at once', () => {
  const bench = new Bench();
  bench.prove(1, A);
  assert.deepEqual(
    bench.relay.entries().map(({ proven }) => proven),
    [true],
  );
  bench.now += FRESH * 3;
  bench.send(EVE, encodeDiscover(1));
  assert.equal(bench.whereIs(1), formatEndpoint(A));
  bench.prove(1, EVE, 99);
  assert.equal(bench.whereIs(1), formatEndpoint(A), 'a proof by another key');
  bench.prove(1, B);
  assert.equal(bench.whereIs(1), formatEndpoint(B));
});

test('hijack: a proof takes a node id back from whoever holds it, however fresh', () => {
  const bench = new Bench();
  bench.send(EVE, encodeDiscover(1));
  bench.prove(1, A);
  assert.equal(bench.whereIs(1), formatEndpoint(A));
  assert.ok(bench.events.includes('relay.moved'));
});

test('hijack: a captured proof is worth nothing from another source, for another node, or later', () => {
  const bench = new Bench();
  const identity = crypto.signingKey(new Uint8Array(32).fill(1));
  bench.keys.set(1, identity.publicKey);
  bench.keys.set(2, identity.publicKey);
  const challenge = bench.challenge(1, A);
  const proof = { challenge, signature: identity.sign(discoverSignedBytes(1, challenge)) };
  bench.send(EVE, encodeDiscover(1, proof));
  bench.send(A, encodeDiscover(2, proof));
  bench.now += 301_000;
  bench.send(A, encodeDiscover(1, proof));
  assert.deepEqual(bench.asked, [], 'nobody is even looked up');
  assert.equal(bench.relay.stats().provenNodes, 0);
});

test('keys are asked for once per node, remembered, and asked for anew when they do not fit', () => {
  const bench = new Bench();
  const sign = (seed: number, node: number, at: Endpoint): void => {
    const identity = crypto.signingKey(new Uint8Array(32).fill(seed));
    const challenge = bench.challenge(node, at);
    bench.send(
      at,
      encodeDiscover(node, { challenge, signature: identity.sign(discoverSignedBytes(node, challenge)) }),
    );
  };
  const first = crypto.signingKey(new Uint8Array(32).fill(1));
  bench.keys.set(1, first.publicKey);
  sign(1, 1, A);
  sign(1, 1, A);
  assert.deepEqual(bench.asked, [1]);
  bench.answerKeys();
  assert.equal(bench.relay.stats().provenNodes, 1);
  sign(1, 1, B);
  assert.deepEqual(bench.asked, [], 'a remembered key is enough');
  assert.equal(bench.whereIs(1), formatEndpoint(B));
  bench.now += 10_000;
  bench.keys.set(1, crypto.signingKey(new Uint8Array(32).fill(3)).publicKey);
  sign(3, 1, A);
  bench.answerKeys();
  assert.equal(bench.whereIs(1), formatEndpoint(A), 'the node changed its key');
  sign(9, 1, EVE);
  bench.answerKeys();
  assert.ok(bench.drops('bad_proof') > 0);
  assert.equal(bench.whereIs(1), formatEndpoint(A));
});

test('relayed frames must come from where their sender registered', () => {
  const bench = new Bench();
  bench.send(A, encodeDiscover(1));
  bench.send(B, encodeDiscover(2));
  assert.deepEqual(bench.send(EVE, encodeRelay(1, 2, Uint8Array.of(1))), []);
  assert.deepEqual(bench.send(B, encodeRelay(1, 2, Uint8Array.of(1))), []);
  assert.deepEqual(bench.send(EVE, encodeRelay(77, 2, Uint8Array.of(1))), []);
  assert.equal(bench.drops('unregistered_sender'), 3);
});

test('a punch is coordinated only for a requester at its registered endpoint', () => {
  const bench = new Bench();
  bench.send(A, encodeDiscover(1));
  bench.send(B, encodeDiscover(2));
  assert.deepEqual(bench.send(EVE, encodePunchRequest(1, 2)), []);
  assert.deepEqual(bench.send(EVE, encodePunchRequest(77, 2)), []);
  assert.equal(bench.whereIs(77), undefined);
  assert.deepEqual(bench.send(A, encodePunchRequest(1, 99)), []);
  const sent = bench.send(A, encodePunchRequest(1, 2));
  assert.deepEqual(
    sent.map(({ to, data }) => [formatEndpoint(to), toHex(data)]),
    [
      [formatEndpoint(A), '0404c63364020fa2'],
      [formatEndpoint(B), '0404c63364010fa1'],
    ],
  );
});

test('the endpoint of a proven node is told to proven nodes only', () => {
  const bench = new Bench();
  bench.prove(2, B);
  bench.send(EVE, encodeDiscover(66));
  assert.deepEqual(bench.send(EVE, encodePunchRequest(66, 2)), []);
  assert.equal(bench.drops('unproven_requester'), 1);
  bench.prove(1, A);
  // The one who is to be reached hears who asks: it need not answer everybody.
  assert.deepEqual(
    bench.send(A, encodePunchRequest(1, 2)).map(({ data }) => toHex(data)),
    ['0404c63364020fa2', '0404c63364010fa150580100000001'],
  );
});

test('amplification: a victim gets no more than what its address is good for', () => {
  const bench = new Bench();
  bench.send(B, encodeDiscover(2));
  const victim: Endpoint = { host: '203.0.113.5', port: 53 };
  const SECONDS = 10;
  let [bytesIn, bytesOut, commands] = [0, 0, 0];
  for (let second = 0; second < SECONDS; second++) {
    for (let i = 0; i < 5_000; i++) {
      const data = i % 2 === 0 ? encodeDiscover(66) : encodePunchRequest(66, 2);
      bytesIn += data.length;
      for (const sent of bench.send(victim, data)) {
        if (!sameEndpoint(sent.to, victim)) commands++;
        else bytesOut += sent.data.length;
      }
      bench.now += 0.2;
    }
  }
  assert.ok(commands <= PUNCH_BURST + 5 * SECONDS, `${commands} punches in ${SECONDS} s`);
  assert.ok(bytesOut < bytesIn, `${bytesOut} bytes out for ${bytesIn} in`);
});

test('one host can send so many registrations at once, then a steady rate; others are not touched', () => {
  const bench = new Bench();
  let answered = 0;
  for (let i = 0; i < 2 * CONTROL_BURST; i++) answered += bench.send(EVE, encodeDiscover(1000 + i)).length;
  assert.equal(answered, CONTROL_BURST);
  assert.equal(bench.drops('rate_limited'), CONTROL_BURST);
  assert.equal(bench.send(A, encodeDiscover(1)).length, 1);
  bench.now += 1_000;
  assert.equal(bench.send(EVE, encodeDiscover(1)).length, 1);
});

test('relaying has a budget of bytes per node', () => {
  const bench = new Bench();
  bench.send(A, encodeDiscover(1));
  bench.send(B, encodeDiscover(2));
  let relayed = 0;
  for (let i = 0; i < 6_000; i++) relayed += bench.send(A, encodeRelay(1, 2, new Uint8Array(1200))).length;
  assert.equal(relayed, Math.floor(RELAY_BURST / 1209));
  bench.now += 1_000;
  assert.equal(bench.send(A, encodeRelay(1, 2, new Uint8Array(1200))).length, 1);
});

test('memory: a flood of random ids stays within the table, and registered nodes stay in it', () => {
  const limit = 2_000;
  const bench = new Bench({ maxNodes: limit, maxNodesPerHost: 100 });
  bench.prove(1, A);
  bench.send(B, encodeDiscover(2));
  for (let i = 0; i < 20_000; i++) {
    bench.send({ host: `10.${(i >> 8) & 255}.${i & 255}.1`, port: 5 }, encodeDiscover(100_000 + i));
    bench.now += 1;
  }
  assert.equal(bench.relay.stats().nodes, limit);
  assert.ok(bench.drops('table_full') > 0);
  assert.equal(bench.whereIs(1), formatEndpoint(A));
  assert.equal(bench.whereIs(2), formatEndpoint(B), 'fresh entries are not pushed out by strangers');
  bench.prove(3, EVE);
  assert.equal(bench.whereIs(3), formatEndpoint(EVE), 'a proven node finds room in a full table');
  assert.equal(bench.relay.stats().nodes, limit);
  bench.now += FRESH;
  bench.send(PEER, encodeDiscover(4));
  assert.equal(bench.whereIs(4), formatEndpoint(PEER), 'stale entries give way');
  assert.equal(bench.relay.stats().nodes, limit);
});

test('memory: one host can not fill the table', () => {
  const bench = new Bench({ maxNodesPerHost: 50 });
  for (let i = 0; i < 200; i++) bench.send(EVE, encodeDiscover(1000 + i));
  assert.equal(bench.relay.stats().nodes, 50);
  bench.prove(7, { ...EVE, port: 7 });
  assert.equal(bench.relay.stats().nodes, 51, 'who proves who it is does not count');
});

test('a full table does not answer newcomers that can not prove themselves', () => {
  const bench = new Bench({ maxNodes: 1, challenges: false });
  bench.send(A, encodeDiscover(1));
  assert.deepEqual(bench.send(B, encodeDiscover(2)), []);
  assert.equal(bench.send(A, encodeDiscover(1)).length, 1);
});

test('entries lapse after ten silent minutes; relaying keeps them', () => {
  const bench = new Bench();
  bench.send(A, encodeDiscover(1));
  bench.send(B, encodeDiscover(2));
  for (let minute = 0; minute < 11; minute++) {
    bench.send(A, encodeRelay(1, 2, new Uint8Array(1)));
    bench.pass(ENTRY_LIFETIME / 10);
  }
  assert.equal(bench.whereIs(1), formatEndpoint(A));
  assert.equal(bench.whereIs(2), undefined);
});

test('gossip counts only from listed peers, replaces what they said, and lapses when they fall silent', () => {
  const bench = new Bench({ beaconId: 7 });
  bench.send(A, encodeDiscover(1));
  const frame = (): Uint8Array => encodeRelay(1, 500, Uint8Array.of(9));
  bench.send(PEER, encodeSync(9, [500]));
  assert.deepEqual(bench.send(A, frame()), []);
  bench.relay.setPeers([PEER, OTHER_PEER]);
  bench.send(EVE, encodeSync(9, [500]));
  assert.deepEqual(bench.send(A, frame()), []);
  assert.equal(bench.drops('not_a_peer'), 2);
  bench.now += 1;
  bench.send(PEER, encodeSync(9, [500, 501]));
  const [forwarded] = bench.send(A, frame());
  assert.ok(sameEndpoint(forwarded!.to, PEER));
  assert.equal(toHex(forwarded!.data), toHex(frame()), 'forwarded unchanged');
  bench.now += 2_000;
  bench.send(PEER, encodeSync(9, [501]));
  assert.deepEqual(bench.send(A, frame()), []);
  bench.send(OTHER_PEER, encodeSync(8, [501]));
  const [moved] = bench.send(A, encodeRelay(1, 501, Uint8Array.of(9)));
  assert.ok(sameEndpoint(moved!.to, OTHER_PEER), 'the newest word counts');
  bench.relay.setPeers([PEER]);
  assert.equal(bench.relay.stats().remoteNodes, 0, 'a delisted peer is forgotten');
  bench.now += 2_000;
  bench.send(PEER, encodeSync(9, [501]));
  for (let i = 0; i < 7; i++) bench.pass(10_000);
  assert.equal(bench.relay.stats().remoteNodes, 0);
  assert.ok(bench.events.includes('relay.peer_silent'));
});

test('a frame from a peer is delivered but never forwarded again', () => {
  const bench = new Bench();
  bench.relay.setPeers([PEER, OTHER_PEER]);
  bench.send(B, encodeDiscover(2));
  bench.send(OTHER_PEER, encodeSync(8, [500]));
  const [delivered] = bench.send(PEER, encodeRelay(77, 2, Uint8Array.of(1)));
  assert.ok(sameEndpoint(delivered!.to, B));
  assert.deepEqual(bench.send(PEER, encodeRelay(77, 500, Uint8Array.of(1))), []);
  assert.equal(bench.drops('already_forwarded'), 1);
});

test('gossip from a peer that hurries is not taken more than once a second', () => {
  const bench = new Bench();
  bench.relay.setPeers([PEER]);
  for (let i = 0; i < 100; i++) bench.send(PEER, encodeSync(9, [i]));
  assert.equal(bench.drops('rate_limited'), 99);
});

test('every ten seconds each peer hears all local nodes, or as many as one datagram holds', () => {
  const bench = new Bench({ beaconId: 7, maxNodesPerHost: 100_000 });
  bench.relay.setPeers([PEER]);
  bench.send(A, encodeDiscover(1));
  const [first] = bench.pass(0);
  assert.equal(toHex(first!.data), '07000000070001' + '00000001');
  assert.deepEqual(bench.pass(9_000), []);
  for (let i = 0; i < SYNC_MAX_NODES + 10; i++) {
    bench.send({ host: `10.1.${(i >> 8) & 255}.${i & 255}`, port: 1 }, encodeDiscover(10_000 + i));
  }
  const [second] = bench.pass(1_000);
  assert.equal(second!.data.length, 7 + 4 * SYNC_MAX_NODES);
  assert.ok(second!.data.length <= 65_507);
});

test('answers meant for daemons, short and unknown messages are counted drops', () => {
  const bench = new Bench();
  for (const text of [
    '02047f0000014e8f',
    '04047f0000014e8f',
    '0600000001',
    '0800000001',
    '01000001',
    '',
    '07000000090002000000',
  ]) {
    assert.deepEqual(bench.send(A, hex(text)), []);
  }
  assert.deepEqual(bench.relay.stats().drops, { not_for_beacons: 3, unknown_type: 1, too_short: 3 });
});

test('random bytes never throw and grow no table', () => {
  const bench = new Bench();
  bench.relay.setPeers([A]);
  const samples = [
    encodeDiscover(1),
    encodeDiscover(1, { challenge: new Uint8Array(16), signature: new Uint8Array(64) }),
    encodePunchRequest(1, 2),
    encodeRelay(1, 2, new Uint8Array(20)),
    encodeSync(1, [1, 2]),
  ];
  neverThrows((bytes) => bench.send(A, bytes), samples);
  assert.ok(bench.relay.stats().nodes <= 4096);
  assert.doesNotThrow(() => bench.send({ host: 'not an address', port: 1 }, encodeDiscover(1)));
});
