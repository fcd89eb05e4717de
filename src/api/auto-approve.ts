/** What a daemon may approve by itself: docs/decisions/0014. */

/**
 * One rule of automatic approval. Every condition that is given must hold; one of them must be given. What is granted
 * is what the rule allows of what was asked.
 */
export interface AutoApproveRule {
  /** Shown where an approval is listed. */
  readonly name: string;
  /** Whoever asks; excludes the other conditions. */
  readonly everyone?: boolean;
  /** Ids or names of networks of ours: the asker is a member of one of them. */
  readonly networks?: readonly string[];
  /** With `networks`: tags the network gives its members. Without: tags of the asker's own record, which it chose itself. */
  readonly tags?: readonly string[];
  /** Fingerprints (16 characters) or base64 identity keys. */
  readonly keys?: readonly string[];
  /** Ports the asker may reach here, normalized text. @default all */
  readonly give?: string;
  /** Ports we may reach at the asker, normalized text. @default all */
  readonly get?: string;
  /** New streams and datagram flows a minute the asker may open here. @default no limit */
  readonly rate?: number;
  /** Longest lifetime of what is granted, seconds. @default no end */
  readonly lifetime?: number;
  /** Renew before the end while the rule stands. @default false */
  readonly renew?: boolean;
  /** Approvals by this rule in a period. @default no limit */
  readonly limit?: { readonly count: number; readonly perSeconds: number };
}

export const AUTO_APPROVE_RULE_LIMIT = 64;
/** Names in a list of a rule. */
export const AUTO_APPROVE_LIST_LIMIT = 1024;
/** Approvals a limit may count: each is remembered for the length of the period. */
export const AUTO_APPROVE_COUNT_LIMIT = 10_000;
