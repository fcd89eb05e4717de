import { asPilotError } from '../api/errors.ts';
import { fromUtf8Strict, utf8 } from '../base/bytes.ts';
import type { NetworkId, NodeId, UnixMillis } from '../base/units.ts';
import type { MemberRole, OwnNetwork, SharedNetwork } from '../directory/network-types.ts';
import type { Log, Storage } from '../runtime/ports.ts';
import { isJsonObject, type JsonObject } from '../wire/json.ts';

export const NETWORKS_FILE = 'networks.json';

/** What the registry last said of a peer. */
export interface SeenRelation {
  readonly shared: readonly SharedNetwork[];
  readonly at: UnixMillis;
}

/** What was known of networks when the registry was last asked. */
export interface KnownNetworks {
  /** Who we were: ids of networks and nodes mean nothing at another registry. */
  readonly node: NodeId;
  readonly own: readonly OwnNetwork[];
  /** Networks our user wanted to be in. */
  readonly agreed: readonly NetworkId[];
  readonly syncedAt: UnixMillis;
  readonly peers: ReadonlyMap<NodeId, SeenRelation>;
}

/** The file is only a cache: one that cannot be read is logged and does without. */
export async function loadNetworks(storage: Storage, log: Log): Promise<KnownNetworks | undefined> {
  try {
    const bytes = await storage.read(NETWORKS_FILE);
    if (bytes === undefined) return undefined;
    return knownOf(JSON.parse(fromUtf8Strict(bytes) ?? ''));
  } catch (thrown) {
    log.event('warn', 'networks.file_ignored', {
      file: storage.describe(NETWORKS_FILE),
      message: thrown instanceof SyntaxError ? 'it is not JSON' : asPilotError(thrown).message,
    });
    return undefined;
  }
}

/** The members of spec/12 §4, for other programs, and `memberships` and `peers`, which are all that is read back. */
export function saveNetworks(storage: Storage, known: KnownNetworks): Promise<void> {
  const perNetwork = (value: (network: OwnNetwork) => readonly unknown[]): JsonObject =>
    Object.fromEntries(
      known.own
        .filter((network) => value(network).length > 0)
        .map((network) => [network.network, value(network)]),
    );
  const file = {
    version: 1,
    node_id: known.node,
    networks: [0, ...known.own.map((network) => network.network)],
    policies: perNetwork((network) => network.ports),
    member_tags: perNetwork((network) => network.tags),
    synced_at: new Date(known.syncedAt).toISOString(),
    memberships: known.own.map(rowOf),
    agreed: known.agreed,
    peers: [...known.peers].map(([node, seen]) => ({
      node_id: node,
      seen_at: seen.at,
      shared: seen.shared.map(({ network, tags, role, since }) => ({
        network_id: network,
        tags,
        role,
        since,
      })),
    })),
  };
  return storage.replace(NETWORKS_FILE, utf8(`${JSON.stringify(file, undefined, 2)}\n`));
}

function rowOf(network: OwnNetwork): JsonObject {
  return {
    network_id: network.network,
    name: network.name,
    join_rule: network.joinRule,
    role: network.role,
    tags: network.tags,
    allowed_ports: network.ports,
    expr_policy: network.policy,
    members: network.members,
    max_members: network.maxMembers,
    description: network.description,
    since: network.since,
  };
}

/** Undefined when anything in it is not as we write it: half a policy would be another policy. */
function knownOf(file: unknown): KnownNetworks | undefined {
  if (!isJsonObject(file) || !isCount(file.node_id) || typeof file.synced_at !== 'string') return undefined;
  const syncedAt = Date.parse(file.synced_at);
  const own = listOf(file.memberships, ownOf);
  const peers = listOf(file.peers, peerOf);
  if (Number.isNaN(syncedAt) || own === undefined || peers === undefined) return undefined;
  if (!Array.isArray(file.agreed) || !file.agreed.every(isCount)) return undefined;
  return { node: file.node_id, own, agreed: file.agreed, syncedAt, peers: new Map(peers) };
}

function ownOf(row: JsonObject): OwnNetwork | undefined {
  const { network_id, name, join_rule, role, tags, allowed_ports, expr_policy, members, max_members } = row;
  const { description, since } = row;
  if (!isCount(network_id) || !isTexts(tags) || !isRole(role)) return undefined;
  if (!Array.isArray(allowed_ports) || !allowed_ports.every(isCount)) return undefined;
  if (expr_policy !== undefined && !isJsonObject(expr_policy)) return undefined;
  return {
    network: network_id,
    name: textOf(name),
    joinRule: textOf(join_rule),
    role,
    tags,
    ports: allowed_ports,
    ...(expr_policy !== undefined && { policy: expr_policy }),
    members: countOf(members),
    maxMembers: countOf(max_members),
    description: textOf(description),
    since: countOf(since),
  };
}

function peerOf(row: JsonObject): [NodeId, SeenRelation] | undefined {
  const shared = listOf(row.shared, ({ network_id, tags, role, since }): SharedNetwork | undefined =>
    isCount(network_id) && isTexts(tags) && isRole(role)
      ? { network: network_id, tags, role, since: countOf(since) }
      : undefined,
  );
  if (!isCount(row.node_id) || !isCount(row.seen_at) || shared === undefined) return undefined;
  return [row.node_id, { shared, at: row.seen_at }];
}

function listOf<Item>(value: unknown, read: (row: JsonObject) => Item | undefined): Item[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const items = value.map((row: unknown) => (isJsonObject(row) ? read(row) : undefined));
  return items.every((item) => item !== undefined) ? items : undefined;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
function countOf(value: unknown): number {
  return isCount(value) ? value : 0;
}
function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}
function isRole(value: unknown): value is MemberRole {
  return value === 'owner' || value === 'admin' || value === 'member';
}
