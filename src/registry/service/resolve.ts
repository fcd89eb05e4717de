import { signedString } from '../../wire/registry-signatures.ts';
import { authenticate } from './authenticate.ts';
import type { Handler } from './call.ts';
import { u32 } from './fields.ts';
import { seenBy } from './privacy.ts';
import { noSuchNode, refusal } from './refusal.ts';
import { keyAgeDays } from './time.ts';

/** Where a node is, for those it trusts; where a public node is, for every registered node. spec/10 §5.2 */
export const resolve: Handler = async (call) => {
  const target = u32(call.request.node_id);
  const requesterId = u32(call.request.requester_id);
  const { node: requester } = await authenticate(
    call,
    requesterId,
    signedString.resolve(requesterId, target),
  );
  call.shared.contacts.note(requesterId, target, call.shared.clock.now());
  const seen = await seenBy(call, requester, target);
  if (seen === undefined) throw noSuchNode(target);
  if (seen.sight !== 'full') {
    throw refusal(
      'permission_denied',
      `resolve denied: node ${target} is private (establish mutual trust first)`,
    );
  }
  const { node } = seen;
  return {
    type: 'resolve_ok',
    node_id: target,
    // Old clients parse the field, so a relay-only node has an endpoint that no datagram can reach.
    real_addr: node.relayOnly ? '' : node.endpoint,
    ...(node.lan.length === 0 || node.relayOnly ? {} : { lan_addrs: node.lan }),
    ...(node.beacons.length === 0 ? {} : { beacons: node.beacons }),
    key_age_days: keyAgeDays(node, call.at),
  };
};
