import assert from 'node:assert/strict';
import { test } from 'node:test';
import { equal } from '../../base/bytes.ts';
import type { Endpoint, Instant } from '../../base/units.ts';
import { type BeaconMessage, decodeBeaconMessage } from '../../wire/beacon.ts';
import { type DiscoverAnswer, discoverSignedBytes } from '../../wire/beacon-extension.ts';
import { Beacons } from './beacons.ts';
import { crypto, identityOf, seeded } from './tunnel.testkit.ts';
import type { TunnelEvent } from './types.ts';

const ONE: Endpoint = { host: '203.0.113.1', port: 9001 };
const TWO: Endpoint = { host: '203.0.113.2', port: 9001 };
const STREAM: Endpoint = { host: 'wss://beacon.example:443/v1/compat', port: 443 };
const SEEN: Endpoint = { host: '198.51.100.7', port: 41_000 };
const NODE = 7;

test('registers at once, and every 20 s while answered', () => {
  const { beacons, discovers, run } = world([ONE]);
  run(0, 100_000, true);
  assert.ok(discovers.length >= 5 && discovers.length <= 7, `${discovers.length}`);
  for (const { message } of discovers) assert.equal(message.node, NODE);
  assert.deepEqual(beacons.observed(), SEEN);
});

test('repeats sooner while unanswered, reports the loss once and the return of our endpoint', () => {
  const { beacons, discovers, events, run } = world([ONE]);
  run(0, 60_000, false);
  assert.ok(discovers[1]!.at - discovers[0]!.at <= 600);
  assert.ok(discovers.length >= 10);
  assert.equal(events.filter(({ name }) => name === 'beacon.lost').length, 1);
  run(60_000, 61_000, false);
  beacons.discoverReply(ONE, reply(SEEN), 61_000);
  assert.deepEqual(beacons.observed(), SEEN);
  assert.equal(events.filter(({ name }) => name === 'beacon.observed').length, 1);
});

test('on another network every beacon is asked at once, those given up as well', () => {
  const { beacons, discovers, run } = world([ONE, TWO]);
  run(0, 60_000, false);
  const before = discovers.length;
  beacons.hostMoved(60_000);
  run(60_000, 60_001, false);
  assert.equal(discovers.length, before + 2);
  beacons.hostMoved(60_010);
  run(60_010, 60_011, false);
  assert.equal(discovers.length, before + 2, 'what is told twice is one move');
  run(60_011, 60_700, false);
  assert.equal(discovers.length, before + 4, 'and soon again, as at the start');
});

test('reports our endpoint only when it changes', () => {
  const { beacons, events, run } = world([ONE]);
  run(0, 100_000, true);
  assert.equal(events.length, 1);
  beacons.discoverReply(ONE, reply({ ...SEEN, port: 42_000 }), 100_001);
  assert.equal(events.length, 2);
});

test('proves ownership of the node when the beacon asks, and keeps the proof for the next registration', () => {
  const { beacons, discovers, run } = world([ONE]);
  run(0, 1, false);
  const challenge = new Uint8Array(16).fill(3);
  beacons.discoverReply(ONE, reply(SEEN, challenge), 10);
  const signed = discovers.at(-1)!.message;
  assert.ok(equal(signed.proof!.challenge, challenge));
  const { publicKey } = identityOf(NODE);
  assert.ok(crypto.verify(publicKey, discoverSignedBytes(NODE, challenge), signed.proof!.signature));
  const before = discovers.length;
  beacons.discoverReply(ONE, reply(SEEN, challenge), 20);
  assert.equal(discovers.length, before);
  run(10, 50_000, true);
  assert.ok(discovers.length > before);
  assert.ok(discovers.slice(before).every(({ message }) => message.proof !== undefined));
});

test('a beacon that asks for ever new proofs gets two per registration', () => {
  const { beacons, discovers, run } = world([ONE]);
  run(0, 1, false);
  for (let i = 0; i < 100; i++) beacons.discoverReply(ONE, reply(SEEN, new Uint8Array(16).fill(i)), 10 + i);
  assert.equal(discovers.length, 3);
});

test('a proof that is not answered is sent again soon, not with the next regular registration', () => {
  const { beacons, discovers, run } = world([ONE]);
  run(0, 1, false);
  beacons.discoverReply(ONE, reply(SEEN, new Uint8Array(16).fill(3)), 50);
  const before = discovers.length;
  run(50, 1_000, false);
  assert.ok(discovers.length > before);
  assert.ok(discovers.slice(before).every(({ message }) => message.proof !== undefined));
});

