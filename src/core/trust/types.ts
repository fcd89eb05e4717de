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
  /** Id of the request this trust rests on; absent with old peers. */
  readonly requestId?: string;
  /** The registry knows our half. */
  readonly reported?: boolean;
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
  /** When the question was stated, unix seconds; with it, a question by hostname keeps its place among our statements. */
  readonly statedAt?: number;
}

/** A withdrawn trust: sticky until both sides approve anew. */
export interface TrustTombstone {
  readonly node: NodeId;
  readonly revokedAt: UnixMillis;
  /** The peer and the registry still have to be told. */
  readonly tellPeer: boolean;
  readonly tellRegistry: boolean;
  /** Id of our revocation, cited by every later request of ours; absent when the peer was the one to revoke. */
  readonly revokeId?: string;
  /** When the withdrawal was stated, unix seconds: before every later statement of ours. */
  readonly statedAt?: number;
  /** The request the withdrawn trust rested on. */
  readonly requestId?: string;
}

/** How we answered a request, kept so that a repeated request gets the same answer. */
export interface RequestAnswer {
  readonly node: NodeId;
  readonly requestId: string;
  /** `replaced`: never answered, because the peer asked anew while it waited. */
  readonly answer: 'accepted' | 'rejected' | 'revoked' | 'replaced';
  /** Text for the peer; rejections only, else empty. */
  readonly reason: string;
  readonly at: UnixMillis;
  /** The answer reached the peer or the registry. */
  readonly told: boolean;
}

/**
 * The newest statements exchanged with one peer, in unix seconds of the speaker's clock. A statement older than
 * the newest one heard says nothing any more.
 */
export interface StatementRegister {
  readonly node: NodeId;
  readonly saidAt: number;
  readonly heardAt: number;
  /** The newest statement heard withdrew consent. */
  readonly heardNo: boolean;
  /** Id of the newest revocation heard; empty when none. */
  readonly heardRevoke: string;
}

/** Everything the trust machine must not lose. Written before the effect of a change becomes visible. */
export interface TrustSnapshot {
  readonly trusted: readonly TrustRecord[];
  readonly pending: readonly PendingRequest[];
  readonly outgoing: readonly OutgoingRequest[];
  readonly tombstones: readonly TrustTombstone[];
  readonly answers?: readonly RequestAnswer[];
  readonly registers?: readonly StatementRegister[];
}

export type TrustTarget = { readonly node: NodeId } | { readonly hostname: string };

export type TrustOutput =
  /** Open a stream to port 444 of the peer and send this one message. Report failure with `directFailed`. */
  | { readonly type: 'sendDirect'; readonly to: NodeId; readonly message: Uint8Array; readonly ref: number }
  /** Registry `request_handshake`. */
  | {
      readonly type: 'relayRequest';
      readonly target: TrustTarget;
      readonly justification: string;
      readonly message: string;
      readonly requestId: string;
    }
  /** Registry `respond_handshake`. `message` is the signed answer for new peers. */
  | { readonly type: 'relayRespond'; readonly to: NodeId; readonly accept: boolean; readonly message: string }
  | { readonly type: 'reportTrust'; readonly peer: NodeId }
  /** Registry `revoke_trust`. `message` is our signed revocation, for the registry to hand to the peer; empty when the peer withdrew first. */
  | { readonly type: 'revokeTrust'; readonly peer: NodeId; readonly message: string }
  | { readonly type: 'needKey'; readonly peer: NodeId }
  /** Store durably. */
  | { readonly type: 'persist'; readonly snapshot: TrustSnapshot }
  /** Trust ended: drop the tunnel and reset the peer's streams. */
  | { readonly type: 'dropped'; readonly peer: NodeId }
  | { readonly type: 'event'; readonly event: TrustEvent };

export type TrustEvent =
  | { readonly name: 'handshake.received'; readonly peer: NodeId; readonly justification: string }
  | { readonly name: 'handshake.pending'; readonly peer: NodeId; readonly justification: string }
  | {
      readonly name: 'handshake.auto_approved';
      readonly peer: NodeId;
      readonly reason: 'mutual' | 'same_network' | 'auto_approve';
    }
  | { readonly name: 'handshake.approved'; readonly peer: NodeId }
  | { readonly name: 'handshake.rejected'; readonly peer: NodeId; readonly reason: string }
  | { readonly name: 'trust.established'; readonly peer: NodeId }
  | { readonly name: 'trust.revoked'; readonly peer: NodeId }
  | { readonly name: 'trust.revoked_by_peer'; readonly peer: NodeId }
  | { readonly name: 'trust.refused_message'; readonly peer: NodeId; readonly reason: string };
