import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fromUtf8, toHex, utf8 } from '../base/bytes.ts';
import { nodeCrypto } from '../platform/crypto.ts';
import { decodeBase64, encodeBase64 } from './base64.ts';
import { arbitrary, everyTruncationFails, hex, loadVectors, neverThrows } from './codec.testkit.ts';
import {
  decodeHandshake,
  encodeHandshake,
  HANDSHAKE_LIMIT,
  HANDSHAKE_TYPES,
  type HandshakeMessage,
  handshakeContentBytes,
  handshakeSignedString,
} from './handshake.ts';

const vectors = loadVectors<{
  ed25519_seed_hex: string;
  public_key_b64: string;
  messages: {
    name: string;
    hex: string;
    json: string;
    signature_b64: string;
    signed_string: string;
    to_node: number;
  }[];
}>('handshake');
const crypto = nodeCrypto();

describe('trust messages', () => {
  it('are encoded byte for byte as in every golden vector, understood, and verify', () => {
    const key = crypto.signingKey(hex(vectors.ed25519_seed_hex));
    for (const v of vectors.messages) {
      const message = decodeHandshake(hex(v.hex));
      assert.deepEqual(message, JSON.parse(v.json), v.name);
      assert.ok(typeof message !== 'string');
      assert.equal(toHex(encodeHandshake(message)), v.hex, v.name);
      const signed = handshakeSignedString(message.node_id, v.to_node);
      assert.equal(signed, v.signed_string);
      assert.equal(encodeBase64(key.sign(utf8(signed))), v.signature_b64);
      assert.ok(
        crypto.verify(decodeBase64(message.public_key)!, utf8(signed), decodeBase64(message.signature)!),
      );
    }
  });

  it('survive encoding and decoding, with our members and with ones we do not know', () => {
    fc.assert(
      fc.property(messages, (message) => {
        assert.deepEqual(decodeHandshake(encodeHandshake(message)), message);
      }),
    );
  });

  it('are signed over every member, unknown ones included, but not over the signature', () => {
    const message = sample();
    const content = (changed: HandshakeMessage) => fromUtf8(handshakeContentBytes(changed));
    assert.ok(content(message).startsWith('pilot-handshake-v2\n{"id":"a1","justification":"hi",'));
    assert.equal(content({ ...message, sig: 'x' }), content(message));
    const changes: Partial<HandshakeMessage>[] = [
      { type: 'handshake_revoke' },
      { node_id: 8 },
      { public_key: 'k' },
      { justification: 'other' },
      { signature: 's' },
      { reason: 'r' },
      { timestamp: 2 },
      { id: 'a2' },
      { reply_to: 'b' },
      { to: 9 },
      { to: 'host' },
      { extra: { scope: 'ports' } },
    ];
    for (const change of changes) assert.notEqual(content({ ...message, ...change }), content(message));
  });

  it('cover their content the same after travelling', () => {
    fc.assert(
      fc.property(messages, (message) => {
        const received = decodeHandshake(encodeHandshake(message));
        assert.ok(typeof received !== 'string');
        assert.deepEqual(handshakeContentBytes(received), handshakeContentBytes(message));
      }),
    );
  });

  it('cannot smuggle a known member in as an unknown one', () => {
    const message = sample();
    const forged = { ...message, extra: { justification: 'forged', sig: 'forged' } };
    assert.deepEqual(decodeHandshake(encodeHandshake(forged)), message);
    assert.deepEqual(handshakeContentBytes(forged), handshakeContentBytes(message));
  });

  it('of the wrong shape are refused with the reason', () => {
    const text = (value: unknown) => decodeHandshake(utf8(JSON.stringify(value)));
    const message = sample();
    assert.equal(decodeHandshake(utf8('{')), 'invalid_json');
    assert.equal(text([message]), 'not_object');
    assert.equal(text({ ...message, type: 'handshake_bless' }), 'unknown_type');
    for (const bad of [
      { type: 1 },
      { node_id: -1 },
      { node_id: 1.5 },
      { node_id: '1' },
      { node_id: 2 ** 32 },
      { timestamp: 'now' },
      { timestamp: 1.5 },
      { public_key: 1 },
      { signature: null },
      { id: 7 },
      { to: -1 },
      { to: {} },
      { sig: 1 },
    ]) {
      assert.equal(text({ ...message, ...bad }), 'bad_member', JSON.stringify(bad));
    }
    const { node_id, timestamp, type } = message;
    assert.deepEqual(text({ node_id, timestamp, type }), {
      type,
      node_id,
      public_key: '',
      justification: '',
      signature: '',
      reason: '',
      timestamp,
    });
  });

  it('longer than one old segment are refused unread, and never sent', () => {
    const long = { ...sample(), justification: 'x'.repeat(HANDSHAKE_LIMIT) };
    assert.throws(() => encodeHandshake(long), RangeError);
    assert.equal(decodeHandshake(utf8(JSON.stringify(long))), 'too_large');
  });

  it('are refused at every truncation', () => {
    everyTruncationFails(encodeHandshake({ ...sample(), to: 'b', sig: 'zz' }), decodeHandshake);
  });

  it('never throw on hostile bytes', () => {
    neverThrows(decodeHandshake, [...vectors.messages.map((v) => hex(v.hex)), encodeHandshake(sample())]);
  });
});

const messages: fc.Arbitrary<HandshakeMessage> = fc
  .tuple(
    arbitrary.record({
      type: fc.constantFrom(...HANDSHAKE_TYPES),
      node_id: arbitrary.u32,
      public_key: arbitrary.text,
      justification: arbitrary.text,
      signature: arbitrary.text,
      reason: arbitrary.text,
      timestamp: fc.maxSafeInteger().map((value) => value || 0),
    }),
    fc.record(
      {
        id: arbitrary.text,
        reply_to: arbitrary.text,
        to: fc.oneof(arbitrary.u32, arbitrary.text),
        sig: arbitrary.text,
        extra: fc.constant({ scope: ['a', 1], x: null }),
      },
      { noNullPrototype: true, requiredKeys: [] },
    ),
  )
  .map(([seven, ours]) => ({ ...seven, ...ours }));

function sample(): HandshakeMessage {
  return {
    type: 'handshake_request',
    node_id: 7,
    public_key: '',
    justification: 'hi',
    signature: '',
    reason: '',
    timestamp: 1_775_000_000,
    id: 'a1',
  };
}
