/** Reading what a registry answered. Anything unexpected is a `protocol_error`, never a crash. */

import { PilotError } from '../api/errors.ts';
import { parseHostPort } from '../base/endpoint.ts';
import type { Address, Endpoint, Millis, NodeId } from '../base/units.ts';
import { parseAddress } from '../wire/address.ts';
import { decodeBase64 } from '../wire/base64.ts';
import { carrierUrl, parseCarrierUrl } from '../wire/compat.ts';
import { parseIp } from '../wire/ip.ts';
import { isJsonObject, type JsonObject } from '../wire/json.ts';
import type {
  CarrierAddress,
  NamedNode,
  NodeInfo,
  PeerEndpoints,
  PolledHandshakes,
  Registered,
} from './types.ts';

/** RFC 1123 §2.1, with a letter somewhere in the last label: digits alone would be a broken address. */
const HOST_NAME = /^(?=.{1,253}$)(?:[a-z0-9_-]{1,63}\.)*(?=[a-z0-9-]*[a-z])[a-z0-9-]{1,63}$/i;

/** Beacons of a peer that are of use. */
const MAX_BEACONS = 4;

/** Between two heartbeats, seconds. */
const SHORTEST_HEARTBEAT = 10;
const LONGEST_HEARTBEAT = 3600;

/** Carriers that are read of one answer. */
const MAX_CARRIERS = 8;

/** The registry as it was reached: its beacons are there as well, under the same certificate. */
export interface RegistryPlace {
  /** An address or a name. */
  readonly host: string;
  readonly secure: boolean;
  /** Pinned. */
  readonly fingerprint: string | undefined;
}

export function readRegistered(reply: JsonObject, registry: RegistryPlace): Registered {
  const node = nodeId(reply.node_id);
  const beacons = list(reply.beacons)
    .map(serverEndpoint)
    .filter((endpoint) => endpoint !== undefined)
    .map(({ host, port }) => ({ host: isWildcard(host) ? registry.host : host, port }));
  const carriers = list(reply.carriers)
    .slice(0, MAX_CARRIERS)
    .map((text) => carrierOf(text, registry))
    .filter((carrier) => carrier !== undefined);
  return {
    node,
    address: address(reply.address, node),
    observed: optionalText(reply.observed_addr) ?? '',
    ...(typeof reply.hostname === 'string' && reply.hostname !== '' ? { hostname: reply.hostname } : {}),
    ...(typeof reply.hostname_error === 'string' ? { hostnameError: reply.hostname_error } : {}),
    ...(beacons.length === 0 ? {} : { beacons }),
    ...(carriers.length === 0 ? {} : { carriers }),
    ...(reply.presence === true && { presence: true as const }),
    ...(typeof reply.waiting === 'boolean' && { waiting: reply.waiting }),
    ...heartbeatIn('heartbeat', reply.heartbeat),
  };
}

/** `seconds` as a registry says when it wants to hear of us; what it can't mean is left out. */
export function heartbeatIn<Name extends string>(
  name: Name,
  seconds: unknown,
): { readonly [N in Name]?: Millis } {
  if (typeof seconds !== 'number' || !(seconds >= SHORTEST_HEARTBEAT)) return {};
  return { [name]: Math.min(seconds, LONGEST_HEARTBEAT) * 1000 } as { [N in Name]: Millis };
}

/** A URL speaks for itself; `host:port` is at the registry, or trusted as it is. */
function carrierOf(text: unknown, registry: RegistryPlace): CarrierAddress | undefined {
  const url = typeof text === 'string' ? parseCarrierUrl(text) : undefined;
  if (url !== undefined) return url.secure ? { url: url.text } : undefined;
  const endpoint = serverEndpoint(text);
  if (endpoint === undefined) return undefined;
  const host = isWildcard(endpoint.host) ? registry.host : endpoint.host;
  const { fingerprint } = registry;
  return {
    url: carrierUrl(registry.secure, { host, port: endpoint.port }),
    ...(fingerprint !== undefined && { fingerprint }),
  };
}