test('a proof is not made for a node id we do not have yet', () => {
  const { beacons, discovers, run } = world([ONE], 0);
  run(0, 1, false);
  beacons.discoverReply(ONE, reply(SEEN, new Uint8Array(16).fill(1)), 10);
  assert.equal(discovers.length, 1);
  assert.deepEqual(beacons.observed(), SEEN);
});

test('tells once that no beacon answers, and once that one does again', () => {
  const { beacons, events, run } = world([ONE, TWO]);
  const told = (): string[] =>
    events.map(({ name }) => name).filter((name) => name === 'beacon.silent' || name === 'beacon.answered');
  run(0, 999, false);
  assert.deepEqual(told(), []);
  run(1_000, 30_000, false);
  assert.deepEqual(told(), ['beacon.silent']);
  beacons.discoverReply(TWO, reply(SEEN), 30_001);
  beacons.discoverReply(ONE, reply(SEEN), 30_002);
  assert.deepEqual(told(), ['beacon.silent', 'beacon.answered']);
});

test('a byte stream to a beacon stands behind those that answer, and alone when none does', () => {
  const { beacons, discovers, run } = world([ONE]);
  run(0, 500, true);
  beacons.setCarrier(STREAM, true, 0);
  assert.deepEqual(beacons.usable(), [ONE, STREAM]);
  run(501, 60_000, false);
  assert.deepEqual(beacons.usable(), [STREAM]);
  assert.ok(beacons.has(STREAM));
  beacons.set([TWO], 60_000);
  assert.ok(beacons.has(STREAM), 'whoever owns the stream says when it is gone');
  beacons.setCarrier(STREAM, false, 0);
  assert.ok(!beacons.has(STREAM));
  assert.deepEqual(beacons.usable(), [TWO]);
  assert.ok(discovers.every(({ to }) => to !== STREAM));
});

test('relays go through beacons that answer, best first, and through any when none does', () => {
  const { beacons, run } = world([ONE, TWO]);
  run(0, 1, false);
  assert.deepEqual(beacons.usable(), [ONE, TWO]);
  for (let now = 0; now < 20_000; now += 100) {
    beacons.handleTimeout(now);
    beacons.discoverReply(TWO, reply(SEEN), now);
  }
  assert.deepEqual(beacons.usable(), [TWO]);
  for (let now = 20_000; now < 60_000; now += 100) beacons.handleTimeout(now);
  assert.deepEqual(beacons.usable(), [ONE, TWO]);
});

test('answers of strangers are ignored', () => {
  const { beacons } = world([ONE]);
  beacons.discoverReply(TWO, reply(SEEN), 10);
  assert.equal(beacons.observed(), undefined);
});

function reply(
  endpoint: Endpoint,
  challenge?: Uint8Array,
  answer?: DiscoverAnswer,
): Extract<BeaconMessage, { type: 'discoverReply' }> {
  return { type: 'discoverReply', endpoint, ...(challenge && { challenge }), ...(answer && { answer }) };
}

function world(
  endpoints: readonly Endpoint[],
  node = NODE,
): {
  beacons: Beacons;
  discovers: { at: Instant; to: Endpoint; message: Extract<BeaconMessage, { type: 'discover' }> }[];
  events: TunnelEvent[];
  run: (from: Instant, to: Instant, answered: boolean) => void;
} {
  let now: Instant = 0;
  const discovers: { at: Instant; to: Endpoint; message: Extract<BeaconMessage, { type: 'discover' }> }[] =
    [];
  const events: TunnelEvent[] = [];
  const beacons = new Beacons({
    random: seeded('beacons'),
    identity: identityOf(NODE),
    every: 20_000,
    transmit: (to, data) => {
      const message = decodeBeaconMessage(data);
      if (typeof message === 'string' || message.type !== 'discover') assert.fail('not a Discover');
      discovers.push({ at: now, to, message });
    },
    event: (event) => events.push(event),
  });
  beacons.set(endpoints, 0);
  if (node !== 0) beacons.setNode(node);
  const run = (from: Instant, to: Instant, answered: boolean): void => {
    for (now = from; now < to; now += 50) {
      const before = discovers.length;
      beacons.handleTimeout(now);
      if (answered && discovers.length > before) beacons.discoverReply(ONE, reply(SEEN), now);
    }
  };
  return { beacons, discovers, events, run };
}
