import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHex } from '../../base/bytes.ts';
import { decodePila } from '../../wire/tunnel-frames.ts';
import { MAX_CANDIDATES, MAX_PREFIXES, PREVIOUS_LIFETIME, REKEY_PREFIXES } from './constants.ts';
import { KeySlot, tunnelKey } from './key-slot.ts';
import { makeOffer } from './offer.ts';
import { bytes, crypto, End, scripted, tunnelVectors } from './session.testkit.ts';

const KEY_A = () => bytes(tunnelVectors.keys.a.x25519_private_hex);

test('keys are derived as the vectors say', () => {
  const { keys, key_derivation } = tunnelVectors;
  assert.equal(toHex(tunnelKey(crypto, bytes(keys.shared_hex))), keys.aes256_key_hex);
  for (const one of key_derivation) {
    const secret = crypto.agreementKey(bytes(one.a_private_hex)).agree(bytes(one.b_public_hex));
    assert.equal(toHex(tunnelKey(crypto, secret!)), one.key_hex);
  }
});

test('the offer of the vectors is the PILA of the vectors', () => {
  const { a } = tunnelVectors.keys;
  const identity = crypto.signingKey(bytes(a.ed25519_seed_hex));
  const offer = makeOffer({ crypto, random: scripted([KEY_A()]), identity, node: a.node_id }, 0);
  const frame = tunnelVectors.frames.find((one) => one.name === 'PILA from a');
  assert.equal(toHex(offer.pila), frame!.hex);
});

test('frames of the vectors open, and a slot seals the same bytes', () => {
  const { a, b, aes256_key_hex } = tunnelVectors.keys;
  let seen = 0;
  for (const frame of tunnelVectors.frames) {
    if (frame.plaintext_hex === undefined) continue;
    seen++;
    const fromA = frame.name.includes('a->b');
    const receiver = slotOf(
      fromA ? b.node_id : a.node_id,
      fromA ? a.node_id : b.node_id,
      bytes(aes256_key_hex),
    );
    const raw = bytes(frame.hex);
    const counter = Number(frame.counter);
    const opened = receiver.open(0, counter, raw.subarray(8, 20), raw.subarray(20));
    assert.equal(typeof opened === 'string' ? opened : toHex(opened), frame.plaintext_hex, frame.name);
  }
  assert.ok(seen >= 8);
  const prefix = 0x5eadbeef;
  const slot = slotOf(a.node_id, b.node_id, bytes(aes256_key_hex), prefix);
  const plaintext = bytes(
    tunnelVectors.frames.find((one) => one.name.startsWith('PILS a->b SYN'))!.plaintext_hex!,
  );
  const out = new Uint8Array(plaintext.length + 36);
  assert.ok(slot.seal(plaintext, out));
  assert.equal(toHex(out.subarray(0, 20)), '50494c53000000015eadbeef0000000000000001');
});

test('both ends derive one slot, and the first frame proves it', () => {
  const { a, b } = exchanged();
  assert.equal(a.session.current, undefined);
  const slot = a.session.sendSlot(10)!;
  const opened = b.open(a.seal('hello', slot), 20);
  assert.ok(typeof opened !== 'string');
  assert.equal(opened.proved, 'first');
  assert.equal(a.text(b.seal('hi', b.session.current!), 30), 'hi');
  assert.equal(a.session.current, slot);
});

test('crossed offers meet in one slot without further frames', () => {
  const [a, b] = [new End(1, 2), new End(2, 1)];
  const [fromA, fromB] = [key(a, 0), key(b, 0)];
  assert.equal(a.session.receiveKey(fromB, 1).kind, 'new');
  assert.equal(b.session.receiveKey(fromA, 1).kind, 'new');
  assert.equal(b.text(a.seal('x', a.session.candidates[0]!), 2), 'x');
});

test('the private half of an offer is gone once it is taken', () => {
  const { a, b } = connected();
  assert.equal(a.session.current!.offer.key, undefined);
  assert.equal(b.session.current!.offer.key, undefined);
  assert.equal(a.session.offer, undefined);
});

