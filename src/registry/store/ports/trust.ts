import type { NodeId, UnixMillis } from '../../../base/units.ts';

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

export interface TrustStore {
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
}
