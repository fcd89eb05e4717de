/**
 * What a registry tells whom. A private node exists only for those who have to do with it; for everybody else every
 * answer, and the work behind it, is the same as for an id nobody has. See docs/decisions/0013.
 */
import type { NodeId } from '../../base/units.ts';
import type { NodeRecord } from '../store/store.ts';
import { contentSigner } from './authenticate.ts';
import type { Call } from './call.ts';
import { u32 } from './fields.ts';
import { operates } from './operators/demand.ts';
import { noSuchNode } from './refusal.ts';

/**
 * `full`: may know everything and where it is (it is public, or trusts the viewer, or shares a network with it).
 * `known`: may know that it exists and its key (it asked the viewer for trust, or lately for anything).
 */
export type Sight = 'full' | 'known';

/** A node somebody may see. */
export interface Seen {
  readonly node: NodeRecord;
  readonly sight: Sight;
}

/**
 * Who asks, where a request need not say so: the signer it names in `requester_id`, or else the nodes its connection
 * speaks for. Nodes that never proved their key speak through a connection that registered them, as old daemons do.
 */
export async function viewersOf(call: Call): Promise<NodeRecord[]> {
  const named = u32(call.request.requester_id);
  if (call.request.sig !== undefined && named !== 0) {
    return [await contentSigner(call, named)];
  }
  const viewers: NodeRecord[] = [];
  for (const id of call.connection.identities()) {
    const node = await call.shared.store.node(id);
    const level = node?.proven ? 'proven' : 'claimed';
    if (node?.registered && call.connection.speaksFor(node, level)) viewers.push(node);
  }
  return viewers;
}

/** The node, as far as one of the viewers may know of it; undefined when there is none, at the same cost. */
export async function see(
  call: Call,
  viewers: readonly NodeRecord[],
  id: NodeId,
  node: NodeRecord | undefined,
): Promise<Seen | undefined> {
  const live = node?.registered === true;
  if (live && node.public) return { node, sight: 'full' };
  if (operates(call, 'nodes:read')) return live ? { node, sight: 'full' } : undefined;
  const { store, contacts, clock } = call.shared;
  let sight: Sight | undefined;
  for (const viewer of viewers) {
    const trusted = await store.trusted(viewer.id, id, call.at);
    const shared = await store.sharedNetworks(viewer.id, id);
    const word = await store.gaveWord(id, viewer.id);
    if (viewer.id === id || trusted || shared.length > 0) sight = 'full';
    else if (word || contacts.has(id, viewer.id, clock.now())) sight ??= 'known';
  }
  return live && sight !== undefined ? { node, sight } : undefined;
}

/** As `see`, for one viewer and a node that is still to be read. */
export async function seenBy(call: Call, viewer: NodeRecord, id: NodeId): Promise<Seen | undefined> {
  return see(call, [viewer], id, await call.shared.store.node(id));
}

/** The node of an id, for whoever asks. Throws `not_found` alike for missing and hidden ones. */
export async function visibleNode(call: Call, id: NodeId): Promise<Seen> {
  const viewers = await viewersOf(call);
  const seen = await see(call, viewers, id, await call.shared.store.node(id));
  if (seen === undefined) throw noSuchNode(id);
  return seen;
}
