import type { NodeRecord } from '../store/store.ts';
import type { Call } from './call.ts';

/** True when `requester` may know where `target` is: public, trusted, or in a shared network. spec/10 §5.2 */
export async function mayReach(call: Call, requester: NodeRecord, target: NodeRecord): Promise<boolean> {
  if (target.public) return true;
  const { store } = call.shared;
  if (await store.trusted(requester.id, target.id)) return true;
  return shareNetwork(call, requester, target);
}

export async function shareNetwork(call: Call, a: NodeRecord, b: NodeRecord): Promise<boolean> {
  if (!a.registered || !b.registered || a.id === b.id) return false;
  const mine = await call.shared.store.networksOf(a.id);
  if (mine.length === 0) return false;
  const theirs = new Set(await call.shared.store.networksOf(b.id));
  return mine.some((network) => theirs.has(network));
}

/**
 * True when this connection speaks for somebody who may see the private details of `target`.
 * Nodes that never proved their key have no private details: old peers read them all.
 */
export async function maySeeDetails(call: Call, target: NodeRecord): Promise<boolean> {
  if (target.public || !target.proven) return true;
  for (const id of call.connection.identities()) {
    const viewer = await call.shared.store.node(id);
    if (viewer === undefined || !call.connection.speaksFor(viewer, viewer.proven ? 'proven' : 'legacy'))
      continue;
    if (viewer.id === target.id || (await mayReach(call, viewer, target))) return true;
  }
  return false;
}
