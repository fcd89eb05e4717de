import { toHex } from '../../base/bytes.ts';
import { formatEndpoint } from '../../base/endpoint.ts';
import type { Handler } from './call.ts';

/** How long a challenge may be answered, ms. */
const LIFETIME = 60_000;

/** What this registry can do beyond spec/10; clients send the new fields only to servers that list them. */
export const FEATURES = [
  'sig',
  'request_id',
  'subscribe',
  'ack',
  'to_hostname',
  'revocations',
  'networks',
  'records',
  'certificates',
] as const;

/** Gives a nonce for a proven registration, and our clock. Chosen; see docs/decisions/0003. */
export const challenge: Handler = async ({ shared, connection, at }) => {
  const nonce = toHex(shared.random.bytes(16));
  connection.challenge = { nonce, expires: shared.clock.now() + LIFETIME };
  const { beacons, fingerprint } = shared.config;
  return {
    type: 'challenge_ok',
    nonce,
    time: at,
    features: FEATURES,
    ...(fingerprint === '' ? {} : { fingerprint }),
    ...(beacons.length === 0 ? {} : { beacons: beacons.map(formatEndpoint) }),
  };
};
