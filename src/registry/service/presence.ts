import { MAX_IDENTITIES } from '../connection.ts';
import type { NodeRecord } from '../store/store.ts';
import type { Call, Reply } from './call.ts';
import { texts } from './fields.ts';
import { HEARTBEAT_INTERVAL } from './heartbeat.ts';
import { normalizeTags } from './names.ts';

/**
 * What our own daemons say of themselves with a registration, and learn with its answer: one signed request where old
 * daemons need five. `presence` in the answer says that all of it was done. Chosen; see docs/decisions/0033.
 */
export async function takePresence(call: Call, node: NodeRecord): Promise<Reply> {
  const { request, shared, connection, at } = call;
  if (request.subscribe !== true || !connection.canPush) return {};
  const isFull = connection.subscriptions.size >= MAX_IDENTITIES && !connection.subscriptions.has(node.id);
  const tags = normalizeTags(texts(request.tags));
  if (typeof request.public !== 'boolean' || isFull || 'problem' in tags) return {};
  const isSame = node.public === request.public && node.tags.join() === tags.join();
  if (!isSame) await shared.store.patchNode(node.id, { public: request.public, tags }, at);
  // From here on it is told of news, so what waits is looked for afterwards.
  shared.subscribers.add(node.id, connection);
  const [waiting] = await shared.store.pollInbox(node.id, 0, 1);
  return { presence: true, waiting: waiting !== undefined, heartbeat: HEARTBEAT_INTERVAL };
}
