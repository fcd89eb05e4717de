import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeCrypto } from '../platform/crypto.ts';
import { decodeWebhookSecret, encodeWebhookSecret, webhookHeaders } from './webhook-signature.ts';

const crypto = nodeCrypto();

test('signs as the example of the Standard Webhooks libraries', () => {
  const headers = webhookHeaders(crypto, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', {
    id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    timestamp: 1_614_265_330,
    body: '{"test": 2432232314}',
  });
  assert.deepEqual(headers, {
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  });
});

test('covers id, time and every byte of the body', () => {
  const secret = encodeWebhookSecret(new Uint8Array(32).fill(7));
  const message = { id: 'evt_1_2', timestamp: 1_800_000_000, body: '{"a":"ü"}' };
  const signature = (changes: object, by = secret) =>
    webhookHeaders(crypto, by, { ...message, ...changes })['webhook-signature'];
  const all = [
    signature({}),
    signature({ id: 'evt_1_3' }),
    signature({ timestamp: 1_800_000_001 }),
    signature({ body: '{"a":"u"}' }),
    signature({}, encodeWebhookSecret(new Uint8Array(32).fill(8))),
  ];
  assert.equal(new Set(all).size, all.length);
  assert.equal(signature({}), all[0]);
});

test('takes secrets of 24 to 64 bytes and nothing else', () => {
  for (const length of [24, 32, 64])
    assert.equal(decodeWebhookSecret(encodeWebhookSecret(new Uint8Array(length)))?.length, length);
  const wrong = ['', 'whsec_', 'whsec_AAAA', 'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'whsec_***'];
  wrong.push(encodeWebhookSecret(new Uint8Array(23)), encodeWebhookSecret(new Uint8Array(65)));
  for (const secret of wrong) assert.equal(decodeWebhookSecret(secret), undefined, secret);
  assert.throws(() => webhookHeaders(crypto, 'whsec_', { id: '1', timestamp: 1, body: '' }), RangeError);
});
