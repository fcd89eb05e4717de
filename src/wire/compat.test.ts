import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fromUtf8 } from '../base/bytes.ts';
import { nodeCrypto } from '../platform/crypto.ts';
import {
  AUTH_OK,
  type CompatMessage,
  carrierUrl,
  compatSignedBytes,
  decodeCompatMessage,
  encodeAuthReply,
  encodeChallenge,
  parseCarrierUrl,
} from './compat.ts';

const NONCE = '00112233445566778899aabbccddeeff'.repeat(2);
const identity = nodeCrypto().signingKey(new Uint8Array(32).fill(7));

test('messages are the JSON texts of spec/23 §1.2', () => {
  assert.equal(encodeChallenge(NONCE), `{"type":"auth_challenge","nonce":"${NONCE}"}`);
  assert.equal(AUTH_OK, '{"type":"auth_ok"}');
  assert.equal(fromUtf8(compatSignedBytes(4_294_967_295, NONCE)), `compat_auth:4294967295:${NONCE}`);
  const signature = identity.sign(compatSignedBytes(7, NONCE));
  const reply = JSON.parse(encodeAuthReply(7, identity.publicKey, signature)) as Record<string, unknown>;
  assert.deepEqual(reply, {
    type: 'auth_reply',
    node_id: 7,
    public_key: Buffer.from(identity.publicKey).toString('base64'),
    sig: Buffer.from(signature).toString('base64'),
  });
});

test('reads what it writes, and members it does not know', () => {
  assert.deepEqual(decodeCompatMessage(encodeChallenge(NONCE)), { type: 'auth_challenge', nonce: NONCE });
  assert.deepEqual(decodeCompatMessage('{"type":"auth_ok","since":"1.14"}'), { type: 'auth_ok' });
  const signature = identity.sign(compatSignedBytes(7, NONCE));
  const read = decodeCompatMessage(encodeAuthReply(7, identity.publicKey, signature)) as Extract<
    CompatMessage,
    { type: 'auth_reply' }
  >;
  assert.deepEqual([read.node, [...read.publicKey]], [7, [...identity.publicKey]]);
  assert.deepEqual([...read.signature], [...signature]);
});

test('what is not a message is told apart', () => {
  const reply = JSON.parse(encodeAuthReply(7, new Uint8Array(32), new Uint8Array(64))) as object;
  const changed = (change: object): string => JSON.stringify({ ...reply, ...change });
  assert.equal(decodeCompatMessage(''), 'not_json');
  assert.equal(decodeCompatMessage('[]'), 'not_json');
  assert.equal(decodeCompatMessage('{"type":"hello"}'), 'unknown_type');
  assert.equal(decodeCompatMessage(`{"type":"auth_ok","x":"${'a'.repeat(5_000)}"}`), 'too_long');
  for (const text of [
    encodeChallenge(NONCE.slice(2)),
    encodeChallenge(`${NONCE.slice(2)}zz`),
    changed({ node_id: 0 }),
    changed({ node_id: 1.5 }),
    changed({ node_id: 2 ** 32 }),
    changed({ node_id: '7' }),
    changed({ public_key: 'AAAA' }),
    changed({ public_key: undefined }),
    changed({ sig: 5 }),
  ]) {
    assert.equal(decodeCompatMessage(text), 'bad_field', text);
  }
});

test('random text and every truncation never throw', () => {
  const whole = encodeAuthReply(7, new Uint8Array(32), new Uint8Array(64));
  for (let end = 0; end < whole.length; end++)
    assert.equal(decodeCompatMessage(whole.slice(0, end)), 'not_json');
  fc.assert(fc.property(fc.string(), (text) => void decodeCompatMessage(text)));
  fc.assert(fc.property(fc.json(), (text) => void decodeCompatMessage(text)));
  fc.assert(fc.property(fc.string(), (text) => void parseCarrierUrl(text)));
});

test('URLs of beacons have one spelling', () => {
  const text = 'wss://beacon.example:443/v1/compat';
  const read = { text, secure: true, host: 'beacon.example', port: 443 };
  for (const spelling of [
    text,
    'wss://beacon.example',
    'WSS://Beacon.Example/',
    'wss://beacon.example/v1/compat',
  ]) {
    assert.deepEqual(parseCarrierUrl(spelling), read);
  }
  assert.equal(parseCarrierUrl('ws://[2001:DB8::1]/x')?.text, 'ws://[2001:db8::1]:80/x');
  assert.equal(carrierUrl(true, { host: '2001:db8::1', port: 9000 }), 'wss://[2001:db8::1]:9000/v1/compat');
  for (const wrong of ['', 'https://b', 'wss://', 'wss://u:p@b', 'wss://b:0', 'wss://b:99999', 'wss://b/a b'])
    assert.equal(parseCarrierUrl(wrong), undefined, wrong);
});
