import { signedString } from '../../wire/registry-signatures.ts';
import { authenticateIdentity } from './authenticate.ts';
import type { Handler } from './call.ts';
import { u32 } from './fields.ts';
import { refusal } from './refusal.ts';
import { rfc3339 } from './time.ts';

const DAY = 24 * 60 * 60 * 1000;
/**
 * When the next sign of life is wanted, seconds: a daemon that keeps its connection is not expected to say so each
 * minute, only before it counts as gone (spec/10 §4.6) and before the connection counts as idle.
 */
export const HEARTBEAT_INTERVAL = 240;

/**
 * Keeps a node alive. The signature may be left out on the connection that proved the node before; an old
 * server's grace of 120 s without any proof does not exist. spec/10 §5.1
 */
export const heartbeat: Handler = async (call) => {
  const id = u32(call.request.node_id);
  const { node } = await authenticateIdentity(call, id, signedString.heartbeat(id), { connection: true });
  const expires = node.keyExpiresAt;
  if (expires !== undefined && expires <= call.at) {
    throw refusal('permission_denied', `node ${id}: key expired at ${rfc3339(expires)}`);
  }
  call.shared.store.touch(id, call.at);
  return {
    type: 'heartbeat_ok',
    time: Math.floor(call.at / 1000),
    ...(call.connection.canPush && call.request.signature === undefined && call.connection.proven
      ? { next: HEARTBEAT_INTERVAL }
      : {}),
    ...(expires !== undefined && expires - call.at < DAY ? { key_expiry_warning: true } : {}),
  };
};
