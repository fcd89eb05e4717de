import type { Address, Bytes, Endpoint, Instant, NodeId } from '../../base/units.ts';
import type { Packet } from '../../wire/packet.ts';
import type { PunchFacts } from '../path/facts.ts';

/** How a datagram travels. `lan` and `direct` are UDP to the peer; `relay` goes through a beacon. */
export type PathKind = 'lan' | 'direct' | 'relay';

/** By which way a frame came: from whom, through a beacon or not, at which local socket. */
export interface Arrival {
  readonly from: Endpoint;
  readonly relay: boolean;
  readonly via: number;
}

/** The way alone, of something that came by it. */
export function arrival({ from, relay, via }: Arrival): Arrival {
  return { from, relay, via };
}

export interface PathStatus {
  readonly kind: PathKind;
  readonly endpoint: Endpoint;
  /** Round trip of the last answered probe, ms; undefined when never answered. */
  readonly rtt: number | undefined;
  readonly provenAt: Instant | undefined;
  readonly selected: boolean;
  /** UDP payload that its datagrams may have. */
  readonly size: Bytes;
}

export interface PeerStatus {
  readonly node: NodeId;
  readonly established: boolean;
  readonly paths: readonly PathStatus[];
  readonly selected: PathStatus | undefined;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** When the current key was confirmed. */
  readonly keyAt: Instant | undefined;
}

export type TunnelOutput =
  /**
   * Put these bytes on the wire, from the local socket of this number. @default 0, the tunnel's own
   * `segment`: they are a train, datagrams of so many bytes one behind the other, the last perhaps shorter.
   */
  | {
      readonly type: 'transmit';
      readonly to: Endpoint;
      readonly data: Uint8Array;
      readonly via?: number;
      readonly segment?: number;
    }
  /** Open or close a further local socket: nothing is sent from it before, or after. */
  | { readonly type: 'socket'; readonly via: number; readonly open: boolean }
  /** An authenticated packet: opened under the peer's key, source node = peer, destination node = us. */
  | { readonly type: 'packet'; readonly peer: NodeId; readonly packet: Packet; readonly path: PathKind }
  /** A packet to the peer may carry that many bytes of payload from now on. */
  | { readonly type: 'payloadLimit'; readonly peer: NodeId; readonly bytes: Bytes }
  /** The same of the packets of one train, in their order. */
  | {
      readonly type: 'packets';
      readonly peer: NodeId;
      readonly packets: readonly Packet[];
      readonly path: PathKind;
    }
  /** Ask the directory for the peer's identity key; answer with `identityKey()`. `claimed`: the key the peer names. */
  | { readonly type: 'needKey'; readonly peer: NodeId; readonly claimed?: Uint8Array }
  /** Ask the directory for the peer's endpoints; answer with `endpoints()`. */
  | { readonly type: 'needEndpoints'; readonly peer: NodeId }
  /** Ask the directory what connects us with the peer; what it sends is dropped until `admits` knows. */
  | { readonly type: 'needRelation'; readonly peer: NodeId }
  /** The peer signs with another key than the pinned one. */
  | { readonly type: 'needRotations'; readonly peer: NodeId }
  | { readonly type: 'event'; readonly event: TunnelEvent };

/** Whether we answer a peer at all, and whether it may measure the way to us. */
export interface Admits {
  admits(peer: NodeId, now: Instant): 'yes' | 'no' | 'unknown';
  answersPings(peer: NodeId, now: Instant): boolean;
}

export const ADMIT_ALL: Admits = { admits: () => 'yes', answersPings: () => true };

export type TunnelEvent =
  | { readonly name: 'tunnel.established'; readonly peer: NodeId; readonly path: PathKind }
  | { readonly name: 'tunnel.rekeyed'; readonly peer: NodeId }
  | {
      readonly name: 'tunnel.path_changed';
      readonly peer: NodeId;
      readonly path: PathKind;
      readonly endpoint: Endpoint;
      readonly reason: string;
    }
  /** Datagrams on the path in use may have this size from now on, UDP payload. */
  | {
      readonly name: 'tunnel.size_changed';
      readonly peer: NodeId;
      readonly path: PathKind;
      readonly bytes: Bytes;
      readonly before: Bytes;
    }
  | { readonly name: 'tunnel.unreachable'; readonly peer: NodeId; readonly reason: string }
  /** An attempt to open a direct path began. */
  | { readonly name: 'tunnel.punch_begun'; readonly peer: NodeId; readonly strategy: PunchFacts['strategy'] }
  | {
      readonly name: 'tunnel.punch_ended';
      readonly peer: NodeId;
      readonly strategy: PunchFacts['strategy'];
      readonly outcome: PunchFacts['outcome'];
      readonly packets: number;
    }
  /** Our own endpoint as a beacon sees it. */
  | { readonly name: 'beacon.observed'; readonly beacon: Endpoint; readonly endpoint: Endpoint }
  | { readonly name: 'beacon.lost'; readonly beacon: Endpoint }
  /** No beacon answers by UDP any more; one does again. */
  | { readonly name: 'beacon.silent' | 'beacon.answered' };

export type { Address };
