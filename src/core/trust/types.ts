import type { NodeId, UnixMillis } from '../../base/units.ts';
import type { Terms } from './terms.ts';

export type { Grant } from '../../wire/trust-certificate.ts';
export type { Terms } from './terms.ts';

/** Who let a peer in. `peer`: it accepted our question; `renewal`: both wanted to go on. */
export type ApprovedBy = 'user' | 'mutual' | 'peer' | 'renewal' | `auto:${string}`;

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
  /** The registry knows our half, or the certificate. */
  readonly reported?: boolean;
  /** What we want now. Enforced here whatever the certificate says. */
  readonly terms: Terms;
  /** Our statement, unix seconds, that brought these terms. */
  readonly termsAt?: number;
  /** What the peer said last that it wants, from its side. */
  readonly peerTerms: Terms;
  /** Text of the certificate both have signed; absent with peers that make none (`legacy`) and until they signed. */
  readonly certificate?: string;
  /** A newer certificate that we signed and the peer still has to. It counts here already. */
  readonly draft?: string;
  /** Of the newest certificate, draft included; 0 without. */
  readonly serial: number;
  /** Unix seconds: when trust ends, by the certificate and our terms. */
  readonly notAfter?: number;
  readonly approvedBy: ApprovedBy;
  /** The certificate for which a successor was asked for already. */
  readonly renewAsked?: number;
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
  /** What the peer wants, from its side. */
  readonly terms: Terms;
  /** The peer is trusted and asks for more than it has. */
  readonly change: boolean;
  /** The peer signs certificates. */
  readonly certifies: boolean;
}

/** A request of ours that has not been answered. */
export interface OutgoingRequest {
  readonly requestId: string;
  /** Known at once when asked by id or address, learned from the answer when asked by hostname. */
  readonly node: NodeId | undefined;
  readonly hostname: string | undefined;
  /** Of the key that must answer; absent when any may. */
  readonly fingerprint?: string;
  readonly justification: string;
  readonly createdAt: UnixMillis;
  readonly expiresAt: UnixMillis;
  readonly message: string;
  /** What we asked for, from our side. */
  readonly terms: Terms;
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
  /** No certificate of the pair up to this serial counts any more. */
  readonly serial: number;
  /** Our signed revocation of them; absent where there was none to revoke. */
  readonly revocation?: string;
  /** The peer's. */
  readonly peerRevocation?: string;
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
  /** What we said up to then counts no more: the time of our newest withdrawal, or of the end of a trust. */
  readonly voidUntil?: number;
  /** Highest serial of a certificate of the pair, ever. */
  readonly serial: number;
  /** Highest serial the peer named in a question: ours are above it, and nothing else follows from it. */
  readonly serialHint?: number;
  /** The peer signs certificates. */
  readonly certifies: boolean;
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

/** `fingerprint`: only the holder of that key can answer. */
export type TrustTarget = ({ readonly node: NodeId } | { readonly hostname: string }) & {
  readonly fingerprint?: string | undefined;
};

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
  /** Registry `report_trust`. `certificate` is its text, signed by both; empty for a pair without one. */
  | { readonly type: 'reportTrust'; readonly peer: NodeId; readonly certificate: string }
  /**
   * Registry `revoke_trust`. `message` is our signed withdrawal, for the registry to hand to the peer, and `revocation`
   * the document for everybody; both empty when the peer withdrew first.
   */
  | {
      readonly type: 'revokeTrust';
      readonly peer: NodeId;
      readonly message: string;
      readonly revocation: string;
    }
  | { readonly type: 'needKey'; readonly peer: NodeId }
  /** The peer signs with another key than the pinned one: ask for its key rotations; answer with `keyRotated`. */
  | { readonly type: 'needRotations'; readonly peer: NodeId }
  /** Store durably. */
  | { readonly type: 'persist'; readonly snapshot: TrustSnapshot }
  /** Trust ended: drop the tunnel and reset the peer's streams. */
  | { readonly type: 'dropped'; readonly peer: NodeId }
  /** What the peer may reach here, or we there, changed: streams that are not allowed any more end. */
  | { readonly type: 'rescoped'; readonly peer: NodeId }
  /** The peer's pinned key was replaced by one that its old key signed. */
  | { readonly type: 'repinned'; readonly peer: NodeId; readonly publicKey: Uint8Array }
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
  /** Both have signed a certificate. */
  | { readonly name: 'trust.certified'; readonly peer: NodeId; readonly serial: number }
  | { readonly name: 'trust.expired'; readonly peer: NodeId }
  /** We asked for a successor of a certificate that ends soon. */
  | { readonly name: 'trust.renewing'; readonly peer: NodeId }
  | { readonly name: 'trust.key_rotated'; readonly peer: NodeId }
  | { readonly name: 'trust.revoked'; readonly peer: NodeId }
  | { readonly name: 'trust.revoked_by_peer'; readonly peer: NodeId }
  | { readonly name: 'trust.refused_message'; readonly peer: NodeId; readonly reason: string };
