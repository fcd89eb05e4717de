/** Reading networks: which there are, who is in them, which are one's own, what one shares with a peer. */

import type { NetworkId } from '../../../base/units.ts';
import { formatAddress } from '../../../wire/address.ts';
import type { Membership, NetworkMember, NetworkRecord, NodeRecord } from '../../store/store.ts';
import { authenticate } from '../authenticate.ts';
import type { Call, Handler, Reply } from '../call.ts';
import { u32 } from '../fields.ts';
import { operates } from '../operators/demand.ts';
import { viewersOf } from '../privacy.ts';
import { refusal } from '../refusal.ts';
import { rfc3339, unixSeconds } from '../time.ts';
import { BACKBONE, cursorOf, networkField, pageOf } from './bounds.ts';
import { exprPolicyField } from './expr-policy.ts';
import { ourselves, readable } from './standing.ts';

/** Each may bring a policy of 16 KiB. */
const OWN_PER_PAGE = 50;

/** Open networks and the asker's own. Whole and with the backbone for old clients, in parts for ours. */
export const listNetworks: Handler = async (call) => {
  const { store, config, startedAt } = call.shared;
  const page = pageOf(call);
  if (page !== undefined) {
    const viewer = call.request.sig === undefined ? 0 : u32(call.request.node_id);
    if (viewer !== 0) await authenticate(call, viewer, '');
    const networks = await store.listNetworks(page.limit, viewer, page.after);
    const ids = networks.map(({ id }) => id);
    return { type: 'list_networks_ok', networks: networks.map(listedNetwork), ...cursorOf(ids, page.limit) };
  }
  const visible = new Map(
    (await store.listNetworks(config.listLimit)).map((network) => [network.id, network]),
  );
  for (const viewer of await viewersOf(call)) {
    for (const { network } of await store.membershipsOf(viewer.id, config.membershipsPerNode)) {
      visible.set(network.id, network);
    }
  }
  const { nodes } = await store.counts();
  const backbone = {
    id: BACKBONE,
    name: 'backbone',
    members: nodes,
    join_rule: 'open',
    enterprise: false,
    created: unixSeconds(startedAt.wall),
  };
  const networks = [...visible.values()].sort((a, b) => a.id - b.id).slice(0, config.listLimit);
  return { type: 'list_networks_ok', networks: [backbone, ...networks.map(listedNetwork)] };
};

function listedNetwork(network: NetworkRecord): Reply {
  const { id, name, members, joinRule, enterprise, createdAt, maxMembers, description } = network;
  return {
    id,
    name,
    members,
    join_rule: joinRule,
    enterprise,
    created: unixSeconds(createdAt),
    ...(enterprise ? { max_members: maxMembers, description } : {}),
    ...(network.exprPolicy === '' ? {} : { has_expr_policy: true }),
  };
}

/** Members of a network, for its members; the backbone, for the operator. */
export const listNodes: Handler = async (call) => {
  const { store, config } = call.shared;
  const id = networkField(call);
  const page = pageOf(call);
  const limit = page?.limit ?? config.listLimit;
  if (id === BACKBONE) {
    if (!operates(call, 'nodes:read')) {
      throw refusal('permission_denied', 'listing backbone nodes is not permitted without the admin token');
    }
    const nodes = await store.listNodes(page?.after ?? 0, limit);
    return {
      type: 'list_nodes_ok',
      nodes: nodes.filter(({ registered }) => registered).map((node) => listedNode(call, node, BACKBONE)),
      ...(page === undefined
        ? {}
        : cursorOf(
            nodes.map((node) => node.id),
            limit,
          )),
    };
  }
  await readable(call, id);
  const members = await store.members(id, limit, page?.after);
  const records = await Promise.all(members.map(({ node }) => store.node(node)));
  const nodes = members.map((member, index) => listedMember(call, member, records[index], id));
  const ids = members.map(({ node }) => node);
  return { type: 'list_nodes_ok', nodes, ...(page === undefined ? {} : cursorOf(ids, limit)) };
};

function listedMember(
  call: Call,
  { node: id, role, tags, since }: NetworkMember,
  node: NodeRecord | undefined,
  network: NetworkId,
): Reply {
  const shown = node?.registered
    ? listedNode(call, node, network)
    : { node_id: id, address: formatAddress({ network, node: id }), offline: true };
  return {
    ...shown,
    role,
    ...(tags.length === 0 ? {} : { member_tags: tags }),
    ...(pageOf(call) === undefined ? {} : { since: unixSeconds(since) }),
  };
}

function listedNode(call: Call, node: NodeRecord, network: NetworkId): Reply {
  return {
    node_id: node.id,
    address: formatAddress({ network, node: node.id }),
    public: node.public,
    polo_score: node.poloScore,
    last_seen: rfc3339(node.lastSeen),
    ...(node.hostname === '' ? {} : { hostname: node.hostname }),
    ...(node.taskExec ? { task_exec: true } : {}),
    ...(node.public && !node.relayOnly ? { real_addr: node.endpoint } : {}),
    ...(node.tags.length === 0 ? {} : { tags: node.tags }),
    ...(node.version === '' ? {} : { version: node.version }),
    ...(pageOf(call) === undefined
      ? {}
      : { online: call.at - node.lastSeen < call.shared.config.staleAfter }),
  };
}

/** The networks a node is in, with what holds for it there. Chosen; see docs/decisions/0012. */
export const myNetworks: Handler = async (call) => {
  const { id } = await ourselves(call);
  const after = pageOf(call)?.after ?? 0;
  const own = await call.shared.store.membershipsOf(id, OWN_PER_PAGE, after);
  const ids = own.map(({ network }) => network.id);
  return { type: 'my_networks_ok', networks: own.map(ownNetwork), ...cursorOf(ids, OWN_PER_PAGE) };
};

function ownNetwork({ network, role, tags, since }: Membership): Reply {
  return {
    network_id: network.id,
    name: network.name,
    join_rule: network.joinRule,
    role,
    tags,
    since: unixSeconds(since),
    members: network.members,
    max_members: network.maxMembers,
    allowed_ports: network.ports,
    description: network.description,
    ...exprPolicyField(network.exprPolicy),
  };
}

/** What the asker shares with a peer at this moment. A peer that does not exist, or is gone, shares nothing. */
export const relation: Handler = async (call) => {
  const { id } = await ourselves(call);
  const peer = u32(call.request.peer_id);
  const record = await call.shared.store.node(peer);
  const shared = await call.shared.store.sharedNetworks(id, peer);
  return {
    type: 'relation_ok',
    peer_id: peer,
    shared: (record?.registered ? shared : []).map(({ network, role, tags, since }) => ({
      network_id: network,
      role,
      tags,
      since: unixSeconds(since),
    })),
  };
};
