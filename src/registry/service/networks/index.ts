/** The part of spec/12 that daemons need: make, join, leave and list networks. */
import { utf8 } from '../../../base/bytes.ts';
import type { NetworkId } from '../../../base/units.ts';
import { formatAddress } from '../../../wire/address.ts';
import { signedString } from '../../../wire/registry-signatures.ts';
import type { NetworkRecord, NodeRecord } from '../../store/store.ts';
import { authenticate, isAdmin } from '../authenticate.ts';
import { type Call, type Handler, liveNode, type Reply } from '../call.ts';
import { text, u16, u32 } from '../fields.ts';
import { refusal } from '../refusal.ts';
import { rfc3339, unixSeconds } from '../time.ts';

const BACKBONE: NetworkId = 0;
const NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const MAX_TOKEN = 256;

export const createNetwork: Handler = async (call) => {
  const { request, shared } = call;
  if (shared.config.adminToken === '') throw refusal('permission_denied', 'network creation is disabled');
  if (!isAdmin(call)) throw refusal('permission_denied', 'invalid admin token');
  const creator = u32(request.node_id);
  const node = await shared.store.node(creator);
  if (!node?.registered) throw refusal('not_found', `node ${creator} not registered`);
  const name = text(request.name);
  checkName(name);
  const joinRule = text(request.join_rule) === '' ? 'open' : text(request.join_rule);
  if (
    request.enterprise === true ||
    joinRule === 'invite' ||
    request.rules !== undefined ||
    request.expr_policy !== undefined
  ) {
    throw refusal(
      'unavailable',
      'enterprise feature: only open and token networks are offered by this registry',
    );
  }
  if (joinRule !== 'open' && joinRule !== 'token')
    throw refusal('invalid_argument', 'invalid join_rule: open or token');
  const token = text(request.token);
  if (token.length > MAX_TOKEN) throw refusal('too_large', `token too long (max ${MAX_TOKEN} chars)`);
  const made = await shared.store.createNetwork({
    name,
    joinRule,
    token,
    enterprise: false,
    creator,
    at: call.at,
  });
  if (made === 'exists') throw refusal('already_exists', `network "${name}" already exists`);
  if (made === 'exhausted') throw refusal('unavailable', 'network ID space exhausted (max 65535 networks)');
  return { type: 'create_network_ok', network_id: made.id, name, enterprise: false };
};

function checkName(name: string): void {
  if (name === '') throw refusal('invalid_argument', 'network name required');
  if (name.length > 63) throw refusal('invalid_argument', 'network name too long (max 63 chars)');
  if (!NAME.test(name)) {
    throw refusal(
      'invalid_argument',
      'network name must be lowercase alphanumeric with hyphens, start/end with alphanumeric',
    );
  }
  if (name === 'backbone') throw refusal('invalid_argument', 'network name "backbone" is reserved');
}

export const joinNetwork: Handler = async (call) => {
  const { request, shared } = call;
  const id = u32(request.node_id);
  const networkId = u16(request.network_id);
  if (networkId === BACKBONE) throw refusal('invalid_argument', 'cannot join the backbone network');
  const node = await shared.store.node(id);
  if (!node?.registered) throw refusal('not_found', `node ${id} not registered`);
  await authenticate(call, id, signedString.joinNetwork(id, networkId), { admin: true });
  const network = await existing(call, networkId);
  if (network.joinRule === 'token' && !sameToken(call, network.token, text(request.token))) {
    throw refusal('permission_denied', `invalid token for network ${networkId}`);
  }
  const outcome = await shared.store.joinNetwork(networkId, id);
  if (outcome === 'already') throw refusal('already_exists', `node ${id} already in network ${networkId}`);
  if (outcome === 'no_network') throw noSuchNetwork(networkId);
  return {
    type: 'join_network_ok',
    network_id: networkId,
    address: formatAddress({ network: networkId, node: id }),
  };
};

export const leaveNetwork: Handler = async (call) => {
  const id = u32(call.request.node_id);
  const networkId = u16(call.request.network_id);
  if (networkId === BACKBONE) throw refusal('invalid_argument', 'cannot leave the backbone network');
  await authenticate(call, id, signedString.leaveNetwork(id, networkId), { admin: true });
  await existing(call, networkId);
  if (!(await call.shared.store.leaveNetwork(networkId, id))) {
    throw refusal('not_found', `node ${id} is not a member of network ${networkId}`);
  }
  return { type: 'leave_network_ok', network_id: networkId };
};

