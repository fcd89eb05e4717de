import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { toHex } from '../base/bytes.ts';
import { type Aead, FRAME_OPENED, FRAME_OPENED_UNCHECKED, FRAME_UNAUTHENTIC } from '../base/crypto.ts';
import { crc32 } from '../wire/crc32.ts';
import { loadAccelerator } from './accelerator.ts';
import { nativeAead, nodeAead } from './aead.ts';

const accelerator = loadAccelerator();
const WAYS: readonly [string, (key: Uint8Array) => Aead][] = [
  ['node:crypto', nodeAead],
  ...(accelerator === undefined
    ? []
    : [['the accelerator', (key: Uint8Array) => nativeAead(accelerator, key)] as const]),
].map(([name, make]) => [name, make] as [string, (key: Uint8Array) => Aead]);

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const message = fc.record({
  key: bytes(32),
  nonce: bytes(12),
  aad: fc.uint8Array({ maxLength: 40 }),
  plaintext: fc.uint8Array({ maxLength: 3000 }),
  at: fc.nat(50),
});

function sealed(
  aead: Aead,
  { nonce, aad, plaintext, at }: typeof message extends fc.Arbitrary<infer M> ? M : never,
) {
  const out = new Uint8Array(at + plaintext.length + 16 + 7).fill(0xee);
  aead.sealInto(nonce, aad, plaintext, out, at);
  assert.ok(
    out.subarray(0, at).every((byte) => byte === 0xee),
    'nothing is written in front of it',
  );
  assert.ok(
    out.subarray(at + plaintext.length + 16).every((byte) => byte === 0xee),
    'nor behind it',
  );
  return out.subarray(at, at + plaintext.length + 16);
}

for (const [name, make] of WAYS) {
  test(`${name}: what is sealed opens, and every changed bit is noticed`, () => {
    fc.assert(
      fc.property(message, fc.nat(), (given, flip) => {
        const aead = make(given.key);
        const box = sealed(aead, given);
        assert.deepEqual([...(aead.open(given.nonce, given.aad, box) ?? [])], [...given.plaintext]);
        const broken = box.slice();
        broken[flip % broken.length]! ^= 1 << (flip % 8);
        assert.equal(aead.open(given.nonce, given.aad, broken), undefined);
        assert.equal(aead.open(given.nonce, Uint8Array.of(...given.aad, 0), box), undefined);
        assert.deepEqual([...(aead.open(given.nonce, given.aad, box) ?? [])], [...given.plaintext]);
      }),
    );
  });

  test(`${name}: lengths that cannot be are refused`, () => {
    const aead = make(new Uint8Array(32));
    assert.throws(() => make(new Uint8Array(31)), RangeError);
    assert.equal(aead.open(new Uint8Array(12), new Uint8Array(0), new Uint8Array(15)), undefined);
    assert.equal(aead.open(new Uint8Array(11), new Uint8Array(0), new Uint8Array(40)), undefined);
    assert.throws(() =>
      aead.sealInto(new Uint8Array(11), new Uint8Array(0), new Uint8Array(1), new Uint8Array(99), 0),
    );
  });
}

/** Frames to be sealed: heads of `head` bytes, plaintexts with room for a checksum. */
const trains = fc
  .record({
    key: bytes(32),
    aad: fc.uint8Array({ maxLength: 8 }),
    head: fc.integer({ min: 12, max: 40 }),
    checksumAt: fc.constantFrom(-1, 0, 5, 30),
    body: fc.integer({ min: 34, max: 1500 }),
    frames: fc.integer({ min: 1, max: 12 }),
    last: fc.integer({ min: 34, max: 1500 }),
    seed: fc.nat(),
  })
  .map(({ body, frames, last, seed, ...rest }) => {
    const segment = rest.head + body + 16;
    const train = new Uint8Array((frames - 1) * segment + rest.head + Math.min(body, last) + 16);
    for (let i = 0; i < train.length; i++) train[i] = Math.imul(i + seed, 2654435761) >>> 24;
    return { ...rest, layout: { head: rest.head, checksumAt: rest.checksumAt }, segment, frames, train };
  });

