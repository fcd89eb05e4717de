import { formatAddress } from '../../wire/address.ts';
import { encodeBase64 } from '../../wire/base64.ts';
import type { Handler } from './call.ts';
import { text, u32 } from './fields.ts';
import { see, viewersOf } from './privacy.ts';
import { refusal } from './refusal.ts';
import { isOurs } from './trust.ts';

/**
 * The node of a hostname. A private one exists only for itself and those who may reach it. Who asks is what a
 * signature or the connection proves: an unsigned `requester_id` says nothing. spec/10 §5.2
 */
export const resolveHostname: Handler = async (call) => {
  const hostname = text(call.request.hostname);
  if (hostname === '') throw refusal('invalid_argument', 'hostname required');
  // Old daemons name nobody, and are told only of public nodes.
  const requester = u32(call.request.requester_id);
  const viewers = (await viewersOf(call)).filter(({ id }) => id === requester);
  const found = hostname.length > 63 ? undefined : await call.shared.store.nodeByHostname(hostname);
  const seen = await see(call, viewers, found?.id ?? 0, found);
  if (seen?.sight !== 'full') {
    throw refusal('not_found', `hostname "${hostname.slice(0, 63)}" not found`);
  }
  const { node } = seen;
  const { record } = isOurs(call) ? await call.shared.store.nodeDocuments(node.id) : { record: '' };
  return {
    type: 'resolve_hostname_ok',
    node_id: node.id,
    address: formatAddress({ network: 0, node: node.id }),
    public: node.public,
    hostname,
    ...(isOurs(call) ? { public_key: encodeBase64(node.publicKey) } : {}),
    ...(record === '' ? {} : { record }),
  };
};
