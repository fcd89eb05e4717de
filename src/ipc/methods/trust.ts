type Seconds = number;

/** What one side lets the other reach. */
export interface GrantRow {
  /** `*` all, empty none, else sorted `80,1001,7000-7010`. */
  readonly ports: string;
  /** New streams and datagram flows a minute; absent: no limit. */
  readonly opens?: number;
}

/**
 * Terms as wished. What is left out stays as it is with a trusted peer, is as asked in an approval, and without limit
 * in a first request.
 */
export interface TermsParam {
  /** What the peer may reach here. */
  readonly give?: Partial<GrantRow>;
  /** What we may reach at the peer. */
  readonly get?: Partial<GrantRow>;
  /** From the decision on; 0 without an end. */
  readonly lifetime?: Seconds;
  readonly renew?: boolean;
}

export interface TermsRow {
  readonly give: GrantRow;
  readonly get: GrantRow;
  /** Unix seconds; absent: no end. */
  readonly not_after?: Seconds;
  readonly renew: boolean;
}

export interface PendingRow {
  readonly node_id: number;
  readonly address: string;
  readonly hostname: string;
  readonly public_key: string;
  readonly justification: string;
  /** Unix seconds. */
  readonly received_at: Seconds;
  /** What is asked, from our view: `give` is what we would let the peer reach. */
  readonly asks: TermsRow;
  /** The peer is trusted already and asks for other terms. */
  readonly change: boolean;
  /** What holds today; only with `change`. */
  readonly now?: TermsRow;
  /** Why no rule of automatic approval answered it; absent when there is no rule. */
  readonly auto?: string;
}

/** `certificate`: both keys signed the terms. `legacy`: the peer cannot, or has not yet. */
export type TrustKind = 'certificate' | 'legacy';

export interface TrustedRow {
  readonly node_id: number;
  readonly address: string;
  readonly hostname: string;
  readonly public_key: string;
  /** Unix seconds. */
  readonly approved_at: Seconds;
  readonly mutual: boolean;
  readonly network: number;
  /** What the peer may reach here. */
  readonly gives: GrantRow;
  /** What we may reach there, as far as it is known here. */
  readonly gets: GrantRow;
  /** Unix seconds; absent: no end. */
  readonly expires_at?: Seconds;
  readonly renew: boolean;
  readonly kind: TrustKind;
  /** `user`, `mutual`, `peer`, `renewal` or `auto:RULE`. */
  readonly approved_by: string;
  /** Of the newest certificate of the pair; 0 with `legacy`. */
  readonly serial: number;
}

export interface TrustShown extends TrustedRow {
  readonly own_node_id: number;
  /** First 80 bits of SHA-256 of the key, base32. */
  readonly own_fingerprint: string;
  readonly fingerprint: string;
  /** Our own latest terms. */
  readonly terms: TermsRow;
  /** What the peer said last; absent when it said nothing. */
  readonly peer_terms?: TermsRow;
  readonly reason: string;
  /** Unix seconds; absent with `legacy`. */
  readonly not_before?: Seconds;
  /** `valid`, or what the check of the certificate says. */
  readonly signatures?: string;
  /** The complete certificate. */
  readonly certificate?: Readonly<Record<string, unknown>>;
  /** Other terms that one side asks of the other at the moment. */
  readonly change?: { readonly asked_by: 'us' | 'peer'; readonly terms: TermsRow };
}

export interface OutgoingRow {
  /** Absent while asked by a hostname that has not answered. */
  readonly node_id?: number;
  readonly address: string;
  readonly hostname: string;
  readonly justification: string;
  /** Unix seconds. */
  readonly created_at: Seconds;
  readonly expires_at: Seconds;
  readonly terms: TermsRow;
}

export interface HandshakeResult {
  /**
   * `approved`: the peer had already asked us, so trust is mutual now. `already_trusted`: on these terms.
   * `narrowed`: holds here at once; the peer is told.
   */
  readonly status: 'sent' | 'already_trusted' | 'approved' | 'narrowed';
  /** Absent when a private node was asked by name. */
  readonly node_id?: number;
  readonly hostname?: string;
  /** Terms in force, when the peer is trusted. */
  readonly terms?: TermsRow;
  /** What they were before. */
  readonly before?: TermsRow;
}

export interface ApproveResult {
  /** `narrowed`: the peer was trusted and had not asked; less than before holds now. */
  readonly status: 'approved' | 'narrowed';
  readonly node_id: number;
  /** What holds now, from our view. */
  readonly terms: TermsRow;
  /** What held before; only when the peer was trusted. */
  readonly before?: TermsRow;
}

/** One automatic approval that stands. */
export interface AutoApprovalRow {
  readonly node_id: number;
  readonly hostname: string;
  readonly rule: string;
  /** Unix seconds. */
  readonly approved_at: Seconds;
}

export interface AutoRuleRow {
  readonly name: string;
  /** The rule in words. */
  readonly admits: string;
  /** Approvals that stand. */
  readonly approvals: number;
  /** Approvals the limit still allows now; absent: no limit. */
  readonly left?: number;
}

export interface TrustMethods {
  handshake: [{ target: string; justification?: string; terms?: TermsParam }, HandshakeResult];
  pending: [Record<string, never>, { pending: readonly PendingRow[] }];
  trusted: [Record<string, never>, { trusted: readonly TrustedRow[] }];
  outgoing: [Record<string, never>, { outgoing: readonly OutgoingRow[] }];
  approve: [{ target: string; terms?: TermsParam }, ApproveResult];
  reject: [{ target: string; reason?: string }, { status: 'rejected'; node_id: number }];
  untrust: [{ target: string; reason?: string }, { status: 'revoked'; node_id: number }];
  /** Resolves once the peer is trusted, or says that it is not when the time is up. */
  trust_wait: [{ target: string; timeout_ms: number }, { node_id: number; trusted: boolean }];
  trust_show: [{ target: string }, TrustShown];
  /** The bundle of wire/trust-bundle.ts, canonical text. */
  trust_export: [{ target: string }, { node_id: number; serial: number; bundle: string }];
  /** Revocations known here, ours and those of peers, canonical texts. */
  trust_revocations: [{ target?: string }, { revocations: readonly string[] }];
  auto_approvals: [
    Record<string, never>,
    { rules: readonly AutoRuleRow[]; approvals: readonly AutoApprovalRow[] },
  ];
}