export const listNetworks: Handler = async ({ shared }) => {
  const { nodes } = await shared.store.counts();
  const backbone = {
    id: BACKBONE,
    name: 'backbone',
    joinRule: 'open',
    enterprise: false,
    createdAt: shared.startedAt.wall,
    members: nodes,
  };
  const networks = [backbone, ...(await shared.store.listNetworks(shared.config.listLimit))];
  return {
    type: 'list_networks_ok',
    networks: networks.map(({ id, name, joinRule, enterprise, createdAt, members }) => ({
      id,
      name,
      members,
      join_rule: joinRule,
      enterprise,
      created: unixSeconds(createdAt),
    })),
  };
};

/** Members of a network, for its members; the backbone, for the operator. */
export const listNodes: Handler = async (call) => {
  const { store, config } = call.shared;
  const networkId = u16(call.request.network_id);
  if (networkId === BACKBONE) {
    if (!isAdmin(call))
      throw refusal('permission_denied', 'listing backbone nodes is not permitted without the admin token');
    const nodes = await store.listNodes(0, config.listLimit);
    return {
      type: 'list_nodes_ok',
      nodes: nodes.filter(({ registered }) => registered).map((node) => listed(node, BACKBONE)),
    };
  }
  await existing(call, networkId);
  if (!isAdmin(call) && !(await speaksForMember(call, networkId))) {
    throw refusal('permission_denied', `not a member of network ${networkId}`);
  }
  const listedNodes: Reply[] = [];
  for (const { node: id, role } of await store.members(networkId, config.listLimit)) {
    const node = await store.node(id);
    const address = formatAddress({ network: networkId, node: id });
    if (node?.registered) listedNodes.push({ ...listed(node, networkId), role });
    else listedNodes.push({ node_id: id, address, offline: true, role });
  }
  return { type: 'list_nodes_ok', nodes: listedNodes };
};

/** Old daemons ask for it at every start; nothing is restricted here. */
export const getNetworkPolicy: Handler = async (call) => {
  const networkId = u16(call.request.network_id);
  if (networkId !== BACKBONE) await existing(call, networkId);
  return {
    type: 'get_network_policy_ok',
    network_id: networkId,
    max_members: 0,
    allowed_ports: [],
    description: '',
  };
};

/** Nobody can be invited here, so nobody is. */
export const pollInvites: Handler = async (call) => {
  const id = u32(call.request.node_id);
  await authenticate(call, id, signedString.pollInvites(id));
  return { type: 'poll_invites_ok', invites: [] };
};

async function existing(call: Call, id: NetworkId): Promise<NetworkRecord> {
  const network = await call.shared.store.network(id);
  if (network === undefined) throw noSuchNetwork(id);
  return network;
}

function noSuchNetwork(id: NetworkId): Error {
  return refusal('not_found', `network ${id}: network not found`);
}

/** Old daemons sign nothing here, so having registered on this connection has to do for them. */
async function speaksForMember(call: Call, networkId: NetworkId): Promise<boolean> {
  for (const id of call.connection.identities()) {
    const node = await liveNode(call, id).catch(() => undefined);
    if (node === undefined || !call.connection.speaksFor(node, node.proven ? 'proven' : 'claimed')) continue;
    if ((await call.shared.store.networksOf(id)).includes(networkId)) return true;
  }
  return false;
}

function listed(node: NodeRecord, networkId: NetworkId): Reply {
  return {
    node_id: node.id,
    address: formatAddress({ network: networkId, node: node.id }),
    public: node.public,
    polo_score: node.poloScore,
    last_seen: rfc3339(node.lastSeen),
    ...(node.hostname === '' ? {} : { hostname: node.hostname }),
    ...(node.taskExec ? { task_exec: true } : {}),
    ...(node.public && !node.relayOnly ? { real_addr: node.endpoint } : {}),
    ...(node.tags.length === 0 ? {} : { tags: node.tags }),
    ...(node.version === '' ? {} : { version: node.version }),
  };
}

function sameToken(call: Call, expected: string, given: string): boolean {
  const [a, b] = [call.shared.crypto.sha256(utf8(expected)), call.shared.crypto.sha256(utf8(given))];
  return expected !== '' && a.every((byte, i) => byte === b[i]);
}
