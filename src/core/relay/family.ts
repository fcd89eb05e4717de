import type { Endpoint } from '../../base/units.ts';

/** How a datagram gets to an endpoint. A node has at most one endpoint of each at a beacon. */
export type Family = 'v4' | 'v6' | 'stream';

/** A byte stream that a node holds open to the beacon has an endpoint that only the beacon can use: `ws:<n>`. */
export function familyOf({ host }: Endpoint): Family {
  if (host.startsWith('ws:')) return 'stream';
  return host.includes(':') ? 'v6' : 'v4';
}