test('a repeated key changes nothing: same slot, counters go on, windows stay', () => {
  const { a, b } = connected();
  const recorded = a.seal('once', a.session.current!);
  assert.equal(b.text(recorded, 50), 'once');
  const sealed = b.session.current!.sealed;
  const again = b.session.receiveKey(bytes(b.session.current!.peerKey), 60);
  assert.equal(again.kind, 'known');
  assert.equal(again.kind === 'known' && again.slot, b.session.current);
  assert.equal(b.session.current!.sealed, sealed);
  assert.equal(b.text(recorded, 70), 'replayed');
});

test('an old key is a candidate at most: the session goes on and the candidate is never used for sending', () => {
  const { a, b } = connected();
  const current = b.session.current!;
  const stranger = crypto.agreementKey(crypto.sha256(new Uint8Array(1))).publicKey;
  assert.equal(b.session.receiveKey(stranger, 100).kind, 'new');
  assert.equal(b.session.current, current);
  assert.equal(b.session.sendSlot(100), current);
  assert.equal(a.text(b.seal('still', b.session.sendSlot(100)!), 110), 'still');
});

test('candidates are bounded', () => {
  const { b } = connected();
  for (let i = 0; i < 50; i++) {
    b.session.receiveKey(crypto.agreementKey(crypto.sha256(Uint8Array.of(i))).publicKey, 100);
    assert.ok(b.session.candidates.length <= MAX_CANDIDATES);
  }
});

test('a pair of keys is made once, even when its candidate was pushed out', () => {
  const b = new End(2, 1);
  b.session.offered(0);
  const keys = Array.from(
    { length: 6 },
    (_, i) => crypto.agreementKey(crypto.sha256(Uint8Array.of(i))).publicKey,
  );
  const offers = new Set<string>();
  for (let round = 0; round < 3; round++) {
    for (const x of keys) {
      const outcome = b.session.receiveKey(x, round * 10);
      if (outcome.kind !== 'new') continue;
      const name = `${toHex(outcome.slot.offer.publicKey)} ${outcome.slot.peerKey}`;
      assert.ok(!offers.has(name));
      offers.add(name);
    }
  }
});

test('a rekey moves over when a frame proves the new key; frames under the old one still open for a while', () => {
  const { a, b } = connected();
  const old = a.session.current!;
  const late = a.seal('late', old);
  const tooLate = a.seal('too late', old);
  rekey(a, b, 1000);
  assert.notEqual(a.session.current, old);
  assert.equal(b.text(late, 1500), 'late');
  assert.equal(b.text(tooLate, 1100 + PREVIOUS_LIFETIME), 'unauthentic');
});

test('a key the peer replaced is never taken again', () => {
  const { a, b } = connected();
  const first = bytes(b.session.current!.peerKey);
  rekey(a, b, 1000);
  assert.equal(b.session.receiveKey(first, 2000).kind, 'retired');
  rekey(a, b, 3000);
  assert.equal(b.session.receiveKey(first, 4000).kind, 'retired');
});

test('a point of low order is refused', () => {
  const b = new End(2, 1);
  assert.equal(b.session.receiveKey(new Uint8Array(32), 0).kind, 'weak_key');
  assert.equal(b.session.candidates.length, 0);
});

test('the two directions of one key never share a prefix', () => {
  for (let i = 0; i < 50; i++) {
    const { a, b } = connected();
    const prefix = (end: End): number => end.seal('', end.session.current!)[8]! >>> 7;
    assert.notEqual(prefix(a), prefix(b));
  }
});

test('a peer that restarts its counters under new prefixes is understood, up to a limit, and a rekey is asked for', () => {
  const { a, b } = connected();
  const { offer, peerKey, peerKeyBytes } = b.session.current!;
  const raw = tunnelKey(crypto, crypto.agreementKey(KEY_A()).agree(offer.publicKey)!);
  const opened: string[] = [];
  for (let life = 0; life < MAX_PREFIXES + 4; life++) {
    const sender = slotOf(1, 2, raw, 0x100 + life);
    opened.push(b.text(a.seal(`life ${life}`, sender), 100 + life));
    if (life === REKEY_PREFIXES) assert.ok(b.session.needsRekey(200));
  }
  assert.equal(opened.filter((text) => text.startsWith('life')).length, MAX_PREFIXES - 1);
  assert.equal(opened.at(-1), 'prefix_limit');
  assert.equal(b.session.current!.peerKey, peerKey);
  assert.deepEqual(b.session.current!.peerKeyBytes, peerKeyBytes);
});

