/** One node at several places, the second port, and what our nodes add to a Discover. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sameEndpoint } from '../../base/endpoint.ts';
import type { Endpoint } from '../../base/units.ts';
import { nodeCrypto } from '../../platform/crypto.ts';
import { seededRandom } from '../../sim/net/seeded-random.ts';
import {
  type BeaconMessage,
  decodeBeaconMessage,
  encodeDiscover,
  encodePunchRequest,
  encodeRelay,
} from '../../wire/beacon.ts';
import { discoverSignedBytes } from '../../wire/beacon-extension.ts';
import { Relay } from './relay.ts';
import type { RelayConfig } from './types.ts';

const crypto = nodeCrypto();
const V4: Endpoint = { host: '198.51.100.1', port: 4000 };
const V6: Endpoint = { host: '2001:db8::1', port: 4000 };
const WS: Endpoint = { host: 'ws:1', port: 0 };
const PEER4: Endpoint = { host: '198.51.100.9', port: 4000 };
const PEER6: Endpoint = { host: '2001:db8::9', port: 4000 };
const FRAME = new Uint8Array([1, 2, 3]);

interface Sent {
  readonly to: Endpoint;
  readonly message: BeaconMessage;
  readonly alternate: boolean;
}

class Bench {
  readonly relay: Relay;
  readonly asked: { node: number; claimed: Uint8Array | undefined }[] = [];
  readonly keys = new Map<number, Uint8Array>();
  now = 1_000;

  constructor(config: Partial<RelayConfig> = {}) {
    this.relay = new Relay({ crypto, random: seededRandom('relay-homes'), config });
  }

  send(from: Endpoint, data: Uint8Array, alternate = false): Sent[] {
    this.relay.handleDatagram(from, data, this.now, alternate);
    return this.drain();
  }

  drain(): Sent[] {
    const sent: Sent[] = [];
    for (let output = this.relay.poll(); output !== undefined; output = this.relay.poll()) {
      if (output.type === 'needKey') this.asked.push({ node: output.node, claimed: output.claimed });
      if (output.type !== 'transmit') continue;
      const message = decodeBeaconMessage(output.data.slice());
      assert.ok(typeof message !== 'string');
      sent.push({ to: output.to, message, alternate: output.alternate === true });
    }
    return sent;
  }

  pass(millis: number): Sent[] {
    this.now += millis;
    this.relay.handleTimeout(this.now);
    return this.drain();
  }

  answer(answer: 'right' | 'unavailable' = 'right'): void {
    for (const { node, claimed } of this.asked.splice(0))
      this.relay.identityKey(node, answer === 'right' ? this.keys.get(node) : answer, this.now, claimed);
    this.drain();
  }

  /** As our nodes do; returns the last reply. */
  prove(node: number, at: Endpoint, directory: 'right' | 'unavailable' = 'right', seed = node): Sent {
    const identity = crypto.signingKey(new Uint8Array(32).fill(seed));
    if (seed === node) this.keys.set(node, identity.publicKey);
    const question = { token: 7, elsewhere: false };
    const [first] = this.send(at, encodeDiscover(node, undefined, question));
    const reply = replyOf(first);
    if (reply.challenge === undefined) return first!;
    const { challenge } = reply;
    const signature = identity.sign(discoverSignedBytes(node, challenge, reply.answer!.mark!));
    const proof = { key: identity.publicKey, challenge, signature };
    this.send(at, encodeDiscover(node, proof, question));
    this.answer(directory);
    return this.send(at, encodeDiscover(node, undefined, question))[0]!;
  }

  delivered(to: number): Endpoint | undefined {
    this.prove(99, PEER4);
    return this.send(PEER4, encodeRelay(99, to, FRAME))[0]?.to;
  }
}

function replyOf(sent: Sent | undefined): Extract<BeaconMessage, { type: 'discoverReply' }> {
  assert.ok(sent?.message.type === 'discoverReply');
  return sent.message;
}

