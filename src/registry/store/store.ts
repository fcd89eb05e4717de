/**
 * The port behind which the registry keeps what must not be lost. Every method is one atomic step: the promise
 * settles after the change is durable (or rejects and nothing of it happened). All stores pass
 * `contract.testkit.ts`. Errors of every method: `disk_full`, `state_corrupt`, `io_error`, `unavailable` (closed).
 */
import type { NetworkId, NodeId, UnixMillis } from '../../base/units.ts';

/** What the registry knows about a node. spec/10 §4.1 */
export interface NodeRecord {
  readonly id: NodeId;
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  readonly owner: string;
  /** `host:port` where peers send UDP. */
  readonly endpoint: string;
  /** `ip:port` each. */
  readonly lan: readonly string[];
  readonly public: boolean;
  /** Empty when it has none. */
  readonly hostname: string;
  readonly tags: readonly string[];
  readonly poloScore: number;
  readonly taskExec: boolean;
  readonly version: string;
  /** The node asks never to be told directly: its endpoint is given to nobody. */
  readonly relayOnly: boolean;
  /** Its key was registered with proof of possession: from then on nothing unproven is accepted for it. */
  readonly proven: boolean;
  /** False between a deregistration and the next registration. The record itself is kept. */
  readonly registered: boolean;
  /** Soft: may lag by some seconds after a crash. */
  readonly lastSeen: UnixMillis;
  readonly keyCreatedAt: UnixMillis;
  readonly keyRotatedAt: UnixMillis | undefined;
  readonly keyRotations: number;
  readonly keyExpiresAt: UnixMillis | undefined;
}

/** Who may lose a hostname to somebody else who asks for it. spec/10 §4.5 */
export interface HostnameRelease {
  /** Never-proven holders not seen since then, or deregistered ones, lose it (as in old registries). */
  readonly unprovenSeenBefore: UnixMillis;
  /** Any holder not seen since then loses it. */
  readonly anySeenBefore: UnixMillis;
}

export interface Registration {
  readonly publicKey: Uint8Array;
  readonly proven: boolean;
  readonly owner: string;
  readonly endpoint: string;
  readonly lan: readonly string[];
  readonly version: string;
  readonly relayOnly: boolean;
  /** Valid, or undefined to leave the hostname as it is. */
  readonly hostname: string | undefined;
  readonly release: HostnameRelease;
  readonly maxNodes: number;
  readonly at: UnixMillis;
}

export type RegistrationOutcome =
  | {
      readonly kind: 'created' | 'known';
      readonly node: NodeRecord;
      readonly hostnameHolder?: NodeRecord;
      readonly moved: boolean;
    }
  /** The key was registered with proof before, and this registration brought none. */
  | { readonly kind: 'proof_required' }
  | { readonly kind: 'full' };

/** Attributes a node changes on its own record. */
export interface NodePatch {
  readonly public?: boolean;
  readonly tags?: readonly string[];
  readonly taskExec?: boolean;
  readonly poloScore?: number;
  readonly keyExpiresAt?: UnixMillis | null;
}

/** Both signed messages of a trust, as exchanged; empty strings with peers that don't sign whole messages. */
export interface TrustProof {
  readonly request: string;
  readonly accept: string;
}

export interface HandshakeRequest {
  readonly from: NodeId;
  /** 0 is the sink that answers for hostnames nobody has: stored and never delivered, so that both cases cost the same. */
  readonly to: NodeId;
  readonly justification: string;
  /** The requester's signed message, JSON; empty for old peers. */
  readonly message: string;
  /** Network source of the request; bounds what one place can put into an inbox. */
  readonly source: string;
  readonly at: UnixMillis;
  /** A second request of the same sender replaces the first instead of being refused. */
  readonly replace: boolean;
  readonly perTarget: number;
  readonly perSource: number;
}

export interface HandshakeResponse {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly accept: boolean;
  readonly message: string;
  readonly at: UnixMillis;
  /** Deliver even when `to` has no stored request: its daemon matches answers against its own memory. */
  readonly deliverUnasked: boolean;
  /** Requests older than this no longer count as asked. */
  readonly askedAfter: UnixMillis;
  readonly perTarget: number;
}

export interface Revocation {
  readonly from: NodeId;
  readonly peer: NodeId;
  readonly message: string;
  readonly at: UnixMillis;
  /** False for old peers, which never read revocations. */
  readonly deliver: boolean;
  readonly perTarget: number;
}

