import type { NodeDetails } from '../../api/dashboard.ts';
import { encodeBase64 } from '../../wire/base64.ts';
import type { NodeRecord } from '../store/store.ts';
import { HttpRefusal } from './access.ts';
import { nodeRow, type Sight } from './node-row.ts';

const MAX_NETWORKS = 64;
const MAX_PEERS = 200;

/** One node. Missing, deregistered and hidden ones are refused alike. */
export async function nodeDetails(sight: Sight, text: string): Promise<NodeDetails> {
  const { store, all } = sight;
  const id = /^\d{1,10}$/.test(text) ? Number(text) : 0;
  const node = await store.node(id);
  if (node === undefined || !(all || (node.registered && node.public)))
    throw new HttpRefusal(404, 'not_found', 'There is no such node, or it is private');
  const { record } = await store.nodeDocuments(id);
  return {
    ...nodeRow({ node, record, terms: [] }, sight),
    version: node.version,
    public_key: encodeBase64(node.publicKey),
    key_rotations: node.keyRotations,
    task_executor: node.taskExec,
    ...(all ? { operator: await forOperators(sight, node) } : {}),
  };
}

async function forOperators(
  { store, now }: Sight,
  node: NodeRecord,
): Promise<NonNullable<NodeDetails['operator']>> {
  const memberships = await store.membershipsOf(node.id, MAX_NETWORKS);
  const networks: { id: number; name: string; role: string }[] = [];
  for (const { network, role } of memberships) {
    networks.push({ id: network.id, name: network.name, role });
  }
  const peers = await store.trustPeers(node.id, MAX_PEERS + 1, now);
  return {
    endpoint: node.endpoint,
    lan: node.lan,
    beacons: node.beacons,
    owner: node.owner,
    registered: node.registered,
    proven: node.proven,
    relay_only: node.relayOnly,
    last_seen: node.lastSeen,
    key_created_at: node.keyRotatedAt ?? node.keyCreatedAt,
    ...(node.keyExpiresAt === undefined ? {} : { key_expires_at: node.keyExpiresAt }),
    networks,
    peers: peers.slice(0, MAX_PEERS),
    more_peers: peers.length > MAX_PEERS,
  };
}
