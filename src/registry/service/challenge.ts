import { toHex } from '../../base/bytes.ts';
import { formatEndpoint } from '../../base/endpoint.ts';
import { sourceOf } from '../source.ts';
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
  'presence',
  'binary',
] as const;

/**
 * Gives a nonce for a proven registration, our clock, and how long the daemon should wait before it registers.
 * Chosen; see docs/decisions/0003 and 0033.
 */
export const challenge: Handler = async ({ shared, connection, remote, at }) => {
  const now = shared.clock.now();
  const nonce = toHex(shared.random.bytes(16));
  if (connection.place === undefined) {
    connection.place = shared.admission.take(sourceOf(remote.host), now) ?? 'in';
  }
  const { place } = connection;
  const wait = place === 'in' ? 0 : shared.admission.wait(place, now);
  // Who is in stays in, however full it gets later.
  if (wait === 0) connection.place = 'in';
  connection.challenge = { nonce, expires: now + wait + LIFETIME };
  const { beacons, fingerprint } = shared.config;
  return {
    type: 'challenge_ok',
    nonce,
    time: at,
    features: FEATURES,
    ...(wait === 0 ? {} : { wait }),
    ...(fingerprint === '' ? {} : { fingerprint }),
    ...(beacons.length === 0 ? {} : { beacons: beacons.map(formatEndpoint) }),
  };
};