for (const [name, make] of WAYS) {
  test(`${name}: a train is its frames, sealed one by one`, () => {
    fc.assert(
      fc.property(trains, ({ key, aad, layout, segment, train }) => {
        const aead = make(key);
        const { head, checksumAt } = layout;
        const sealedTrain = train.slice();
        aead.sealTrain(aad, sealedTrain, segment, layout);
        for (let at = 0; at < train.length; at += segment) {
          const frame = train.slice(at, at + segment);
          const plaintext = frame.slice(head, frame.length - 16);
          if (checksumAt >= 0) {
            plaintext.fill(0, checksumAt, checksumAt + 4);
            new DataView(plaintext.buffer).setUint32(checksumAt, crc32(plaintext));
          }
          aead.sealInto(frame.slice(head - 12, head), aad, plaintext, frame, head);
          assert.equal(toHex(sealedTrain.subarray(at, at + segment)), toHex(frame));
        }
      }),
      { numRuns: 60 },
    );
  });

  test(`${name}: a train opens as it was, in place or elsewhere, and every broken frame is told`, () => {
    fc.assert(
      fc.property(trains, fc.nat(), fc.boolean(), (given, flip, inPlace) => {
        const { key, aad, layout, segment, frames, train } = given;
        const aead = make(key);
        aead.sealTrain(aad, train, segment, layout);
        const whole = train.slice();
        const verdicts = new Uint8Array(frames);
        const plain = new Uint8Array(train.length);
        assert.equal(aead.openTrain(aad, whole, segment, layout, plain, verdicts), frames);
        assert.ok(verdicts.every((verdict) => verdict === FRAME_OPENED));
        assert.equal(toHex(whole), toHex(train), 'the sealed train is left as it is');
        const broken = flip % frames;
        const at = broken * segment + layout.head;
        const size = Math.min(segment, train.length - broken * segment) - layout.head;
        whole[at + (flip % size)]! ^= 1 << (flip % 8);
        const out = inPlace ? whole : new Uint8Array(train.length + 3).fill(0xee);
        assert.equal(aead.openTrain(aad, whole, segment, layout, out, verdicts), frames - 1);
        verdicts.forEach((verdict, frame) => {
          const from = frame * segment + layout.head;
          const end = Math.min((frame + 1) * segment, train.length) - 16;
          assert.equal(verdict, frame === broken ? FRAME_UNAUTHENTIC : FRAME_OPENED);
          const expected = frame === broken ? new Uint8Array(end - from) : plain.subarray(from, end);
          assert.equal(toHex(out.subarray(from, end)), toHex(expected));
        });
        if (!inPlace) assert.ok(out.subarray(train.length).every((byte) => byte === 0xee));
      }),
      { numRuns: 60 },
    );
  });

  test(`${name}: a frame with another checksum opens, and says so`, () => {
    const aead = make(new Uint8Array(32));
    const [none, layout] = [new Uint8Array(0), { head: 20, checksumAt: 30 }];
    const train = new Uint8Array(200);
    aead.sealInto(new Uint8Array(12), none, new Uint8Array(64).fill(1), train, 20);
    train.copyWithin(100, 0, 100);
    const verdicts = new Uint8Array(2);
    assert.equal(aead.openTrain(none, train, 100, layout, train, verdicts), 2);
    assert.deepEqual([...verdicts], [FRAME_OPENED_UNCHECKED, FRAME_OPENED_UNCHECKED]);
    assert.equal(train[20], 1);
  });

  test(`${name}: trains that cannot be are refused before anything is sealed`, () => {
    const aead = make(new Uint8Array(32));
    const none = new Uint8Array(0);
    for (const [length, segment, head, checksumAt] of [
      [0, 100, 20, -1],
      [100, 0, 20, -1],
      [100, -1, 20, -1],
      [100, Number.NaN, 20, -1],
      [100, 100, 11, -1],
      [100, 100, Number.NaN, -1],
      [100, 100, 85, -1],
      [100, 100, 20, 61],
      [135, 100, 20, -1],
      [100, 35, 20, -1],
    ] as const) {
      const train = new Uint8Array(length).fill(9);
      const layout = { head, checksumAt };
      assert.throws(() => aead.sealTrain(none, train, segment, layout), `${length} by ${segment}`);
      assert.throws(() => aead.openTrain(none, train, segment, layout, train, new Uint8Array(9)));
      assert.ok(train.every((byte) => byte === 9));
    }
    const two = new Uint8Array(200);
    const layout = { head: 20, checksumAt: -1 };
    assert.throws(() => aead.openTrain(none, two, 100, layout, new Uint8Array(199), new Uint8Array(2)));
    assert.throws(() => aead.openTrain(none, two, 100, layout, two, new Uint8Array(1)));
  });
}

test('both checksums are the same', () => {
  if (accelerator === undefined) return;
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 700 }), fc.nat(20), (data, from) => {
      assert.equal(accelerator.crc32(data.subarray(from)), crc32(data.subarray(from)));
    }),
    { numRuns: 1000 },
  );
  assert.equal(accelerator.crc32(new TextEncoder().encode('123456789')), 0xcbf43926);
});

test('both ways make the same bytes', () => {
  fc.assert(
    fc.property(message, (given) => {
      const [first, ...others] = WAYS.map(([, make]) => sealed(make(given.key), given));
      for (const other of others) assert.deepEqual(other, first);
    }),
  );
});

test('the accelerator refuses an output without room, and whatever is no key', () => {
  if (accelerator === undefined) return;
  const key = accelerator.aeadKey(new Uint8Array(32));
  const [nonce, empty] = [new Uint8Array(12), new Uint8Array(0)];
  for (const at of [-1, 5, 1e9, Number.NaN, Number.POSITIVE_INFINITY])
    assert.throws(() => accelerator.aeadSeal(key, nonce, empty, new Uint8Array(4), new Uint8Array(24), at));
  assert.throws(() => accelerator.aeadOpen(key, nonce, empty, new Uint8Array(40), new Uint8Array(23)));
  for (const wrong of [undefined, null, 1, {}, new Uint8Array(4), 'key'])
    assert.throws(
      () => accelerator.aeadSeal(wrong as never, nonce, empty, empty, new Uint8Array(16), 0),
      TypeError,
    );
  for (const wrong of [undefined, 'x', [], new Uint16Array(12), new ArrayBuffer(12)])
    assert.throws(() => accelerator.aeadSeal(key, wrong as never, empty, empty, new Uint8Array(16), 0));
});