test('a proven node has one home per family and a stream, and is reached where it was heard last', () => {
  const bench = new Bench();
  bench.prove(1, V4);
  assert.deepEqual(bench.delivered(1), V4);
  bench.prove(1, V6);
  assert.deepEqual(bench.delivered(1), V6);
  bench.send(V4, encodeRelay(1, 99, FRAME));
  assert.deepEqual(bench.delivered(1), V4);
  assert.ok(bench.relay.attach(1, WS, true, bench.now));
  assert.deepEqual(bench.delivered(1), WS);
  assert.deepEqual(bench.relay.entries().find(({ node }) => node === 1)?.endpoints, [WS, V4, V6]);
  bench.relay.detach(WS);
  assert.deepEqual(bench.delivered(1), V4);
});

test('a new endpoint of a family takes the place of the old one there only', () => {
  const bench = new Bench();
  bench.prove(1, V4);
  bench.prove(1, V6);
  const moved = { host: '203.0.113.5', port: 5 };
  bench.prove(1, moved);
  assert.deepEqual(bench.relay.entries()[0]?.endpoints, [moved, V6]);
  assert.deepEqual(bench.send(V4, encodeRelay(1, 1, FRAME)), []);
});

test('without proof nobody gets a second home, nor one beside a proven node', () => {
  const bench = new Bench();
  bench.send(V4, encodeDiscover(1));
  bench.send(V6, encodeDiscover(1));
  assert.deepEqual(bench.relay.entries()[0]?.endpoints, [V4]);
  bench.prove(2, PEER4);
  bench.send(PEER6, encodeDiscover(2));
  assert.ok(!bench.relay.attach(2, WS, false, bench.now));
  assert.deepEqual(bench.relay.entries().find(({ node }) => node === 2)?.endpoints, [PEER4]);
});

test('a stream that is all a node had takes the node with it', () => {
  const bench = new Bench();
  bench.relay.attach(1, WS, true, bench.now);
  assert.deepEqual(bench.delivered(1), WS);
  bench.relay.detach(WS);
  assert.equal(bench.delivered(1), undefined);
  assert.ok(!bench.relay.entries().some(({ node }) => node === 1));
});

test('a punch joins endpoints of one family, and never names a stream', () => {
  const bench = new Bench();
  bench.prove(1, V4);
  bench.prove(1, V6);
  bench.prove(2, PEER6);
  const commands = bench.send(V4, encodePunchRequest(1, 2));
  assert.deepEqual(
    commands.map(({ to, message }) => [to, message.type === 'punchCommand' && message.endpoint]),
    [
      [V6, PEER6],
      [PEER6, V6],
    ],
  );
  bench.prove(3, { host: '198.51.100.3', port: 3 });
  assert.deepEqual(bench.send(PEER6, encodePunchRequest(2, 3)), []);
  bench.relay.attach(2, WS, true, bench.now);
  assert.deepEqual(bench.send(WS, encodePunchRequest(2, 1)), []);
  assert.equal(bench.relay.stats().drops.no_common_family, 2);
});

test('the sender of a relayed frame may be at any of its homes, and nobody else', () => {
  const bench = new Bench();
  bench.prove(1, V4);
  bench.prove(1, V6);
  bench.prove(2, PEER4);
  for (const from of [V4, V6]) assert.deepEqual(bench.send(from, encodeRelay(1, 2, FRAME))[0]?.to, PEER4);
  assert.deepEqual(bench.send(PEER6, encodeRelay(1, 2, FRAME)), []);
});

test('a settled node is told so, and asked for no further proof', () => {
  const bench = new Bench();
  const question = { token: 0xfeed, elsewhere: false };
  const first = replyOf(bench.send(V4, encodeDiscover(1, undefined, question))[0]);
  assert.deepEqual([first.answer?.token, first.answer?.settled], [0xfeed, false]);
  assert.equal(first.answer?.mark?.length, 8);
  const last = replyOf(bench.prove(1, V4));
  assert.deepEqual([last.answer?.settled, last.challenge], [true, undefined]);
});

