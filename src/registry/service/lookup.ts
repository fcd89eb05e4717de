import { equal } from '../../base/bytes.ts';
import { formatAddress } from '../../wire/address.ts';
import { decodeBase64, encodeBase64 } from '../../wire/base64.ts';
import type { Call, Handler, Reply } from './call.ts';
import { text, u32 } from './fields.ts';
import { visibleNetworks } from './networks/standing.ts';
import { see, viewersOf } from './privacy.ts';
import { noSuchNode } from './refusal.ts';
import { isOurs } from './trust.ts';

/** No key: what a claimed one is compared with where there is no node. */
const NO_KEY = new Uint8Array(32);

/**
 * What is known of a node. Of a private one strangers learn nothing, its existence included, unless they name its
 * key in `public_key`: public services check the keys of private callers that way. spec/10 §5.2
 */
export const lookup: Handler = async (call) => {
  const id = u32(call.request.node_id);
  const viewers = await viewersOf(call);
  const found = await call.shared.store.node(id);
  const seen = await see(call, viewers, id, found);
  const claimed = decodeBase64(text(call.request.public_key));
  const rightKey = claimed !== undefined && equal(claimed, found?.publicKey ?? NO_KEY);
  const node = seen?.node ?? (rightKey && found?.registered ? found : undefined);
  if (node === undefined) throw noSuchNode(id);
  const reply: Reply = {
    type: 'lookup_ok',
    node_id: node.id,
    address: formatAddress({ network: 0, node: node.id }),
    networks: [0],
    public_key: encodeBase64(node.publicKey),
    public: node.public,
    polo_score: node.poloScore,
  };
  const documents = isOurs(call) ? await call.shared.store.nodeDocuments(id) : undefined;
  if (documents !== undefined) {
    reply.online = isOnline(call, node.lastSeen);
    reply.epoch = node.keyRotations;
    reply.rotations = documents.rotations;
  }
  if (seen?.sight !== 'full') return reply;
  if (documents !== undefined && documents.record !== '') reply.record = documents.record;
  reply.networks = [0, ...(await visibleNetworks(call, viewers, node.id))];
  if (node.hostname !== '') reply.hostname = node.hostname;
  if (node.tags.length > 0) reply.tags = node.tags;
  if (node.taskExec) reply.task_exec = true;
  if (node.public && !node.relayOnly) reply.real_addr = node.endpoint;
  if (node.version !== '') reply.version = node.version;
  return reply;
};

export function isOnline(call: Call, lastSeen: number): boolean {
  return call.at - lastSeen < call.shared.config.staleAfter;
}
