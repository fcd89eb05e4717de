import type { NetworkId } from '../../../base/units.ts';
import type { AuditEntry, AuditFacts, ChainPoint } from '../../../wire/audit-entry.ts';
import type { Store } from '../store.ts';

/** What a change may use of the store. */
export type Changes = Omit<Store, 'audited' | 'identity' | 'onlineCount' | 'touch' | 'close'>;

/** The hash of entry `seq` with `facts`, behind the hash `prev`; see `auditHash`. */
export type Seal = (seq: number, facts: AuditFacts, prev: string) => string;

export interface AuditQuery {
  /** Entries after this number. */
  readonly after: number;
  readonly limit: number;
  /** Only those of one network. */
  readonly network?: NetworkId;
  /** From the newest back, below `before`, instead of from `after` on. */
  readonly before?: number;
}

export interface AuditBounds {
  /** The last entry dropped, or the place before the first one: where what is kept begins. */
  readonly start: ChainPoint;
  readonly head: ChainPoint;
}

export interface AuditStore {
  /**
   * Runs one change of the store and keeps what `record` says of its outcome in the same step: both are durable or
   * none. The record gets its number and place in the chain with the next `sealAudit`.
   */
  audited<T>(
    change: (store: Changes) => Promise<T>,
    record: (outcome: T) => readonly AuditFacts[],
  ): Promise<T>;
  /**
   * Chains up to `limit` of the records that are not yet, in the order their changes were made. Returns how many.
   * Any number of processes may do this at once: every record is chained once.
   */
  sealAudit(limit: number, seal: Seal): Promise<number>;
  /** Chained entries, ascending, or descending with `before`. */
  auditEntries(query: AuditQuery): Promise<AuditEntry[]>;
  auditBounds(): Promise<AuditBounds>;
  /** Drops at most `limit` entries, none above `upTo`; returns the last one dropped. */
  pruneAudit(upTo: number, limit: number): Promise<ChainPoint | undefined>;
}