test('hijack: a proof made for another beacon, or with another key, is worth nothing', () => {
  const bench = new Bench();
  const identity = crypto.signingKey(new Uint8Array(32).fill(1));
  bench.keys.set(1, identity.publicKey);
  const question = { token: 1, elsewhere: false };
  const reply = replyOf(bench.send(V4, encodeDiscover(1, undefined, question))[0]);
  const challenge = reply.challenge!;
  const elsewhere = identity.sign(discoverSignedBytes(1, challenge, new Uint8Array(8)));
  bench.send(V4, encodeDiscover(1, { key: identity.publicKey, challenge, signature: elsewhere }, question));
  assert.deepEqual(bench.asked, []);
  assert.equal(bench.relay.stats().drops.bad_proof, 1);
  bench.prove(1, PEER4, 'right', 66);
  assert.equal(bench.relay.stats().provenNodes, 0);
  // Naming a wrong key took nothing from the node itself.
  bench.prove(1, V4);
  assert.equal(bench.relay.stats().provenNodes, 1);
});

test('while the registry is away, nodes that it named before still move with proof', () => {
  const bench = new Bench();
  bench.prove(1, V4);
  bench.pass(3_600_000);
  assert.equal(bench.relay.stats().nodes, 0);
  bench.prove(1, PEER4, 'unavailable');
  assert.equal(bench.relay.stats().provenNodes, 1);
  bench.prove(2, V4, 'unavailable');
  assert.equal(bench.relay.stats().provenNodes, 1);
});

test('the second port tells what it sees, by the port that is asked for, and registers nobody', () => {
  const bench = new Bench({ alternatePort: 9003 });
  const ask = (elsewhere: boolean): Uint8Array => encodeDiscover(1, undefined, { token: 5, elsewhere });
  const facts = (sent: Sent[]): unknown =>
    sent.map(({ to, message, alternate }) => [
      sameEndpoint(to, V4),
      alternate,
      message.type === 'discoverReply' && [message.endpoint.port, message.answer?.alternatePort],
    ]);
  assert.deepEqual(facts(bench.send(V4, ask(false), true)), [[true, true, [4000, 9003]]]);
  assert.deepEqual(facts(bench.send(V4, ask(true), true)), [[true, false, [4000, 9003]]]);
  assert.deepEqual(facts(bench.send(V4, ask(true))), [[true, true, [4000, 9003]]]);
  assert.equal(bench.relay.stats().nodes, 0);
  assert.deepEqual(bench.send(V4, encodeRelay(1, 2, FRAME), true), []);
  assert.deepEqual(bench.send(V4, encodePunchRequest(1, 2), true), []);
  assert.deepEqual(new Bench().send(V4, ask(true)), []);
});

test('a late answer comes once, when it was asked for, to the one who asked', () => {
  const bench = new Bench();
  const late = (delay: number): Uint8Array =>
    encodeDiscover(0, undefined, { token: 9, elsewhere: false, delay });
  assert.deepEqual(bench.send(V4, late(30)), []);
  assert.equal(bench.relay.nextTimeout(), bench.now + 30_000);
  assert.deepEqual(bench.pass(29_999), []);
  const [reply] = bench.pass(1);
  assert.deepEqual([reply?.to, replyOf(reply).answer?.token], [V4, 9]);
  assert.deepEqual(bench.pass(60_000), []);
  // One per source, and a bounded number in all.
  const source = (at: number): Endpoint => ({ host: `192.0.2.${at % 200}`, port: 1 + at });
  for (let at = 0; at < 6_000; at++) bench.send(source(at), late(300));
  bench.send(source(0), late(300));
  assert.equal(bench.relay.stats().drops.too_many_late, 6_000 - 4_096);
  assert.equal(bench.pass(300_000).length, 4_096);
});
