import type { NodeId } from '../../base/units.ts';
import type { Call } from './call.ts';

/** Peers told of one change; the others find it at their next resolve or lookup. */
const MAX_TOLD = 1000;

/** Tells every subscribed peer that shares trust with `node` that its endpoint or its key changed. */
export async function tellPeers(
  call: Call,
  node: NodeId,
  event: 'peer_moved' | 'key_rotated',
): Promise<void> {
  const { store, subscribers } = call.shared;
  if (subscribers.size === 0) return;
  for (const peer of await store.trustPeers(node, MAX_TOLD, call.at)) subscribers.tell(peer, event, node);
}