export function readNodeInfo(reply: JsonObject): NodeInfo {
  const node = nodeId(reply.node_id);
  const publicKey = decodeBase64(optionalText(reply.public_key) ?? '');
  if (publicKey === undefined || publicKey.length !== 32) throw strange('public_key');
  const endpoint = optionalEndpoint(reply.real_addr);
  return {
    node,
    address: address(reply.address, node),
    publicKey,
    public: reply.public === true,
    networks: list(reply.networks).filter((item) => typeof item === 'number'),
    poloScore: typeof reply.polo_score === 'number' ? reply.polo_score : 0,
    taskExec: reply.task_exec === true,
    tags: list(reply.tags).filter((item) => typeof item === 'string'),
    ...(typeof reply.hostname === 'string' && reply.hostname !== '' ? { hostname: reply.hostname } : {}),
    ...(typeof reply.version === 'string' && reply.version !== '' ? { version: reply.version } : {}),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(typeof reply.online === 'boolean' ? { online: reply.online } : {}),
    ...(typeof reply.record === 'string' && reply.record !== '' ? { record: reply.record } : {}),
    ...(Array.isArray(reply.rotations)
      ? { rotations: reply.rotations.filter((item) => typeof item === 'string') }
      : {}),
    ...(typeof reply.epoch === 'number' ? { epoch: reply.epoch } : {}),
  };
}

export function readEndpoints(reply: JsonObject): PeerEndpoints {
  const beacons = endpoints(reply.beacons).slice(0, MAX_BEACONS);
  return {
    endpoint: optionalEndpoint(reply.real_addr),
    lan: endpoints(reply.lan_addrs),
    ...(beacons.length > 0 && { beacons }),
  };
}

export function readNamedNode(reply: JsonObject): NamedNode {
  const node = nodeId(reply.node_id);
  const publicKey = decodeBase64(optionalText(reply.public_key) ?? '');
  return {
    node,
    address: address(reply.address, node),
    public: reply.public === true,
    hostname: optionalText(reply.hostname) ?? '',
    ...(publicKey?.length === 32 ? { publicKey } : {}),
    ...(typeof reply.record === 'string' && reply.record !== '' ? { record: reply.record } : {}),
  };
}

export function readPolled(reply: JsonObject): PolledHandshakes {
  return {
    requests: objects(reply.requests).map((item) => ({
      ...relayed(item),
      hostname: optionalText(item.from_hostname) ?? '',
      justification: optionalText(item.justification) ?? '',
    })),
    responses: objects(reply.responses).map((item) => ({ ...relayed(item), accept: item.accept === true })),
    revocations: objects(reply.revocations).map(relayed),
    more: reply.more === true,
  };
}

/** Endpoints of a list of `host:port` texts; those that are not literal addresses are skipped. */
export function endpoints(value: unknown): Endpoint[] {
  return list(value)
    .map(optionalEndpoint)
    .filter((endpoint) => endpoint !== undefined);
}

function relayed(item: JsonObject): { from: NodeId; timestamp: number; message: string } {
  return {
    from: nodeId(item.from_node_id),
    timestamp: typeof item.timestamp === 'number' ? item.timestamp * 1000 : 0,
    message: optionalText(item.message) ?? '',
  };
}

function optionalEndpoint(value: unknown): Endpoint | undefined {
  if (typeof value !== 'string' || value === '') return undefined;
  const endpoint = parseHostPort(value);
  return endpoint === undefined || endpoint.port === 0 || parseIp(endpoint.host) === undefined
    ? undefined
    : endpoint;
}

/** Of a server: its host may also be a name. */
function serverEndpoint(value: unknown): Endpoint | undefined {
  if (typeof value !== 'string') return undefined;
  const endpoint = parseHostPort(value);
  if (endpoint === undefined || endpoint.port === 0) return undefined;
  return parseIp(endpoint.host) !== undefined || HOST_NAME.test(endpoint.host) ? endpoint : undefined;
}

function isWildcard(host: string): boolean {
  return parseIp(host)?.every((byte) => byte === 0) === true;
}

export function nodeId(value: unknown): NodeId {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > 0xffff_ffff)
    throw strange('node id');
  return value;
}

export function address(value: unknown, node: NodeId): Address {
  if (typeof value !== 'string') return { network: 0, node };
  const parsed = parseAddress(value);
  if (typeof parsed === 'string') throw strange('address');
  return parsed;
}

export function optionalText(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
export function objects(value: unknown): JsonObject[] {
  return list(value).filter(isJsonObject);
}
function strange(what: string): PilotError {
  return new PilotError('protocol_error', `Cannot read the answer of the registry: bad ${what}`);
}
