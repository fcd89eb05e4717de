/** What a node that relays for its peers does for them, and not for others. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Endpoint, Instant, NodeId } from '../base/units.ts';
import { nodeCrypto } from '../platform/crypto.ts';
import { seededRandom } from '../sim/net/seeded-random.ts';
import {
  decodeBeaconMessage,
  encodeDiscover,
  encodePunchRequest,
  encodeRelay,
  encodeRelayDeliver,
} from '../wire/beacon.ts';
import { discoverSignedBytes } from '../wire/beacon-extension.ts';
import { PeerRelay } from './peer-relay.ts';

const crypto = nodeCrypto();
const RATE = 100_000;
const identityOf = (node: NodeId): ReturnType<typeof crypto.signingKey> =>
  crypto.signingKey(new Uint8Array(32).fill(node));
const endpointOf = (node: NodeId): Endpoint => ({ host: `198.51.100.${node}`, port: 4000 });

class Bench {
  readonly trusted = new Set<NodeId>([1, 2, 3, 4, 5]);
  readonly sent: { to: Endpoint; data: Uint8Array }[] = [];
  readonly relay = new PeerRelay({
    crypto,
    random: seededRandom('peer relay'),
    rate: RATE,
    keyOf: (node) => (this.trusted.has(node) ? identityOf(node).publicKey : undefined),
    transmit: (to, data) => this.sent.push({ to, data: data.slice() }),
  });
  now: Instant = 1_000;

  send(from: Endpoint, data: Uint8Array): { to: Endpoint; data: Uint8Array }[] {
    this.sent.length = 0;
    assert.ok(this.relay.handleDatagram(from, data, this.now));
    return [...this.sent];
  }

  join(node: NodeId): boolean {
    const from = endpointOf(node);
    const question = { token: 1, elsewhere: false };
    const reply = decodeBeaconMessage(this.send(from, encodeDiscover(node, undefined, question))[0]!.data);
    assert.ok(typeof reply !== 'string' && reply.type === 'discoverReply');
    const { challenge } = reply;
    if (challenge === undefined) return true;
    const identity = identityOf(node);
    const signature = identity.sign(discoverSignedBytes(node, challenge, reply.answer!.mark));
    const proof = { key: identity.publicKey, challenge, signature };
    this.send(from, encodeDiscover(node, proof, question));
    return this.relay.stats().provenNodes > 0 && this.relays(node, node);
  }

  relays(from: NodeId, to: NodeId, length = 100): boolean {
    return this.send(endpointOf(from), encodeRelay(from, to, new Uint8Array(length))).length > 0;
  }
}

test('peers that we trust and that prove their key are relayed to each other', () => {
  const bench = new Bench();
  assert.ok(bench.join(1));
  assert.ok(bench.join(2));
  assert.ok(bench.relays(1, 2));
  assert.deepEqual(bench.sent[0]?.to, endpointOf(2));
});

test('a stranger is neither registered nor relayed, with or without proof', () => {
  const bench = new Bench();
  bench.join(1);
  assert.equal(bench.join(9), false);
  assert.equal(bench.relays(9, 1), false);
  assert.equal(bench.relays(1, 9), false);
  // A trusted id that somebody else claims, too.
  bench.send(endpointOf(9), encodeDiscover(2));
  assert.equal(bench.relay.stats().nodes, 1);
});

test('when trust ends the peer is served no longer, and can not prove itself again', () => {
  const bench = new Bench();
  bench.join(1);
  bench.join(2);
  bench.trusted.delete(2);
  bench.relay.forget(2);
  assert.equal(bench.relays(1, 2), false);
  assert.equal(bench.relays(2, 1), false);
  bench.now += 6_000;
  assert.equal(bench.join(2), false);
});

test('one peer may use a quarter of what we give, and all together no more than that', () => {
  const bench = new Bench();
  for (const node of [1, 2, 3, 4, 5]) bench.join(node);
  bench.now += 10_000;
  const pass = (node: NodeId): number => {
    let bytes = 0;
    while (bench.relays(node, 1, 991)) bytes += 1_000;
    return bytes;
  };
  assert.equal(pass(2), RATE / 4);
  assert.equal(pass(3) + pass(4) + pass(5) + pass(1), (3 * RATE) / 4);
  bench.now += 1_000;
  assert.equal(pass(2), RATE / 4);
});

test('what a node itself gets is left to it', () => {
  const bench = new Bench();
  for (const data of [encodeRelayDeliver(1, new Uint8Array(8)), new Uint8Array([0x50]), new Uint8Array()])
    assert.equal(bench.relay.handleDatagram(endpointOf(1), data, bench.now), false);
  assert.equal(bench.relay.handleDatagram(endpointOf(9), encodePunchRequest(9, 1), bench.now), true);
  assert.deepEqual(bench.sent, []);
});
