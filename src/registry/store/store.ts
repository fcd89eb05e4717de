/**
 * The port behind which the registry keeps what must not be lost. Every method is one atomic step: the promise
 * settles after the change is durable (or rejects and nothing of it happened). All stores pass
 * `contract.testkit.ts`. Errors of every method: `disk_full`, `state_corrupt`, `io_error`, `unavailable` (closed).
 */

import type { NodeId, UnixMillis } from '../../base/units.ts';
import type { AuditStore } from './ports/audit.ts';
import type { Availability, Bus } from './ports/bus.ts';
import type { InboxStore } from './ports/inbox.ts';
import type { NetworkStore } from './ports/networks.ts';
import type { NodeStore } from './ports/nodes.ts';
import type { TokenStore } from './ports/tokens.ts';
import type { TrustStore } from './ports/trust.ts';
import type { WebhookStore } from './ports/webhooks.ts';
import type { TransferSummary } from './sql/transfer.ts';

export type * from './ports/audit.ts';
export type * from './ports/bus.ts';
export type * from './ports/inbox.ts';
export type * from './ports/networks.ts';
export type * from './ports/nodes.ts';
export type * from './ports/tokens.ts';
export type * from './ports/trust.ts';
export type * from './ports/webhooks.ts';
export type { TransferSummary } from './sql/transfer.ts';

/** Of stores that can be moved to another engine. */
export interface Transferable {
  /** All rows as they are at one moment, line by line. */
  exportTo(sha256: (bytes: Uint8Array) => Uint8Array, emit: (line: string) => void): Promise<TransferSummary>;
  /**
   * Fills an empty store, all or nothing, and reads it again. Errors: `already_exists`, `state_corrupt`,
   * `invalid_argument`.
   */
  importFrom(sha256: (bytes: Uint8Array) => Uint8Array, lines: Iterable<string>): Promise<TransferSummary>;
}

export interface Store
  extends NodeStore,
    TrustStore,
    InboxStore,
    NetworkStore,
    AuditStore,
    TokenStore,
    WebhookStore {
  /** Of stores that several processes share. */
  readonly bus?: Bus;
  /** False when any of the processes has seen this nonce in the last minutes. Of stores that several processes share. */
  claimNonce?(node: NodeId, nonce: string, at: UnixMillis): Promise<boolean>;
  /** Of stores that are elsewhere. */
  readonly availability?: Availability;
  /** Everything acknowledged and all soft state reaches the disk. */
  close(): Promise<void>;
}
