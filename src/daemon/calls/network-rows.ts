import type { NetworkId, NodeId } from '../../base/units.ts';
import type { ListedNetwork, NetworkMember, OwnNetwork } from '../../directory/network-types.ts';
import type { ListedNetworkRow, MemberRow, NetworkRow } from '../../ipc/methods.ts';
import { formatAddress } from '../../wire/address.ts';
import { canonicalJson } from '../../wire/json.ts';
import { parsePolicy } from '../../wire/policy/document.ts';

export function networkRow(network: OwnNetwork, self: NodeId): NetworkRow {
  const parsed = network.policy === undefined ? undefined : parsePolicy(canonicalJson(network.policy));
  return {
    network_id: network.network,
    name: network.name,
    address: formatAddress({ network: network.network, node: self }),
    role: network.role,
    join_rule: network.joinRule,
    members: network.members,
    tags: network.tags,
    policy: parsed !== undefined ? 'expression' : network.ports.length > 0 ? 'ports' : 'all',
    ...(parsed !== undefined && 'error' in parsed && { policy_error: `${parsed.at}: ${parsed.error}` }),
    description: network.description,
    since: network.since,
  };
}

export function listedRow(item: ListedNetwork, own: ReadonlySet<NetworkId>): ListedNetworkRow {
  const { network, name, joinRule, members, created } = item;
  return { network_id: network, name, join_rule: joinRule, members, created, joined: own.has(network) };
}

export function memberRow(member: NetworkMember, network: NetworkId): MemberRow {
  const { node, hostname, role, tags, online, since } = member;
  const address = formatAddress({ network, node });
  return { node_id: node, address, hostname, role, tags, public: member.public, online, since };
}
