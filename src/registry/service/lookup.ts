import { formatAddress } from '../../wire/address.ts';
import { encodeBase64 } from '../../wire/base64.ts';
import { type Call, type Handler, liveNode, type Reply } from './call.ts';
import { u32 } from './fields.ts';
import { maySeeDetails } from './privacy.ts';

/**
 * What is known of a node. Of a private node that proved its key, strangers learn only its key and address:
 * counting through ids must not reveal names. spec/10 §5.2
 */
export const lookup: Handler = async (call) => {
  const node = await liveNode(call, u32(call.request.node_id));
  const reply: Reply = {
    type: 'lookup_ok',
    node_id: node.id,
    address: formatAddress({ network: 0, node: node.id }),
    networks: [0],
    public_key: encodeBase64(node.publicKey),
    public: node.public,
    polo_score: node.poloScore,
  };
  if (call.request.request_id !== undefined) reply.online = isOnline(call, node.lastSeen);
  if (!(await maySeeDetails(call, node))) return reply;
  reply.networks = [0, ...(await call.shared.store.networksOf(node.id))];
  if (node.hostname !== '') reply.hostname = node.hostname;
  if (node.tags.length > 0) reply.tags = node.tags;
  if (node.taskExec) reply.task_exec = true;
  if (node.public && !node.relayOnly) reply.real_addr = node.endpoint;
  if (node.version !== '') reply.version = node.version;
  return reply;
};

function isOnline(call: Call, lastSeen: number): boolean {
  return call.at - lastSeen < call.shared.config.staleAfter;
}
