import type { NodeId, UnixMillis } from '../../../base/units.ts';

export type InboxKind = 'request' | 'response' | 'revocation';

/** One relayed message waiting for its target. */
export interface InboxEntry {
  /** Grows with every entry of the whole store; the cursor of `pollInbox`. */
  readonly sequence: number;
  readonly kind: InboxKind;
  readonly from: NodeId;
  readonly justification: string;
  readonly accept: boolean;
  readonly message: string;
  readonly at: UnixMillis;
}

export interface InboxStore {
  /** Reads and clears requests and responses, for old peers. */
  takeInbox(node: NodeId): Promise<InboxEntry[]>;
  /** Drops entries up to `ack`, then returns the oldest `limit` of the rest. */
  pollInbox(node: NodeId, ack: number, limit: number): Promise<InboxEntry[]>;
}
