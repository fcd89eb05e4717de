import type { NodeId, UnixMillis } from '../../../base/units.ts';

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
  /** Beacons where it can be reached, the best first, `ip:port` each. */
  readonly beacons: readonly string[];
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

/** What a heartbeat asks of a node. */
export type NodeIdentity = Pick<NodeRecord, 'id' | 'publicKey' | 'proven' | 'registered' | 'keyExpiresAt'>;

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
  readonly beacons: readonly string[];
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
  /** The key was replaced by a rotation, and is nobody's any more. */
  | { readonly kind: 'retired' }
  | { readonly kind: 'full' };

/** Attributes a node changes on its own record. */
export interface NodePatch {
  readonly public?: boolean;
  readonly tags?: readonly string[];
  readonly taskExec?: boolean;
  readonly poloScore?: number;
  readonly keyExpiresAt?: UnixMillis | null;
}

/** What a node signed of itself, as text. */
export interface NodeDocuments {
  /** Empty when it published none under its present key. */
  readonly record: string;
  /** Of the last `ROTATIONS_KEPT` rotations that brought one, oldest first. */
  readonly rotations: readonly string[];
}

export interface PublishedRecord {
  /** Grows with every record under one key. */
  readonly sequence: number;
  readonly document: string;
  /** By which it is found; see `nodeTerms`. */
  readonly terms: readonly string[];
}

/** A node with what can be searched. */
export interface DescribedNode {
  readonly node: NodeRecord;
  readonly record: string;
  readonly terms: readonly string[];
}

export interface NodeStore {
  node(id: NodeId): Promise<NodeRecord | undefined>;
  /** As `node`, and cheaper: for what is asked thousands of times a second. */
  identity(id: NodeId): Promise<NodeIdentity | undefined>;
  nodeByKey(publicKey: Uint8Array): Promise<NodeRecord | undefined>;
  nodeByHostname(hostname: string): Promise<NodeRecord | undefined>;
  /** Ascending ids above `after`. */
  listNodes(after: NodeId, limit: number): Promise<NodeRecord[]>;
  counts(): Promise<{ nodes: number; networks: number }>;
  /** Registered nodes last seen after `since`. Soft. */
  onlineCount(since: UnixMillis): Promise<number>;

  /** Creates a record or refreshes the one of this key. A record that exists keeps its owner, name, tags and visibility. */
  register(registration: Registration): Promise<RegistrationOutcome>;
  patchNode(id: NodeId, patch: NodePatch, at: UnixMillis): Promise<NodeRecord | undefined>;
  /** Empty clears. Returns the holder when the name is taken. */
  setHostname(
    id: NodeId,
    hostname: string,
    release: HostnameRelease,
  ): Promise<'set' | 'no_node' | { readonly holder: NodeRecord }>;
  /**
   * With a document the old key is kept as retired: nobody registers it or rotates to it again. A published record
   * is dropped, being signed by the old key.
   */
  rotateKey(
    id: NodeId,
    publicKey: Uint8Array,
    at: UnixMillis,
    document?: string,
  ): Promise<NodeRecord | 'no_node' | 'key_in_use'>;
  nodeDocuments(id: NodeId): Promise<NodeDocuments>;
  /** The node a retired key belonged to. */
  nodeByRetiredKey(publicKey: Uint8Array): Promise<NodeId | undefined>;
  /** `older`: a record of the same or a later sequence is there. Publishing what is there is `stored`. */
  publishRecord(id: NodeId, record: PublishedRecord): Promise<'stored' | 'older' | 'no_node'>;
  /** Public registered nodes that have the term ('' is on all), ascending ids above `after`. */
  findNodes(term: string, after: NodeId, limit: number): Promise<DescribedNode[]>;
  /** Those of the ids that are registered, in the order given. */
  describeNodes(ids: readonly NodeId[]): Promise<DescribedNode[]>;
  /** Hides the record until the next registration. */
  deregister(id: NodeId): Promise<boolean>;
  /** Heard of a node that exists. Soft state: returns at once, reaches the disk within seconds. */
  touch(id: NodeId, at: UnixMillis): void;
}
