/** Reading what a registry says of networks. Anything unexpected is a `protocol_error`, never a crash. */
import { PilotError } from '../api/errors.ts';
import type { NetworkId } from '../base/units.ts';
import { isJsonObject, type JsonObject } from '../wire/json.ts';
import type {
  Invite,
  ListedNetwork,
  MemberRole,
  NetworkMember,
  NetworkPolicy,
  OwnNetwork,
  Page,
  Relation,
} from './network-types.ts';

const INVITE_LIFETIME = 30 * 24 * 60 * 60;

/** Items of a reply's list; its `cursor` counts only when it moves on. */
export function readPage<T>(reply: JsonObject, list: unknown, item: (entry: JsonObject) => T): Page<T> {
  const items = objects(list).map(item);
  const { cursor } = reply;
  return typeof cursor === 'number' && cursor > 0 && items.length > 0 ? { items, cursor } : { items };
}

export function readListed(entry: JsonObject): ListedNetwork {
  return {
    network: entry.id === 0 ? 0 : networkId(entry.id),
    name: text(entry.name),
    joinRule: text(entry.join_rule),
    members: count(entry.members),
    created: count(entry.created),
  };
}

export function readOwn(entry: JsonObject): OwnNetwork {
  const policy = document(entry.expr_policy);
  return {
    network: networkId(entry.network_id),
    name: text(entry.name),
    joinRule: text(entry.join_rule),
    role: role(entry.role),
    tags: texts(entry.tags),
    ports: ports(entry.allowed_ports),
    ...(policy === undefined ? {} : { policy }),
    members: count(entry.members),
    maxMembers: count(entry.max_members),
    description: text(entry.description),
    since: count(entry.since),
  };
}

export function readMember(entry: JsonObject): NetworkMember {
  const node = nodeId(entry.node_id);
  return {
    node,
    address: { network: networkOf(entry.address), node },
    role: role(entry.role),
    tags: texts(entry.member_tags),
    since: count(entry.since),
    hostname: text(entry.hostname),
    public: entry.public === true,
    online: entry.offline !== true && entry.online !== false,
  };
}

export function readRelation(reply: JsonObject): Relation {
  return {
    shared: objects(reply.shared).map((entry) => ({
      network: networkId(entry.network_id),
      tags: texts(entry.tags),
      role: role(entry.role),
      since: count(entry.since),
    })),
  };
}

export function readInvites(reply: JsonObject): Invite[] {
  return objects(reply.invites).map((entry) => {
    const timestamp = count(entry.timestamp);
    return {
      network: networkId(entry.network_id),
      name: text(entry.name),
      inviter: nodeId(entry.inviter_id),
      timestamp,
      expires: typeof entry.expires === 'number' ? count(entry.expires) : timestamp + INVITE_LIFETIME,
    };
  });
}

export function readPolicy(reply: JsonObject): NetworkPolicy {
  return {
    maxMembers: count(reply.max_members),
    ports: ports(reply.allowed_ports),
    description: text(reply.description),
  };
}

export function networkId(value: unknown): NetworkId {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > 0xffff) {
    throw strange('network id');
  }
  return value;
}
export function role(value: unknown): MemberRole {
  return value === 'owner' || value === 'admin' ? value : 'member';
}
export function texts(value: unknown): string[] {
  return list(value).filter((item) => typeof item === 'string');
}
/** A JSON document, as object or as text; undefined when there is none. */
export function document(value: unknown): JsonObject | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  if (isJsonObject(value)) return value;
  throw strange('policy');
}

function ports(value: unknown): number[] {
  const all = list(value);
  // Dropping one that we can't read would forbid what is allowed, or, if it was the only one, allow everything.
  if (all.some((port) => typeof port !== 'number' || !Number.isInteger(port) || port < 0 || port > 0xffff)) {
    throw strange('port list');
  }
  return all as number[];
}
function networkOf(address: unknown): NetworkId {
  const match = /^(\d{1,5}):/.exec(text(address));
  const network = Number(match?.[1]);
  if (match === null || network > 0xffff) throw strange('address');
  return network;
}
function nodeId(value: unknown): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > 0xffff_ffff) {
    throw strange('node id');
  }
  return value;
}
function count(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : 0;
}
function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
function objects(value: unknown): JsonObject[] {
  return list(value).filter(isJsonObject);
}
function strange(what: string): PilotError {
  return new PilotError('protocol_error', `Cannot read the answer of the registry: bad ${what}`);
}
