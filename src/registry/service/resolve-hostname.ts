import { formatAddress } from '../../wire/address.ts';
import type { NodeRecord } from '../store/store.ts';
import { verifyContent } from './authenticate.ts';
import type { Call, Handler } from './call.ts';
import { text, u32 } from './fields.ts';
import { mayReach } from './privacy.ts';
import { refusal } from './refusal.ts';

/** The node of a hostname. A private one exists only for itself and those who may reach it. spec/10 §5.2 */
export const resolveHostname: Handler = async (call) => {
  const hostname = text(call.request.hostname);
  if (hostname === '') throw refusal('invalid_argument', 'hostname required');
  const node = hostname.length > 63 ? undefined : await call.shared.store.nodeByHostname(hostname);
  if (node === undefined || !node.registered || !(await maySee(call, node))) {
    throw refusal('not_found', `hostname "${hostname.slice(0, 63)}" not found`);
  }
  return {
    type: 'resolve_hostname_ok',
    node_id: node.id,
    address: formatAddress({ network: 0, node: node.id }),
    public: node.public,
    hostname,
  };
};

async function maySee(call: Call, node: NodeRecord): Promise<boolean> {
  if (node.public) return true;
  const requester = await call.shared.store.node(u32(call.request.requester_id));
  if (requester === undefined || !requester.registered) return false;
  if (call.request.sig !== undefined) verifyContent(call, requester);
  // An unsigned claim counts only among nodes that never proved anything: old ones.
  else if (
    (requester.proven || node.proven) &&
    !call.connection.speaksFor(requester, requester.proven ? 'proven' : 'legacy')
  )
    return false;
  return requester.id === node.id || mayReach(call, requester, node);
}
