import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fromHex, toHex, utf8 } from '../base/bytes.ts';
import { nodeCrypto } from './crypto.ts';

const crypto = nodeCrypto();
const hex = (text: string): Uint8Array => fromHex(text.replaceAll(' ', ''))!;
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

test('signs as RFC 8032 §7.1 test 2 does', () => {
  const key = crypto.signingKey(hex('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb'));
  assert.equal(toHex(key.publicKey), '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c');
  const signature = key.sign(hex('72'));
  assert.equal(
    toHex(signature),
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  );
  assert.equal(crypto.verify(key.publicKey, hex('72'), signature), true);
  assert.equal(crypto.verify(key.publicKey, hex('73'), signature), false);
});

test('verify answers false, and never throws, for any malformed key or signature', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 80 }),
      fc.uint8Array({ maxLength: 40 }),
      fc.uint8Array({ maxLength: 80 }),
      (key, message, signature) => {
        assert.equal(crypto.verify(key, message, signature), false);
      },
    ),
  );
  fc.assert(
    fc.property(bytes(32), bytes(64), (key, signature) => {
      assert.equal(crypto.verify(key, utf8('m'), signature), false);
    }),
  );
});

test('more keys than the cache holds verify all the same', () => {
  const signers = Array.from({ length: 600 }, (_, i) =>
    crypto.signingKey(new Uint8Array(32).fill(i & 255).fill(i >> 8, 16)),
  );
  for (let round = 0; round < 2; round++) {
    for (const signer of signers.slice(0, round === 0 ? 600 : 20)) {
      assert.equal(crypto.verify(signer.publicKey, utf8('x'), signer.sign(utf8('x'))), true);
    }
  }
});

const BOB = hex('5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb');

test('agrees as RFC 7748 §6.1 does', () => {
  const bob = crypto.agreementKey(BOB);
  assert.equal(toHex(bob.publicKey), 'de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f');
  const alice = hex('8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a');
  assert.equal(toHex(bob.agree(alice)!), '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742');
});

test('both sides of an agreement get the same secret', () => {
  fc.assert(
    fc.property(bytes(32), bytes(32), (a, b) => {
      const [left, right] = [crypto.agreementKey(a), crypto.agreementKey(b)];
      assert.deepEqual(left.agree(right.publicKey), right.agree(left.publicKey));
    }),
    { numRuns: 20 },
  );
});

test('agreement with a low-order point or a short key is refused', () => {
  const key = crypto.agreementKey(BOB);
  const lowOrder = [
    '0000000000000000000000000000000000000000000000000000000000000000',
    '0100000000000000000000000000000000000000000000000000000000000000',
    'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
    '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  ];
  for (const point of lowOrder) assert.equal(key.agree(hex(point)), undefined, point);
  assert.equal(key.agree(new Uint8Array(31)), undefined);
  assert.equal(key.agree(new Uint8Array(0)), undefined);
});

test('seals as the GCM specification, test case 15 with additional data (case 16) does', () => {
  const aead = crypto.aead(hex('feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308'));
  const plaintext = hex(
    'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39',
  );
  const aad = hex('feedfacedeadbeeffeedfacedeadbeefabaddad2');
  const out = new Uint8Array(plaintext.length + 20);
  aead.sealInto(hex('cafebabefacedbaddecaf888'), aad, plaintext, out, 4);
  assert.equal(
    toHex(out.subarray(4)),
    '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b',
  );
  assert.equal(toHex(out.subarray(0, 4)), '00000000');
});

test('opens only what it sealed: any changed byte, truncation or wrong nonce gives undefined', () => {
  const aead = crypto.aead(new Uint8Array(32).fill(7));
  const nonce = new Uint8Array(12).fill(1);
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.uint8Array({ maxLength: 20 }),
      fc.nat(),
      (plaintext, aad, where) => {
        const sealed = new Uint8Array(plaintext.length + 16);
        aead.sealInto(nonce, aad, plaintext, sealed, 0);
        assert.deepEqual(new Uint8Array(aead.open(nonce, aad, sealed)!), plaintext);
        const broken = sealed.slice();
        broken[where % broken.length]! ^= 1;
        assert.equal(aead.open(nonce, aad, broken), undefined);
        assert.equal(aead.open(nonce, aad, sealed.subarray(0, where % sealed.length)), undefined);
        assert.equal(aead.open(new Uint8Array(12).fill(2), aad, sealed), undefined);
        assert.equal(aead.open(new Uint8Array(8), aad, sealed), undefined);
      },
    ),
  );
});

test('derives as RFC 5869 test case 1 does', () => {
  const out = crypto.hkdfSha256(
    new Uint8Array(22).fill(0x0b),
    hex('000102030405060708090a0b0c'),
    hex('f0f1f2f3f4f5f6f7f8f9'),
    42,
  );
  assert.equal(
    toHex(out),
    '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
  );
});

test('hashes alike at once and in pieces, and owns its results', () => {
  const data = utf8('abc');
  const expected = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
  assert.equal(toHex(crypto.sha256(data)), expected);
  const stream = crypto.sha256Stream();
  for (const byte of data) stream.update(Uint8Array.of(byte));
  assert.equal(toHex(stream.digest()), expected);
  assert.equal(crypto.sha256(data).buffer.byteLength, 32);
  assert.equal(
    toHex(crypto.hmacSha256(utf8('Jefe'), utf8('what do ya want for nothing?'))),
    '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
  );
});
