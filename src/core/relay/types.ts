import type { Bytes, Endpoint, Instant, NodeId } from '../../base/units.ts';

/** A node registered at this beacon. */
export interface RelayEntry {
  readonly node: NodeId;
  /** Where frames for it go. */
  readonly endpoint: Endpoint;
  /** All its endpoints, at most one per family and a stream; the one heard last first. */
  readonly endpoints: readonly Endpoint[];
  readonly seenAt: Instant;
  /** The node proved that it holds its registered identity key; only such a proof may move the entry. */
  readonly proven: boolean;
}

export type RelayDrop =
  | 'too_short'
  | 'unknown_type'
  | 'bad_endpoint'
  | 'not_for_beacons'
  | 'rate_limited'
  | 'table_full'
  | 'held_by_other_source'
  | 'bad_proof'
  | 'unproven_requester'
  | 'no_common_family'
  | 'alternate_port'
  | 'too_many_late'
  | 'unregistered_sender'
  | 'unknown_destination'
  | 'already_forwarded'
  | 'not_a_peer';

export type RelayOutput =
  | {
      readonly type: 'transmit';
      readonly to: Endpoint;
      readonly data: Uint8Array;
      /** Leaves by the second port. */
      readonly alternate?: true;
    }
  /** Ask the directory for the node's identity key, or whether it is the claimed one; answer with `identityKey()`. */
  | { readonly type: 'needKey'; readonly node: NodeId; readonly claimed?: Uint8Array }
  | { readonly type: 'event'; readonly event: RelayEvent };

export type RelayEvent =
  | { readonly name: 'relay.moved'; readonly node: NodeId; readonly proven: boolean }
  /** Somebody tried to take over a node id, or a node moved without proof too early. */
  | { readonly name: 'relay.held'; readonly node: NodeId }
  | { readonly name: 'relay.peer_silent'; readonly peer: Endpoint };

export interface RelayStats {
  readonly nodes: number;
  readonly provenNodes: number;
  readonly remoteNodes: number;
  readonly peers: number;
  readonly registrations: number;
  readonly punches: number;
  readonly relayedFrames: number;
  readonly relayedBytes: number;
  readonly forwardedFrames: number;
  readonly drops: Readonly<Partial<Record<RelayDrop, number>>>;
}

export interface RelayConfig {
  /** Named in gossip. 0 is a beacon on its own. @default 0 */
  readonly beaconId: number;
  /** Offers nodes to prove their identity. Pointless where no key can be looked up. @default true */
  readonly challenges: boolean;
  /** Registers only nodes that prove their key. @default false */
  readonly proofOnly: boolean;
  /** Bytes a second that one node may relay. @default 12,500,000 */
  readonly relayRate: Bytes;
  /** Bytes a second that all together may relay. @default unlimited */
  readonly totalRate: Bytes;
  /** The second port, told to nodes that ask; 0 when there is none. @default 0 */
  readonly alternatePort: number;
  /** @default 100,000 (spec/04 §2.1) */
  readonly maxNodes: number;
  /** Nodes of one host that have not proven themselves. Raising it lets one host fill more of the table. @default 4096 */
  readonly maxNodesPerHost: number;
}
