import type { NodeId, UnixMillis } from '../../base/units.ts';
import type { Store } from '../store/store.ts';
import type { Call } from './call.ts';
import type { Subscribers } from './subscribers.ts';

/** Peers told of one change; the others find it at their next resolve or lookup. */
const MAX_TOLD = 1000;

/** Tells every subscribed peer that shares trust with `node` that its endpoint or its key changed. */
export async function tellPeers(
  call: Call,
  node: NodeId,
  event: 'peer_moved' | 'key_rotated',
): Promise<void> {
  const { store, subscribers } = call.shared;
  store.bus?.publish({ kind: 'peers', node, event });
  await tellPeersHere(store, subscribers, node, event, call.at);
}

/** As `tellPeers`, only the connections of this process. */
export async function tellPeersHere(
  store: Store,
  subscribers: Subscribers,
  node: NodeId,
  event: 'peer_moved' | 'key_rotated',
  at: UnixMillis,
): Promise<void> {
  if (subscribers.size === 0) return;
  for (const peer of await store.trustPeers(node, MAX_TOLD, at)) subscribers.tellHere(peer, event, node);
}
