import type { NodeId, UnixMillis } from '../../base/units.ts';

/** Someone we trust. spec/11 §1.1, §6 */
export interface TrustRecord {
  readonly node: NodeId;
  /** Ed25519, 32 bytes, pinned when trust was made. */
  readonly publicKey: Uint8Array;
  readonly approvedAt: UnixMillis;
  /** True when both sides asked or the peer accepted our request. */
  readonly mutual: boolean;
  /** Both halves signed over the whole content, as exchanged; absent with peers that cannot sign them. */
  readonly proof?: { readonly request: string; readonly accept: string };
}

/** An inbound request waiting for the user. */
export interface PendingRequest {
  readonly node: NodeId;
  readonly publicKey: Uint8Array;
  readonly justification: string;
  readonly receivedAt: UnixMillis;
  /** Id chosen by the requester, echoed in the answer; empty for old peers. */
  readonly requestId: string;
  /** The signed request as received, JSON; empty for old peers. */
  readonly message: string;
}

/** A request of ours that has not been answered. */
export interface OutgoingRequest {
  readonly requestId: string;
  /** Known at once when asked by id or address, learned from the answer when asked by hostname. */
  readonly node: NodeId | undefined;
  readonly hostname: string | undefined;
  readonly justification: string;
  readonly createdAt: UnixMillis;
  readonly expiresAt: UnixMillis;
  readonly message: string;
}

/** A withdrawn trust: sticky until both sides approve anew. */
export interface TrustTombstone {
  readonly node: NodeId;
  readonly revokedAt: UnixMillis;
  /** The peer and the registry still have to be told. */
  readonly tellPeer: boolean;
  readonly tellRegistry: boolean;
}

/** Everything the trust machine must not lose. Written before the effect of a change becomes visible. */
export interface TrustSnapshot {
  readonly trusted: readonly TrustRecord[];
  readonly pending: readonly PendingRequest[];
  readonly outgoing: readonly OutgoingRequest[];
  readonly tombstones: readonly TrustTombstone[];
}

export type TrustTarget = { readonly node: NodeId } | { readonly hostname: string };

export type TrustOutput =
  /** Open a stream to port 444 of the peer and send this one message. Report failure with `directFailed`. */
  | { readonly type: 'sendDirect'; readonly to: NodeId; readonly message: Uint8Array; readonly ref: number }
  /** Registry `request_handshake`. */
  | { readonly type: 'relayRequest'; readonly target: TrustTarget; readonly justification: string; readonly message: string; readonly requestId: string }
  /** Registry `respond_handshake`. `message` is the signed answer for new peers. */
  | { readonly type: 'relayRespond'; readonly to: NodeId; readonly accept: boolean; readonly message: string }
  | { readonly type: 'reportTrust'; readonly peer: NodeId }
  | { readonly type: 'revokeTrust'; readonly peer: NodeId }
  | { readonly type: 'needKey'; readonly peer: NodeId }
  /** Store durably. */
  | { readonly type: 'persist'; readonly snapshot: TrustSnapshot }
  /** Trust ended: drop the tunnel and reset the peer's streams. */
  | { readonly type: 'dropped'; readonly peer: NodeId }
  | { readonly type: 'event'; readonly event: TrustEvent };

export type TrustEvent =
  | { readonly name: 'handshake.received'; readonly peer: NodeId; readonly justification: string }
  | { readonly name: 'handshake.pending'; readonly peer: NodeId; readonly justification: string }
  | { readonly name: 'handshake.auto_approved'; readonly peer: NodeId; readonly reason: 'mutual' | 'same_network' | 'auto_approve' }
  | { readonly name: 'handshake.approved'; readonly peer: NodeId }
  | { readonly name: 'handshake.rejected'; readonly peer: NodeId; readonly reason: string }
  | { readonly name: 'trust.established'; readonly peer: NodeId }
  | { readonly name: 'trust.revoked'; readonly peer: NodeId }
  | { readonly name: 'trust.revoked_by_peer'; readonly peer: NodeId }
  | { readonly name: 'trust.refused_message'; readonly peer: NodeId; readonly reason: string };
