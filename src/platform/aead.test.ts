import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Aead } from '../base/crypto.ts';
import { loadAccelerator } from './accelerator.ts';
import { nativeAead, nodeAead } from './aead.ts';

const accelerator = loadAccelerator('auto');
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
