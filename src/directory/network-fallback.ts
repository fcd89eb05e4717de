/** What registries without `my_networks` and `relation` can say about memberships, in several requests. spec/12 §3 */
import { type ErrorCode, PilotError } from '../api/errors.ts';
import type { NetworkId, NodeId } from '../base/units.ts';
import type { JsonObject } from '../wire/json.ts';
import * as read from './network-replies.ts';
import type { OwnNetwork, Relation } from './network-types.ts';
import { readNodeInfo } from './read-reply.ts';
import type { Requests } from './requests.ts';

/** Networks looked at; old registries answer at most 100 requests a second on a connection. */
const MAX_NETWORKS = 64;

export async function ownNetworksOld(requests: Requests, self: NodeId): Promise<OwnNetwork[]> {
  const networks = await networksOf(requests, self);
  if (networks.length === 0) return [];
  const listing = await ask(requests, 'list_networks', {});
  const listed = read.readPage(listing, listing.networks, read.readListed).items;
  const own: OwnNetwork[] = [];
  for (const network of networks) {
    const known = listed.find((entry) => entry.network === network);
    const { maxMembers, ports, description } = read.readPolicy(
      await ask(requests, 'get_network_policy', { network_id: network }),
    );
    const { expr_policy } = await unless(
      'unavailable',
      ask(requests, 'get_expr_policy', { network_id: network }),
    );
    const policy = read.document(expr_policy);
    own.push({
      network,
      name: known?.name ?? '',
      joinRule: known?.joinRule ?? '',
      ...(await standing(requests, network, self)),
      ports,
      ...(policy === undefined ? {} : { policy }),
      members: known?.members ?? 0,
      maxMembers,
      description,
    });
  }
  return own;
}

export async function relationOld(requests: Requests, self: NodeId, peer: NodeId): Promise<Relation> {
  const mine = new Set(await networksOf(requests, self));
  const shared = mine.size === 0 ? [] : (await networksOf(requests, peer)).filter((id) => mine.has(id));
  const rows: Relation['shared'][number][] = [];
  for (const network of shared) rows.push({ network, ...(await standing(requests, network, peer)) });
  return { shared: rows };
}

async function networksOf(requests: Requests, node: NodeId): Promise<NetworkId[]> {
  const found = await unless('not_found', ask(requests, 'lookup', { node_id: node }));
  if (found.node_id === undefined) return [];
  const { networks } = readNodeInfo(found);
  return networks.filter((id) => id > 0 && id <= 0xffff).slice(0, MAX_NETWORKS);
}

async function standing(
  requests: Requests,
  network: NetworkId,
  node: NodeId,
): Promise<Pick<OwnNetwork, 'role' | 'tags' | 'since'>> {
  const about = { network_id: network, target_node_id: node };
  const { role } = await unless('unavailable', ask(requests, 'get_member_role', about));
  const { tags } = await unless('unavailable', ask(requests, 'get_member_tags', about));
  return { role: read.role(role), tags: read.texts(tags), since: 0 };
}

/** An empty answer where the registry refuses with `code`: some do not offer roles, tags and policies at all. */
async function unless(code: ErrorCode, reply: Promise<JsonObject>): Promise<JsonObject> {
  try {
    return await reply;
  } catch (error) {
    if (error instanceof PilotError && error.code === code) return {};
    throw error;
  }
}

function ask(requests: Requests, type: string, fields: JsonObject): Promise<JsonObject> {
  return requests.ask({ type, fields, action: type.replaceAll('_', ' '), repeatable: true });
}
