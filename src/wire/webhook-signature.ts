/**
 * How a webhook proves where it comes from, as Standard Webhooks 1.0.0 has it (standardwebhooks.com): headers
 * `webhook-id`, `webhook-timestamp` (unix seconds) and `webhook-signature`, which lists `v1,` ‖ base64 of
 * HMAC-SHA-256 over `id.timestamp.body`. A secret is `whsec_` ‖ base64 of 24 to 64 bytes.
 */
import { utf8 } from '../base/bytes.ts';
import type { Crypto } from '../base/crypto.ts';
import { decodeBase64, encodeBase64 } from './base64.ts';

const PREFIX = 'whsec_';
export const WEBHOOK_SECRET_BYTES = 32;

export function encodeWebhookSecret(bytes: Uint8Array): string {
  return PREFIX + encodeBase64(bytes);
}

/** The key of a secret; undefined when it is none. */
export function decodeWebhookSecret(secret: string): Uint8Array | undefined {
  if (!secret.startsWith(PREFIX)) return undefined;
  const bytes = decodeBase64(secret.slice(PREFIX.length));
  return bytes === undefined || bytes.length < 24 || bytes.length > 64 ? undefined : bytes;
}

export interface WebhookMessage {
  readonly id: string;
  /** Unix seconds. */
  readonly timestamp: number;
  readonly body: string;
}

/** The three headers. Throws RangeError for a malformed secret. */
export function webhookHeaders(
  crypto: Pick<Crypto, 'hmacSha256'>,
  secret: string,
  { id, timestamp, body }: WebhookMessage,
): Record<string, string> {
  const key = decodeWebhookSecret(secret);
  if (key === undefined) throw new RangeError('Cannot sign a webhook: the secret is malformed');
  const signature = encodeBase64(crypto.hmacSha256(key, utf8(`${id}.${timestamp}.${body}`)));
  return {
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': `v1,${signature}`,
  };
}
