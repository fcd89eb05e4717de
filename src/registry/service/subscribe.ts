import { MAX_IDENTITIES } from '../connection.ts';
import { contentSigner } from './authenticate.ts';
import type { Handler } from './call.ts';
import { u32 } from './fields.ts';
import { refusal } from './refusal.ts';

/** From now on this connection is pushed the node's events. Chosen; see docs/decisions/0003. */
export const subscribe: Handler = async (call) => {
  if (call.request.sig === undefined) throw refusal('permission_denied', 'subscribe requires sig');
  const node = await contentSigner(call, u32(call.request.node_id));
  const { connection } = call;
  if (!connection.canPush) throw refusal('invalid_argument', 'this connection cannot be pushed to');
  if (connection.subscriptions.size >= MAX_IDENTITIES && !connection.subscriptions.has(node.id)) {
    throw refusal('rate_limited', 'too many subscriptions on one connection');
  }
  connection.authenticate(node.id, node.publicKey, 'proven');
  call.shared.subscribers.add(node.id, connection);
  return { type: 'subscribe_ok' };
};