export type InboxKind = 'request' | 'response' | 'revocation';

/** One relayed message waiting for its target. */
export interface InboxEntry {
  /** Grows with every entry of the whole store; the cursor of `pollInbox`. */
  readonly sequence: number;
  readonly kind: InboxKind;
  readonly from: NodeId;
  readonly justification: string;
  readonly accept: boolean;
  readonly message: string;
  readonly at: UnixMillis;
}

/** spec/12 §1 */
export interface NetworkRecord {
  readonly id: NetworkId;
  readonly name: string;
  readonly joinRule: string;
  readonly token: string;
  readonly enterprise: boolean;
  readonly createdAt: UnixMillis;
  readonly members: number;
}

export interface NetworkMember {
  readonly node: NodeId;
  readonly role: 'owner' | 'admin' | 'member';
}

export interface Store {
  node(id: NodeId): Promise<NodeRecord | undefined>;
  nodeByKey(publicKey: Uint8Array): Promise<NodeRecord | undefined>;
  nodeByHostname(hostname: string): Promise<NodeRecord | undefined>;
  /** Ascending ids above `after`. */
  listNodes(after: NodeId, limit: number): Promise<NodeRecord[]>;
  counts(): Promise<{ nodes: number; networks: number }>;

  /** Creates a record or refreshes the one of this key. A record that exists keeps its owner, name, tags and visibility. */
  register(registration: Registration): Promise<RegistrationOutcome>;
  patchNode(id: NodeId, patch: NodePatch, at: UnixMillis): Promise<NodeRecord | undefined>;
  /** Empty clears. Returns the holder when the name is taken. */
  setHostname(
    id: NodeId,
    hostname: string,
    release: HostnameRelease,
  ): Promise<'set' | 'no_node' | { readonly holder: NodeRecord }>;
  rotateKey(
    id: NodeId,
    publicKey: Uint8Array,
    at: UnixMillis,
  ): Promise<NodeRecord | 'no_node' | 'key_in_use'>;
  /** Hides the record until the next registration. */
  deregister(id: NodeId): Promise<boolean>;
  /** Soft state: returns at once, reaches the disk within seconds. */
  touch(id: NodeId, at: UnixMillis): void;

  trusted(a: NodeId, b: NodeId): Promise<boolean>;
  trustProof(a: NodeId, b: NodeId): Promise<TrustProof | undefined>;
  /** Nodes in a pair with `id`, ascending. */
  trustPeers(id: NodeId, limit: number): Promise<NodeId[]>;
  /** One side's word. A pair exists once the other side gave its own, or asked after `askedAfter`. */
  reportTrust(from: NodeId, peer: NodeId, at: UnixMillis, askedAfter: UnixMillis): Promise<'paired' | 'half'>;
  /** Removes the pair and the word of both sides. */
  revokeTrust(revocation: Revocation): Promise<{ readonly existed: boolean; readonly delivered: boolean }>;

  requestHandshake(request: HandshakeRequest): Promise<'stored' | 'pending' | 'full'>;
  respondHandshake(
    response: HandshakeResponse,
  ): Promise<{ readonly paired: boolean; readonly delivered: boolean }>;
  /** Reads and clears requests and responses, for old peers. */
  takeInbox(node: NodeId): Promise<InboxEntry[]>;
  /** Drops entries up to `ack`, then returns the oldest `limit` of the rest. */
  pollInbox(node: NodeId, ack: number, limit: number): Promise<InboxEntry[]>;

  createNetwork(network: {
    name: string;
    joinRule: string;
    token: string;
    enterprise: boolean;
    creator: NodeId;
    at: UnixMillis;
  }): Promise<NetworkRecord | 'exists' | 'exhausted'>;
  network(id: NetworkId): Promise<NetworkRecord | undefined>;
  listNetworks(limit: number): Promise<NetworkRecord[]>;
  joinNetwork(id: NetworkId, node: NodeId): Promise<'joined' | 'already' | 'no_network'>;
  leaveNetwork(id: NetworkId, node: NodeId): Promise<boolean>;
  members(id: NetworkId, limit: number): Promise<NetworkMember[]>;
  /** Ascending, without the backbone. */
  networksOf(node: NodeId): Promise<NetworkId[]>;

  /** Everything acknowledged and all soft state reaches the disk. */
  close(): Promise<void>;
}
