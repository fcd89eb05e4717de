import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { concat, toHex, utf8 } from '../base/bytes.ts';
import { nodeCrypto } from '../platform/crypto.ts';
import { arbitrary, everyTruncationFails, hex, loadVectors, neverThrows } from './codec.testkit.ts';
import { decodePacket } from './packet.ts';
import {
  classifyDatagram,
  decodePila,
  decodePilk,
  decodePils,
  encodePila,
  encodePilk,
  encodePilp,
  encodePilt,
  PILA_LENGTH,
  PILS_HEADER_LENGTH,
  PILS_OVERHEAD,
  pilaSignedBytes,
  pilsAad,
  writePilsHeader,
} from './tunnel-frames.ts';

interface Key {
  readonly node_id: number;
  readonly x25519_private_hex: string;
  readonly x25519_public_hex: string;
  readonly ed25519_seed_hex: string;
  readonly ed25519_public_hex: string;
}
interface Frame {
  readonly name: string;
  readonly hex: string;
  readonly inner_hex: string;
  readonly signature_hex: string;
  readonly signed_message_hex: string;
  readonly aad_hex: string;
  readonly nonce_hex: string;
  readonly nonce_prefix_hex: string;
  readonly counter: string;
  readonly plaintext_hex: string;
  readonly ciphertext_and_tag_hex: string;
}
interface Derivation {
  readonly a_private_hex: string;
  readonly a_public_hex: string;
  readonly b_public_hex: string;
  readonly shared_hex: string;
  readonly key_hex: string;
}
const vectors = loadVectors<{
  keys: { a: Key; b: Key; aes256_key_hex: string; info: string; shared_hex: string };
  frames: Frame[];
  key_derivation: Derivation[];
}>('tunnel');
const crypto = nodeCrypto();
const named = (start: string) => vectors.frames.filter((frame) => frame.name.startsWith(start));
const keyOf = (name: string) => (name.endsWith(' a') ? vectors.keys.a : vectors.keys.b);

