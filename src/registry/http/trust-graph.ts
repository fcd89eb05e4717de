import type { TrustGraph } from '../../api/dashboard.ts';
import type { NodeId } from '../../base/units.ts';
import type { Sight } from './node-row.ts';

const MAX_NODES = 200;
const MAX_LINKS = 800;
/** Peers shown of one node. */
const PEERS = 48;
/** Nodes whose peers are asked for. */
const MAX_ASKED = 32;

/** The surroundings of some nodes: their peers, and as many of those peers' own as there is room. */
export async function trustGraph(
  { store, now, staleAfter }: Sight,
  from: readonly NodeId[],
): Promise<TrustGraph> {
  const degrees = new Map<NodeId, number>(from.map((id) => [id, 0]));
  const links = new Map<string, readonly [NodeId, NodeId]>();
  const queue = [...from];
  let truncated = false;
  for (let asked = 0; asked < queue.length; asked++) {
    const id = queue[asked]!;
    if (asked >= MAX_ASKED) {
      truncated = true;
      break;
    }
    const peers = await store.trustPeers(id, PEERS + 1, now);
    if (peers.length > PEERS) truncated = true;
    degrees.set(id, peers.length);
    for (const peer of peers.slice(0, PEERS)) {
      const known = degrees.has(peer);
      if ((!known && degrees.size >= MAX_NODES) || links.size >= MAX_LINKS) {
        truncated = true;
        continue;
      }
      if (!known) {
        degrees.set(peer, 0);
        queue.push(peer);
      }
      links.set(id < peer ? `${id}-${peer}` : `${peer}-${id}`, id < peer ? [id, peer] : [peer, id]);
    }
  }
  const described = new Map(
    (await store.describeNodes([...degrees.keys()])).map(({ node }) => [node.id, node]),
  );
  return {
    nodes: [...degrees].map(([id, peers]) => {
      const node = described.get(id);
      const online = node !== undefined && now - node.lastSeen < staleAfter;
      return { id, name: node?.hostname ?? '', online, peers };
    }),
    links: [...links.values()],
    truncated,
  };
}
