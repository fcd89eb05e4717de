import { signedString } from '../../wire/registry-signatures.ts';
import { authenticate } from './authenticate.ts';
import type { Handler } from './call.ts';
import { u32 } from './fields.ts';
import { seenBy } from './privacy.ts';
import { noSuchNode, refusal } from './refusal.ts';

/** The endpoints of two nodes, one of which asks. The other one must be reachable for it. spec/10 §5.2 */
export const punch: Handler = async (call) => {
  const { request } = call;
  const requesterId = u32(request.requester_id);
  const [a, b] = [u32(request.node_a), u32(request.node_b)];
  if (requesterId !== a && requesterId !== b) {
    throw refusal('permission_denied', 'punch denied: requester must be participant');
  }
  const { node: requester } = await authenticate(call, requesterId, signedString.punch(a, b));
  const otherId = requesterId === a ? b : a;
  call.shared.contacts.note(requesterId, otherId, call.shared.clock.now());
  const seen = await seenBy(call, requester, otherId);
  if (seen === undefined) throw noSuchNode(otherId);
  const other = seen.node;
  if (other.relayOnly || seen.sight !== 'full') {
    throw refusal('permission_denied', `punch denied: node ${other.id} is private`);
  }
  const [nodeA, nodeB] = requesterId === a ? [requester, other] : [other, requester];
  return { type: 'punch_ok', node_a: a, node_a_addr: nodeA.endpoint, node_b: b, node_b_addr: nodeB.endpoint };
};
