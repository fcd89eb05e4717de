import type { NetworkId, UnixMillis } from '../../../base/units.ts';

/** A token of an operator or a program of his. The token itself is kept nowhere. */
export interface AdminToken {
  /** 12 lower-case hex digits; the public part of the token. */
  readonly id: string;
  readonly name: string;
  /** SHA-256 of the whole token, lower-case hex. */
  readonly hash: string;
  readonly scopes: readonly string[];
  /** The networks that `networks:…` is for; empty for all. */
  readonly networks: readonly NetworkId[];
  /** Who made it, as in audit entries. */
  readonly createdBy: string;
  readonly createdAt: UnixMillis;
  readonly expiresAt: UnixMillis | undefined;
  readonly revokedAt: UnixMillis | undefined;
  /** Coarse: written at most once an hour. */
  readonly usedAt: UnixMillis | undefined;
}

export interface TokenStore {
  /** `full`: `most` tokens that are in force exist. */
  addToken(token: AdminToken, most: number): Promise<'added' | 'exists' | 'full'>;
  token(id: string): Promise<AdminToken | undefined>;
  /** Newest first, those that ended included. */
  tokens(limit: number): Promise<AdminToken[]>;
  /** False when there is none in force. */
  revokeToken(id: string, at: UnixMillis): Promise<boolean>;
  tokenUsed(id: string, at: UnixMillis): Promise<void>;
}