test('age and volume ask for a rekey', () => {
  const aged = connected({ rekeyAfter: 1000 });
  assert.equal(aged.a.session.needsRekey(500), false);
  assert.equal(aged.a.session.needsRekey(1500), true);
  const busy = connected({ rekeyPackets: 10 });
  assert.equal(busy.a.session.needsRekey(500), false);
  for (let i = 0; i < 10; i++) busy.a.seal('x', busy.a.session.current!);
  assert.equal(busy.a.session.needsRekey(500), true);
});

test('garbage and forged counters open nothing and change nothing', () => {
  const { a, b } = connected();
  const good = a.seal('good', a.session.current!);
  const forged = good.slice();
  forged.fill(0xff, 12, 20);
  assert.notEqual(b.text(forged, 50), 'good');
  for (let bit = 0; bit < good.length * 8; bit += 7) {
    const flipped = good.slice();
    flipped[bit >>> 3]! ^= 1 << (bit & 7);
    // The sender id is not part of what the session reads: the tunnel picks the session by it.
    if (bit >>> 3 >= 8) assert.notEqual(b.text(flipped, 50), 'good');
  }
  assert.equal(b.text(good, 60), 'good');
});

test('with two unproven keys nothing is sent until one is proven', () => {
  const b = new End(2, 1);
  b.session.receiveKey(crypto.agreementKey(crypto.sha256(Uint8Array.of(1))).publicKey, 0);
  assert.ok(b.session.sendSlot(10) !== undefined);
  b.session.receiveKey(crypto.agreementKey(crypto.sha256(Uint8Array.of(2))).publicKey, 20);
  assert.equal(b.session.sendSlot(30), undefined);
});

test('an unproven key is trusted for sending only while it is young', () => {
  const b = new End(2, 1);
  b.session.receiveKey(crypto.agreementKey(crypto.sha256(Uint8Array.of(1))).publicKey, 0);
  assert.ok(b.session.sendSlot(900) !== undefined);
  assert.equal(b.session.sendSlot(1100), undefined);
});

/** The key in the frame an end would send. */
function key(end: End, now: number): Uint8Array {
  const pila = decodePila(end.session.offered(now).pila);
  return typeof pila === 'string' ? assert.fail(pila) : pila.x25519;
}

function exchanged(config = {}): { a: End; b: End } {
  const a = new End(1, 2, config, scripted([crypto.sha256(Uint8Array.of(7)), KEY_A()]));
  const b = new End(2, 1, config);
  const outcome = b.session.receiveKey(key(a, 0), 1);
  assert.ok(outcome.kind === 'new' && !outcome.answered);
  assert.equal(a.session.receiveKey(outcome.slot.offer.publicKey, 2).kind, 'new');
  return { a, b };
}

function connected(config = {}): { a: End; b: End } {
  const ends = exchanged(config);
  const { a, b } = ends;
  b.open(a.seal('', a.session.candidates[0]!), 3);
  a.open(b.seal('', b.session.current!), 4);
  assert.ok(a.session.current !== undefined && b.session.current !== undefined);
  return ends;
}

function rekey(a: End, b: End, now: number): void {
  const outcome = b.session.receiveKey(key(a, now), now);
  assert.ok(outcome.kind === 'new');
  a.session.receiveKey(outcome.slot.offer.publicKey, now);
  const opened = b.open(a.seal('', a.session.candidates.at(-1)!), now);
  assert.ok(typeof opened !== 'string' && opened.proved === 'rekeyed');
  a.open(b.seal('', b.session.current!), now);
}

function slotOf(node: number, peer: number, raw: Uint8Array, prefix = 0): KeySlot {
  const offer = makeOffer(
    { crypto, random: scripted([KEY_A()]), identity: crypto.signingKey(new Uint8Array(32)), node },
    0,
  );
  return new KeySlot({
    crypto,
    random: scripted([], [prefix]),
    node,
    peer,
    offer,
    peerKey: '',
    peerKeyBytes: new Uint8Array(32),
    key: raw,
    first: true,
    now: 0,
  });
}
