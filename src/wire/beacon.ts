/** Beacon messages 0x01 to 0x07, with what our peers add in ignored trailing bytes. spec/04 §1 */
import { concat, readU16, readU32, writeU16, writeU32 } from '../base/bytes.ts';
import type { Endpoint, NodeId } from '../base/units.ts';
import {
  type DiscoverAnswer,
  type DiscoverProof,
  type DiscoverQuestion,
  decodeAsker,
  decodeDiscoverTrailer,
  decodeReplyTrailer,
  encodeAsker,
  encodeDiscoverTrailer,
  encodeReplyTrailer,
} from './beacon-extension.ts';
import { formatIp, parseIp } from './ip.ts';

export const BEACON = {
  discover: 0x01,
  discoverReply: 0x02,
  punchRequest: 0x03,
  punchCommand: 0x04,
  relay: 0x05,
  relayDeliver: 0x06,
  sync: 0x07,
} as const;

/** What a relayed frame grows by on its way to and from the beacon. */
export const RELAY_OVERHEAD = 9;
export const RELAY_DELIVER_OVERHEAD = 5;
/** Node ids of one Sync that still fit a UDP datagram over IPv4. */
export const SYNC_MAX_NODES = 16_375;

export type BeaconMessage =
  | {
      readonly type: 'discover';
      readonly node: NodeId;
      readonly proof?: DiscoverProof;
      readonly question?: DiscoverQuestion;
    }
  | {
      readonly type: 'discoverReply';
      readonly endpoint: Endpoint;
      readonly challenge?: Uint8Array;
      readonly answer?: DiscoverAnswer;
    }
  | { readonly type: 'punchRequest'; readonly requester: NodeId; readonly target: NodeId }
  /** `asker`: the node that wants to reach us there; undefined when that is us, or the beacon is old. */
  | { readonly type: 'punchCommand'; readonly endpoint: Endpoint; readonly asker?: NodeId }
  | {
      readonly type: 'relay';
      readonly sender: NodeId;
      readonly destination: NodeId;
      readonly frame: Uint8Array;
    }
  | { readonly type: 'relayDeliver'; readonly sender: NodeId; readonly frame: Uint8Array }
  | { readonly type: 'sync'; readonly beaconId: number; readonly nodes: readonly NodeId[] };

export type BeaconMessageError = 'too_short' | 'unknown_type' | 'bad_endpoint';

/** Registers a node id at the beacon; node 0 only asks for the observed endpoint. */
export function encodeDiscover(node: NodeId, proof?: DiscoverProof, question?: DiscoverQuestion): Uint8Array {
  const message = withU32s(BEACON.discover, node);
  if (proof === undefined && question === undefined) return message;
  return concat(message, encodeDiscoverTrailer({ ...(proof && { proof }), ...(question && { question }) }));
}

/** `endpoint.host` must be an IP literal; throws TypeError otherwise. */
export function encodeDiscoverReply(
  endpoint: Endpoint,
  challenge?: Uint8Array,
  answer?: DiscoverAnswer,
): Uint8Array {
  const message = withEndpoint(BEACON.discoverReply, endpoint);
  if (challenge === undefined && answer === undefined) return message;
  return concat(message, encodeReplyTrailer({ ...(challenge && { challenge }), ...(answer && { answer }) }));
}

export function encodePunchRequest(requester: NodeId, target: NodeId): Uint8Array {
  return withU32s(BEACON.punchRequest, requester, target);
}

/** `endpoint.host` must be an IP literal; throws TypeError otherwise. */
export function encodePunchCommand(endpoint: Endpoint, asker?: NodeId): Uint8Array {
  const command = withEndpoint(BEACON.punchCommand, endpoint);
  return asker === undefined ? command : concat(command, encodeAsker(asker));
}

export function encodeRelay(sender: NodeId, destination: NodeId, frame: Uint8Array): Uint8Array {
  const out = new Uint8Array(RELAY_OVERHEAD + frame.length);
  out[0] = BEACON.relay;
  writeU32(out, 1, sender);
  writeU32(out, 5, destination);
  out.set(frame, RELAY_OVERHEAD);
  return out;
}

export function encodeRelayDeliver(sender: NodeId, frame: Uint8Array): Uint8Array {
  const out = new Uint8Array(RELAY_DELIVER_OVERHEAD + frame.length);
  out[0] = BEACON.relayDeliver;
  writeU32(out, 1, sender);
  out.set(frame, RELAY_DELIVER_OVERHEAD);
  return out;
}

