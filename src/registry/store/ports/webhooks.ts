import type { UnixMillis } from '../../../base/units.ts';

/** A place that is told of audit entries. */
export interface Webhook {
  readonly id: number;
  readonly url: string;
  /** As in `webhook-signature.ts`; needed in clear to sign. */
  readonly secret: string;
  /** Names of actions, `family.*`, or `*`. */
  readonly events: readonly string[];
  readonly enabled: boolean;
  readonly createdAt: UnixMillis;
  /** Entries up to this number have been delivered, or wait as deliveries of their own. */
  readonly cursor: number;
  readonly delivered: number;
  /** Since when nothing was delivered; undefined while deliveries succeed. */
  readonly failingSince: UnixMillis | undefined;
  readonly lastError: string;
}

/** A delivery that failed: it is tried again, or has been given up. */
export interface Delivery {
  readonly webhook: number;
  /** Of the entry. */
  readonly seq: number;
  readonly body: string;
  readonly attempts: number;
  /** When it is tried again; undefined for a dead letter. */
  readonly nextAt: UnixMillis | undefined;
  readonly error: string;
  readonly at: UnixMillis;
}

/** What came of one round of deliveries to a webhook. */
export interface Round {
  readonly webhook: number;
  /** Who holds the lease; without it nothing is kept of the round. */
  readonly owner: string;
  readonly at: UnixMillis;
  readonly cursor: number;
  readonly delivered: number;
  /** Deliveries that waited and are done. */
  readonly done: readonly number[];
  /** Deliveries that failed, with their next try, or as dead letters. */
  readonly failed: readonly Delivery[];
  readonly lastError: string;
  /** The receiver said that it is gone for good. */
  readonly disable: boolean;
  /** Dead letters kept; the oldest give way. */
  readonly deadKept: number;
}

export interface WebhookStore {
  /** `full`: there are `most`. */
  addWebhook(
    webhook: Pick<Webhook, 'url' | 'secret' | 'events' | 'createdAt' | 'cursor'>,
    most: number,
  ): Promise<Webhook | 'full'>;
  webhook(id: number): Promise<Webhook | undefined>;
  webhooks(): Promise<Webhook[]>;
  patchWebhook(
    id: number,
    patch: Partial<Pick<Webhook, 'url' | 'secret' | 'events' | 'enabled' | 'cursor'>>,
  ): Promise<Webhook | undefined>;
  /** With everything that waits for it. */
  removeWebhook(id: number): Promise<boolean>;
  /**
   * True for one owner at a time: until `until`, or until it settles a round. An owner renews its own lease. With
   * many processes this is who delivers.
   */
  leaseWebhook(id: number, owner: string, at: UnixMillis, until: UnixMillis): Promise<boolean>;
  /**
   * Keeps what came of a round and ends the lease; false when the lease was lost meanwhile. When something was
   * delivered after failures, everything that waits is due at once.
   */
  settleRound(round: Round): Promise<boolean>;
  /** Deliveries to try again by `at`, those due longest first. */
  dueDeliveries(webhook: number, at: UnixMillis, limit: number): Promise<Delivery[]>;
  /** Deliveries to be tried again, and dead letters. */
  countDeliveries(webhook: number): Promise<{ readonly waiting: number; readonly dead: number }>;
  deadDeliveries(webhook: number, limit: number): Promise<Delivery[]>;
  /**
   * Dead letters, or deliveries that wait for another try, become due at `at`: the one of an entry, or all. Returns how
   * many. Dead letters begin anew.
   */
  redeliver(
    webhook: number,
    seq: number | undefined,
    at: UnixMillis,
    which: 'dead' | 'waiting',
  ): Promise<number>;
}
