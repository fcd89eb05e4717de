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
  /** What can't be stored goes to the sink, so that the answer and its cost say nothing about the target. */
  readonly quiet: boolean;
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
  /** The signed revocation, for certificates up to its serial; a pair with a later certificate stays. */
  readonly document?: { readonly serial: number; readonly text: string };
}

/** A certificate both signed, verified by the caller. */
export interface CertifiedTrust {
  readonly a: NodeId;
  readonly b: NodeId;
  readonly serial: number;
  readonly notAfter: UnixMillis | undefined;
  readonly text: string;
}

/** Empty where there is none. */
export interface TrustDocuments {
  readonly certificate: string;
  /** Of the two sides' revocations the one with the highest serial. */
  readonly revocation: string;
}

/** A pair, the lower id first. */
export interface TrustKey {
  readonly low: NodeId;
  readonly high: NodeId;
}

export interface TrustStore {
  /** True while there is a pair whose certificate, if any, has not ended before `at`. */
  trusted(a: NodeId, b: NodeId, at: UnixMillis): Promise<boolean>;
  /** True while a word of `giver` towards `peer` is kept: it asked, reported or accepted, and there is no pair yet. */
  gaveWord(giver: NodeId, peer: NodeId): Promise<boolean>;
  trustProof(a: NodeId, b: NodeId): Promise<TrustProof | undefined>;
  trustDocuments(a: NodeId, b: NodeId): Promise<TrustDocuments>;
  /** Pairs that have not ended, ascending, above `after`. */
  listTrust(after: TrustKey, limit: number, at: UnixMillis): Promise<TrustKey[]>;
  /** Nodes in a pair with `id` that has not ended before `at`, ascending. */
  trustPeers(id: NodeId, limit: number, at: UnixMillis): Promise<NodeId[]>;
  /**
   * Makes or renews a pair by the signatures of both. `revoked`: a tombstone of either side covers the serial;
   * `older`: the pair has had this serial or a later one. Certifying what is there is `stored`.
   */
  certifyTrust(certified: CertifiedTrust): Promise<'stored' | 'older' | 'revoked'>;
  /**
   * One side's word. A pair exists once the other side gave its own, or asked after `askedAfter`: `paired` when it is
   * new by this, `trusted` when it was there.
   */
  reportTrust(
    from: NodeId,
    peer: NodeId,
    at: UnixMillis,
    askedAfter: UnixMillis,
  ): Promise<'paired' | 'trusted' | 'half'>;
  /**
   * Removes the pair and the word of both sides. With a document it leaves a tombstone, also when there was nothing
   * to remove: a certificate under way counts no more.
   */
  revokeTrust(revocation: Revocation): Promise<{ readonly existed: boolean; readonly delivered: boolean }>;
  /** `paired`: stored, and the other side had given its word already. */
  requestHandshake(request: HandshakeRequest): Promise<'stored' | 'paired' | 'pending' | 'full'>;
  respondHandshake(
    response: HandshakeResponse,
  ): Promise<{ readonly paired: boolean; readonly delivered: boolean }>;
}
