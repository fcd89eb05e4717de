/** Beacons that announce themselves to each other. spec/13 §8 */
import { formatEndpoint, parseHostPort } from '../../base/endpoint.ts';
import type { Handler } from './call.ts';
import { text, u32 } from './fields.ts';
import { operates } from './operators/demand.ts';
import { refusal } from './refusal.ts';

/** A beacon may announce only the address it speaks from, unless the operator vouches for it. */
export const beaconRegister: Handler = async (call) => {
  const id = u32(call.request.beacon_id);
  const address = text(call.request.addr);
  if (id === 0) throw refusal('invalid_argument', 'beacon_id required');
  if (address === '') throw refusal('invalid_argument', 'addr required');
  const endpoint = parseHostPort(address);
  if (endpoint === undefined) throw refusal('invalid_argument', 'invalid addr');
  if (endpoint.host !== call.remote.host && !operates(call, 'beacons:write')) {
    throw refusal('permission_denied', 'beacon_register: addr must be the address of the beacon');
  }
  if (!call.shared.beacons.announce(id, formatEndpoint(endpoint), call.shared.clock.now())) {
    throw refusal('rate_limited', 'too many beacons');
  }
  return { type: 'beacon_register_ok', beacon_id: id };
};

export const beaconList: Handler = async (call) => ({
  type: 'beacon_list_ok',
  beacons: call.shared.beacons.list(call.shared.clock.now()),
});
