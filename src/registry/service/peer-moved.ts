import type { NodeId } from '../../base/units.ts';
import type { Call } from './call.ts';

/** Peers told that a node moved; a node trusted by more is found by the next resolve. */
const MAX_TOLD = 1000;

/** Tells every subscribed peer that shares trust with `node` that its endpoint changed. */
export async function tellPeersMoved(call: Call, node: NodeId): Promise<void> {
  const { store, subscribers } = call.shared;
  if (subscribers.size === 0) return;
  for (const peer of await store.trustPeers(node, MAX_TOLD)) subscribers.tell(peer, 'peer_moved', node);
}
