export interface PendingRow {
  readonly node_id: number;
  readonly address: string;
  readonly hostname: string;
  readonly public_key: string;
  readonly justification: string;
  /** Unix seconds. */
  readonly received_at: number;
}

export interface TrustedRow {
  readonly node_id: number;
  readonly address: string;
  readonly hostname: string;
  readonly public_key: string;
  /** Unix seconds. */
  readonly approved_at: number;
  readonly mutual: boolean;
  readonly network: number;
}

export interface OutgoingRow {
  /** Absent while asked by a hostname that has not answered. */
  readonly node_id?: number;
  readonly address: string;
  readonly hostname: string;
  readonly justification: string;
  /** Unix seconds. */
  readonly created_at: number;
  readonly expires_at: number;
}

export interface HandshakeResult {
  /** `approved`: the peer had already asked us, so trust is mutual now. */
  readonly status: 'sent' | 'already_trusted' | 'approved';
  /** Absent when a private node was asked by name. */
  readonly node_id?: number;
  readonly hostname?: string;
}

export interface TrustMethods {
  handshake: [{ target: string; justification?: string }, HandshakeResult];
  pending: [Record<string, never>, { pending: readonly PendingRow[] }];
  trusted: [Record<string, never>, { trusted: readonly TrustedRow[] }];
  outgoing: [Record<string, never>, { outgoing: readonly OutgoingRow[] }];
  approve: [{ target: string }, { status: 'approved'; node_id: number }];
  reject: [{ target: string; reason?: string }, { status: 'rejected'; node_id: number }];
  untrust: [{ target: string }, { status: 'revoked'; node_id: number }];
  /** Resolves once the peer is trusted, or says that it is not when the time is up. */
  trust_wait: [{ target: string; timeout_ms: number }, { node_id: number; trusted: boolean }];
}
