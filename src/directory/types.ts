import type { Address, Endpoint, Millis, NetworkId, NodeId, UnixMillis } from '../base/units.ts';

export interface RegisterOptions {
  /** Where peers send UDP, as a beacon sees it; a wildcard host stands for "where this request comes from". */
  readonly listenEndpoint: Endpoint;
  /** Endpoints on the local networks. */
  readonly lan: readonly Endpoint[];
  /** Beacons where we are registered, the best first. @default none */
  readonly beacons?: readonly Endpoint[];
  readonly hostname?: string;
  readonly version: string;
  /** Free text, for the operator. */
  readonly owner?: string;
  /** With it, a registry that understands it also takes visibility and tags; see `Registered.presence`. */
  readonly public?: boolean;
  readonly tags?: readonly string[];
  /** Never give our endpoint to anybody. */
  readonly relayOnly?: boolean;
}

export interface Registered {
  readonly node: NodeId;
  readonly address: Address;
  /** The endpoint the registry keeps for us, `host:port`. */
  readonly observed: string;
  readonly hostname?: string;
  /** Why the hostname asked for was not given. The registration itself holds. */
  readonly hostnameError?: string;
  readonly beacons?: readonly Endpoint[];
  readonly carriers?: readonly CarrierAddress[];
  /** Visibility and tags were taken, and this connection is pushed to: nothing else has to be told. */
  readonly presence?: true;
  /** Whether the registry keeps relayed messages for us; undefined when it does not say. */
  readonly waiting?: boolean;
  /** When it wants the next heartbeat; undefined when it does not say. */
  readonly heartbeat?: Millis;
}

/** Where a beacon takes datagrams in a WebSocket. */
export interface CarrierAddress {
  /** `wss://…` or `ws://…`. */
  readonly url: string;
  /** SHA-256 of its certificate; absent: the system's authorities vouch for it. */
  readonly fingerprint?: string;
}

export interface NodeInfo {
  readonly node: NodeId;
  readonly address: Address;
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  readonly public: boolean;
  readonly networks: readonly number[];
  readonly poloScore: number;
  readonly taskExec: boolean;
  readonly hostname?: string;
  readonly tags: readonly string[];
  readonly version?: string;
  /** Public nodes only. */
  readonly endpoint?: Endpoint;
  /** Heard of in the last minutes; undefined when the registry does not say. */
  readonly online?: boolean;
  /** What the node signed of itself, JSON; for the reader to verify. */
  readonly record?: string;
  /** The documents of its key rotations, oldest first; for the reader to verify. */
  readonly rotations?: readonly string[];
  /** How often its key was rotated; undefined when the registry does not say. */
  readonly epoch?: number;
}

/** Where a peer can be reached without a relay. */
export interface PeerEndpoints {
  /** Undefined for a relay-only node. */
  readonly endpoint: Endpoint | undefined;
  readonly lan: readonly Endpoint[];
  /** Beacons where it is registered, the best first; undefined when the registry does not say. */
  readonly beacons?: readonly Endpoint[] | undefined;
}

export interface NamedNode {
  readonly node: NodeId;
  readonly address: Address;
  readonly public: boolean;
  readonly hostname: string;
  /** Absent from old registries. */
  readonly publicKey?: Uint8Array;
  readonly record?: string;
}

/** What to look for; a node has to match all of it. */
export interface NodeQuery {
  /** 0, the default: public nodes. Otherwise members of this network, for its members. */
  readonly network?: NetworkId;
  readonly tag?: string;
  /** Name of a service in the signed record. */
  readonly service?: string;
  /** Whole words of hostname, tags, service names and descriptions. */
  readonly text?: string;
  /** The cursor of the page before. */
  readonly after?: NodeId;
  /** At most 200. */
  readonly limit?: number;
}

export interface FoundNode {
  readonly node: NodeId;
  readonly address: Address;
  readonly hostname: string;
  readonly tags: readonly string[];
  readonly public: boolean;
  readonly online: boolean;
  /** For the reader to verify. */
  readonly record?: string;
}

export interface FoundNodes {
  readonly nodes: readonly FoundNode[];
  /** Where the next page begins; absent on the last. A page may be short, or empty, and still not the last. */
  readonly cursor?: NodeId;
}

/** Documents as the registry has them; for the reader to verify. */
export interface TrustDocuments {
  readonly trusted: boolean;
  readonly certificate?: string;
  /** The newest revocation by either side. */
  readonly revocation?: string;
}

export type HandshakeTarget = { readonly node: NodeId } | { readonly hostname: string };

/** A relayed message; `message` is the sender's signed content, empty from old peers. */
export interface RelayedRequest {
  readonly from: NodeId;
  /** The requester's name at the registry; empty when it has none. */
  readonly hostname: string;
  readonly justification: string;
  readonly timestamp: UnixMillis;
  readonly message: string;
}
export interface RelayedResponse {
  readonly from: NodeId;
  readonly accept: boolean;
  readonly timestamp: UnixMillis;
  readonly message: string;
}
export interface RelayedRevocation {
  readonly from: NodeId;
  readonly timestamp: UnixMillis;
  readonly message: string;
}

export interface PolledHandshakes {
  readonly requests: readonly RelayedRequest[];
  readonly responses: readonly RelayedResponse[];
  readonly revocations: readonly RelayedRevocation[];
  /** True when the registry holds more than fits in one answer: poll again once these are stored. */
  readonly more: boolean;
}

/**
 * "Something happened, look": `handshake_request`, `handshake_response`, `trust_changed`, `trust_revoked`,
 * `key_rotated`, `peer_moved`, `network_changed` (what holds for us there), `invite`, `member_changed` (`from`,
 * or several when absent).
 */
export interface RegistryPush {
  readonly event: string;
  readonly from?: NodeId;
  readonly network?: NetworkId;
}

/** What the answer to a heartbeat says. */
export interface HeartbeatReply {
  /** Our key expires within a day. */
  readonly warning?: true;
  /** When the next is wanted; undefined when the registry does not say. */
  readonly next?: Millis;
}

export type DirectoryState = 'connected' | 'disconnected';