describe('tunnel frames', () => {
  it('derive the golden keys from the golden pairs', () => {
    const info = utf8(vectors.keys.info);
    for (const d of vectors.key_derivation) {
      const own = crypto.agreementKey(hex(d.a_private_hex));
      assert.equal(toHex(own.publicKey), d.a_public_hex);
      const shared = own.agree(hex(d.b_public_hex))!;
      assert.equal(toHex(shared), d.shared_hex);
      assert.equal(toHex(crypto.hkdfSha256(shared, new Uint8Array(0), info, 32)), d.key_hex);
    }
  });

  it('of every golden PILK are produced and understood', () => {
    for (const frame of named('PILK')) {
      const key = keyOf(frame.name);
      assert.equal(toHex(encodePilk({ node: key.node_id, x25519: hex(key.x25519_public_hex) })), frame.hex);
      assert.deepEqual(decodePilk(hex(frame.hex)), { node: key.node_id, x25519: hex(key.x25519_public_hex) });
      assert.equal(classifyDatagram(hex(frame.hex)).kind, 'pilk');
    }
  });

  it('of every golden PILA are produced, understood, and verify', () => {
    for (const frame of named('PILA')) {
      const key = keyOf(frame.name);
      const signed = pilaSignedBytes(key.node_id, hex(key.x25519_public_hex));
      assert.equal(toHex(signed), frame.signed_message_hex);
      const signer = crypto.signingKey(hex(key.ed25519_seed_hex));
      assert.equal(toHex(signer.publicKey), key.ed25519_public_hex);
      const signature = Uint8Array.from(signer.sign(signed));
      assert.equal(toHex(signature), frame.signature_hex);
      const pila = {
        node: key.node_id,
        x25519: hex(key.x25519_public_hex),
        ed25519: hex(key.ed25519_public_hex),
        signature,
      };
      assert.equal(toHex(encodePila(pila)), frame.hex);
      assert.deepEqual(
        decodePila(concat(hex(frame.hex), new Uint8Array(7))),
        pila,
        'trailing bytes are ignored',
      );
      assert.ok(crypto.verify(pila.ed25519, signed, pila.signature));
      assert.equal(classifyDatagram(hex(frame.hex)).kind, 'pila');
    }
  });

  it('of every golden PILT carry the packet of the vector', () => {
    for (const frame of named('PILT')) {
      assert.equal(toHex(encodePilt(hex(frame.inner_hex))), frame.hex);
      assert.equal(classifyDatagram(hex(frame.hex)).kind, 'pilt');
      assert.ok(typeof decodePacket(hex(frame.hex), 4) !== 'string');
    }
  });

  it('of every golden PILS are produced and open to the packet of the vector', () => {
    const aead = crypto.aead(hex(vectors.keys.aes256_key_hex));
    assert.ok(named('PILS').length >= 14);
    for (const v of named('PILS')) {
      const bytes = hex(v.hex);
      assert.equal(classifyDatagram(bytes).kind, 'pils');
      const frame = decodePils(bytes);
      assert.ok(typeof frame !== 'string');
      assert.equal(toHex(frame.nonce), v.nonce_hex);
      assert.equal(frame.prefix, Number.parseInt(v.nonce_prefix_hex, 16));
      assert.equal((BigInt(frame.counterHigh) << 32n) | BigInt(frame.counterLow), BigInt(v.counter));
      assert.equal(toHex(pilsAad(bytes)), v.aad_hex);
      assert.equal(toHex(aead.open(frame.nonce, pilsAad(bytes), frame.sealed)!), v.plaintext_hex);

      const plaintext = hex(v.plaintext_hex);
      const out = new Uint8Array(plaintext.length + PILS_OVERHEAD);
      writePilsHeader(out, frame.node, frame.prefix, frame.counterHigh, frame.counterLow);
      aead.sealInto(out.slice(8, 20), pilsAad(out), plaintext, out, PILS_HEADER_LENGTH);
      assert.equal(toHex(out), v.hex, v.name);
    }
  });

  it('of the golden PILP are exactly the magic', () => {
    assert.equal(toHex(encodePilp()), named('PILP')[0]!.hex);
    assert.equal(classifyDatagram(encodePilp()).kind, 'pilp');
  });

  it('are told apart by their first bytes alone', () => {
    assert.equal(classifyDatagram(new Uint8Array(0)).kind, 'empty');
    for (let first = 0; first < 256; first++) {
      const kind = classifyDatagram(Uint8Array.of(first)).kind;
      assert.equal(kind, first < 0x10 ? 'beacon' : 'unknown');
    }
    assert.equal(classifyDatagram(utf8('PILX')).kind, 'unknown');
    assert.equal(classifyDatagram(utf8('PIL')).kind, 'unknown');
    assert.equal(classifyDatagram(utf8('PILS')).kind, 'pils');
  });

  it('survive encoding and decoding', () => {
    const key = arbitrary.exactly(32);
    fc.assert(
      fc.property(arbitrary.u32, key, key, arbitrary.exactly(64), (node, x25519, ed25519, signature) => {
        assert.deepEqual(decodePila(encodePila({ node, x25519, ed25519, signature })), {
          node,
          x25519,
          ed25519,
          signature,
        });
        assert.deepEqual(decodePilk(encodePilk({ node, x25519 })), { node, x25519 });
      }),
    );
    fc.assert(
      fc.property(arbitrary.u32, arbitrary.u32, arbitrary.u32, arbitrary.u32, (node, prefix, high, low) => {
        const frame = new Uint8Array(PILS_OVERHEAD);
        writePilsHeader(frame, node, prefix, high, low);
        const decoded = decodePils(frame);
        assert.ok(typeof decoded !== 'string');
        assert.deepEqual(
          [decoded.node, decoded.prefix, decoded.counterHigh, decoded.counterLow],
          [node, prefix, high, low],
        );
      }),
    );
  });

  it('are refused at every truncation', () => {
    everyTruncationFails(hex(named('PILA')[0]!.hex), decodePila);
    everyTruncationFails(hex(named('PILK')[0]!.hex), decodePilk);
    const shortest = named('PILS').find((v) => v.plaintext_hex === '')!;
    everyTruncationFails(hex(shortest.hex), decodePils);
  });

  it('never throw on hostile bytes', () => {
    const samples = vectors.frames.map((frame) => hex(frame.hex));
    neverThrows(
      (bytes) => [classifyDatagram(bytes), decodePila(bytes), decodePilk(bytes), decodePils(bytes)],
      samples,
    );
  });

  it('with keys or signatures of the wrong length are a caller mistake', () => {
    const key = new Uint8Array(32);
    const pila = { node: 1, x25519: key, ed25519: key, signature: new Uint8Array(64) };
    assert.equal(encodePila(pila).length, PILA_LENGTH);
    assert.throws(() => encodePila({ ...pila, x25519: new Uint8Array(31) }), RangeError);
    assert.throws(() => encodePila({ ...pila, signature: new Uint8Array(65) }), RangeError);
    assert.throws(() => pilaSignedBytes(1, new Uint8Array(33)), RangeError);
  });
});