/** Throws RangeError above `SYNC_MAX_NODES`: such a datagram could not be sent. */
export function encodeSync(beaconId: number, nodes: readonly NodeId[]): Uint8Array {
  if (nodes.length > SYNC_MAX_NODES) {
    throw new RangeError(`Cannot encode a sync of ${nodes.length} nodes: the limit is ${SYNC_MAX_NODES}`);
  }
  const out = new Uint8Array(7 + 4 * nodes.length);
  out[0] = BEACON.sync;
  writeU32(out, 1, beaconId);
  writeU16(out, 5, nodes.length);
  for (let i = 0; i < nodes.length; i++) writeU32(out, 7 + 4 * i, nodes[i]!);
  return out;
}

/** Decodes one datagram; frames, challenges and signatures are views into it. */
export function decodeBeaconMessage(bytes: Uint8Array): BeaconMessage | BeaconMessageError {
  if (bytes.length === 0) return 'too_short';
  switch (bytes[0]) {
    case BEACON.discover:
      if (bytes.length < 5) return 'too_short';
      return { type: 'discover', node: readU32(bytes, 1), ...decodeDiscoverTrailer(bytes, 5) };
    case BEACON.discoverReply: {
      const found = decodeEndpoint(bytes, 1);
      if (typeof found === 'string') return found;
      return { type: 'discoverReply', endpoint: found.endpoint, ...decodeReplyTrailer(bytes, found.end) };
    }
    case BEACON.punchRequest:
      if (bytes.length < 9) return 'too_short';
      return { type: 'punchRequest', requester: readU32(bytes, 1), target: readU32(bytes, 5) };
    case BEACON.punchCommand: {
      const found = decodeEndpoint(bytes, 1);
      if (typeof found === 'string') return found;
      const asker = decodeAsker(bytes, found.end);
      return {
        type: 'punchCommand',
        endpoint: found.endpoint,
        ...(asker !== undefined && { asker }),
      };
    }
    case BEACON.relay:
      if (bytes.length < RELAY_OVERHEAD) return 'too_short';
      return {
        type: 'relay',
        sender: readU32(bytes, 1),
        destination: readU32(bytes, 5),
        frame: bytes.subarray(RELAY_OVERHEAD),
      };
    case BEACON.relayDeliver:
      if (bytes.length < RELAY_DELIVER_OVERHEAD) return 'too_short';
      return {
        type: 'relayDeliver',
        sender: readU32(bytes, 1),
        frame: bytes.subarray(RELAY_DELIVER_OVERHEAD),
      };
    case BEACON.sync:
      return decodeSync(bytes);
    default:
      return 'unknown_type';
  }
}

function decodeSync(bytes: Uint8Array): BeaconMessage | 'too_short' {
  if (bytes.length < 7) return 'too_short';
  const count = readU16(bytes, 5);
  if (bytes.length < 7 + 4 * count) return 'too_short';
  const nodes: NodeId[] = [];
  for (let i = 0; i < count; i++) nodes.push(readU32(bytes, 7 + 4 * i));
  return { type: 'sync', beaconId: readU32(bytes, 1), nodes };
}

function decodeEndpoint(
  bytes: Uint8Array,
  at: number,
): { endpoint: Endpoint; end: number } | 'too_short' | 'bad_endpoint' {
  if (bytes.length <= at) return 'too_short';
  const length = bytes[at]!;
  if (length !== 4 && length !== 16) return 'bad_endpoint';
  const end = at + 1 + length + 2;
  if (bytes.length < end) return 'too_short';
  const host = formatIp(bytes.subarray(at + 1, at + 1 + length));
  return { endpoint: { host, port: readU16(bytes, end - 2) }, end };
}

function withU32s(type: number, ...values: readonly number[]): Uint8Array {
  const out = new Uint8Array(1 + 4 * values.length);
  out[0] = type;
  for (let i = 0; i < values.length; i++) writeU32(out, 1 + 4 * i, values[i]!);
  return out;
}

function withEndpoint(type: number, endpoint: Endpoint): Uint8Array {
  const ip = parseIp(endpoint.host);
  if (ip === undefined)
    throw new TypeError(`Cannot encode endpoint "${endpoint.host}": it is not an IP address`);
  const out = new Uint8Array(4 + ip.length);
  out[0] = type;
  out[1] = ip.length;
  out.set(ip, 2);
  writeU16(out, 2 + ip.length, endpoint.port);
  return out;
}
