import type { CongestionKind } from '../api/congestion.ts';
import type { Crypto, SigningKey } from '../base/crypto.ts';
import type { Random } from '../base/random.ts';
import type { Address, Bytes, Endpoint, Instant, NodeId, Port, UnixMillis } from '../base/units.ts';
import type { Memberships } from './network/memberships.ts';
import type { CloseReason, ConnId } from './stream/types.ts';
import type { TrustOutput, TrustSnapshot } from './trust/types.ts';
import type { TunnelEvent } from './tunnel/types.ts';

export interface NodeOptions {
  readonly crypto: Crypto;
  readonly random: Random;
  readonly identity: SigningKey;
  /** Wall-clock time at a monotonic instant: signed trust messages carry it. */
  readonly wall: (now: Instant) => UnixMillis;
  /** UDP endpoints of the beacons, best first. May be replaced with `setBeacons`. */
  readonly beacons: readonly Endpoint[];
  /** Accepts streams and datagrams from anyone. @default false */
  readonly public?: boolean;
  /** Never uses a direct path. @default false */
  readonly relayOnly?: boolean;
  /** Relays for peers whom we trust, so many bytes a second in all. @default no */
  readonly relayForPeers?: { readonly rate: Bytes };
  /**
   * Packets leave in trains (`transmit` with `segment`), whose bytes are good until `poll` has returned undefined.
   * @default each datagram is an output, and its bytes are the owner's
   */
  readonly trains?: boolean;
  /** Who decides how much of a stream is on the way. @default tolerant */
  readonly congestion?: CongestionKind;
  /** Restored trust state, from the last `persist` output. */
  readonly trust?: TrustSnapshot;
  /** What our networks allow; its owner keeps it up to date and calls `recheck`. @default no networks */
  readonly memberships?: Memberships;
}

/** What the directory knows about where a peer is. */
export interface PeerEndpoints {
  /** The registered endpoint; undefined for a relay-only node. */
  readonly endpoint: Endpoint | undefined;
  readonly lan: readonly Endpoint[];
  /** Where it is registered, the best first; undefined when it does not say. */
  readonly beacons?: readonly Endpoint[] | undefined;
}

/** Questions for the directory (the registry's client). Each is answered once, by the method named. */
export type NodeQuery =
  /** `answerKey`. */
  | { readonly ask: 'key'; readonly peer: NodeId; readonly claimed?: Uint8Array }
  /** `answerEndpoints`. */
  | { readonly ask: 'endpoints'; readonly peer: NodeId }
  /** Networks shared with the peer: `answerRelation`. */
  | { readonly ask: 'relation'; readonly peer: NodeId }
  /** The peer uses another identity key than the pinned one: `keyRotated`. Need not be answered. */
  | { readonly ask: 'rotations'; readonly peer: NodeId };

export type NodeOutput =
  /**
   * From the local socket of this number. @default 0, the tunnel's own
   * `segment`: a train, datagrams of so many bytes one behind the other, the last perhaps shorter.
   */
  | {
      readonly type: 'transmit';
      readonly to: Endpoint;
      readonly data: Uint8Array;
      readonly via?: number;
      readonly segment?: number;
    }
  /** Open or close a further local UDP socket. What arrives there comes back with its number. */
  | { readonly type: 'socket'; readonly via: number; readonly open: boolean }
  | { readonly type: 'query'; readonly query: NodeQuery }
  /** Effects of the trust machine that only the shell can carry out (registry calls, persistence). */
  | {
      readonly type: 'trust';
      readonly output: Exclude<
        TrustOutput,
        { type: 'sendDirect' | 'needKey' | 'needRotations' | 'rescoped' | 'repinned' }
      >;
    }
  | { readonly type: 'connected'; readonly conn: ConnId }
  | {
      readonly type: 'dialFailed';
      readonly conn: ConnId;
      readonly reason: CloseReason | 'unresolved' | 'denied';
      /** With `denied`: the dial was not even tried. */
      readonly denial?: Denial;
      readonly detail?: string;
    }
  | {
      readonly type: 'incoming';
      readonly conn: ConnId;
      readonly port: Port;
      readonly remote: Address;
      readonly remotePort: Port;
    }
  | { readonly type: 'readable'; readonly conn: ConnId }
  | { readonly type: 'writable'; readonly conn: ConnId }
  /** The peer has acknowledged everything we wrote and our end; it may still send. */
  | { readonly type: 'finished'; readonly conn: ConnId }
  | { readonly type: 'closed'; readonly conn: ConnId; readonly reason: CloseReason }
  | {
      readonly type: 'datagram';
      readonly from: Address;
      readonly fromPort: Port;
      readonly toPort: Port;
      readonly payload: Uint8Array;
    }
  | { readonly type: 'pong'; readonly token: number; readonly from: NodeId; readonly rtt: number }
  | { readonly type: 'event'; readonly event: TunnelEvent | NodeEvent };

export type NodeEvent =
  /** A trust message of ours reached the peer over the tunnel. */
  | { readonly name: 'trust.delivered'; readonly peer: NodeId }
  | {
      readonly name: 'syn.rejected' | 'datagram.rejected';
      readonly peer: NodeId;
      readonly port: Port;
      readonly reason: Denial;
    };

/** Why a stream or datagram is not let through. */
export type Denial = 'untrusted' | 'scope' | 'rate' | 'policy' | 'not_member';
