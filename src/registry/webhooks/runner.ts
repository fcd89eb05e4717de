/**
 * Delivers audit entries to webhooks: each at least once, as a rule once, in order as long as nothing fails. The audit
 * log itself is the queue; only what failed waits in a table of its own. Of many instances, one at a time holds a
 * webhook's lease and delivers to it.
 */
import { asPilotError } from '../../api/errors.ts';
import { toHex } from '../../base/bytes.ts';
import type { Crypto } from '../../base/crypto.ts';
import type { Random } from '../../base/random.ts';
import type { Millis } from '../../base/units.ts';
import type { Clock, HttpPost, Log, Timer } from '../../runtime/ports.ts';
import type { AuditEntry } from '../../wire/audit-entry.ts';
import { canonicalJson } from '../../wire/json.ts';
import { webhookHeaders } from '../../wire/webhook-signature.ts';
import type { Delivery, Store, Webhook } from '../store/store.ts';
import { matches } from './matches.ts';
import { retryAfter, retryDelay } from './retries.ts';
import type { WebhookReach } from './url.ts';

/** How often other instances' entries, due tries and new webhooks are looked for. */
const LOOK: Millis = 1000;
const LOOK_WITHOUT_WEBHOOKS: Millis = 5000;
/** A round takes at most ten requests one after the other per lane, of `TIMEOUT` each. */
const LEASE: Millis = 120_000;
const TIMEOUT: Millis = 10_000;
/** Entries looked at, and deliveries tried again, in one round. */
const ROUND = 32;
/** Requests to one webhook at once. */
const LANES = 4;
/** With this many deliveries waiting for another try, new entries stay in the log. */
const MOST_WAITING = 1000;
/** Dead letters kept for each webhook. */
export const DEAD_KEPT = 1000;

export interface WebhookRunnerOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly crypto: Crypto;
  readonly log: Log;
  readonly post: HttpPost;
  readonly reach: WebhookReach;
}

interface Job {
  readonly seq: number;
  readonly body: string;
  readonly attempts: number;
}

type Sent =
  | { readonly ok: true }
  | { readonly ok: false; readonly error: string; readonly wait: Millis; readonly gone: boolean };

export class WebhookRunner {
  readonly #options: WebhookRunnerOptions;
  readonly #owner: string;
  readonly #busy = new Set<number>();
  #timer: Timer | undefined;
  #looking = false;
  #again = false;
  #closed = false;
  #idle: (() => void) | undefined;

  constructor(options: WebhookRunnerOptions) {
    this.#options = options;
    this.#owner = toHex(options.random.bytes(8));
    this.#arm(0);
  }

  /** There is something new. */
  wake(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    void this.#look();
  }

  /** Ends when the round under way is settled. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    if (this.#busy.size > 0 || this.#looking) await new Promise<void>((resolve) => (this.#idle = resolve));
  }

  #arm(delay: Millis): void {
    if (this.#closed) return;
    const { clock } = this.#options;
    this.#timer ??= clock.at(clock.now() + delay, () => {
      this.#timer = undefined;
      void this.#look();
    });
  }

  async #look(): Promise<void> {
    if (this.#closed) return;
    if (this.#looking) {
      this.#again = true;
      return;
    }
    this.#looking = true;
    let delay = LOOK;
    try {
      do {
        this.#again = false;
        const webhooks = await this.#options.store.webhooks();
        if (webhooks.length === 0) delay = LOOK_WITHOUT_WEBHOOKS;
        for (const webhook of webhooks) if (webhook.enabled) this.#begin(webhook);
      } while (this.#again && !this.#closed);
    } catch (thrown) {
      this.#failed(thrown);
    }
    this.#looking = false;
    this.#arm(delay);
    this.#checkIdle();
  }

  /** Webhooks do not wait for each other: a slow one holds up nobody else. */
  #begin(webhook: Webhook): void {
    if (this.#busy.has(webhook.id)) return;
    this.#busy.add(webhook.id);
    void this.#rounds(webhook)
      .catch((thrown: unknown) => this.#failed(thrown))
      .finally(() => {
        this.#busy.delete(webhook.id);
        this.#checkIdle();
      });
  }

  async #rounds(webhook: Webhook): Promise<void> {
    while (!this.#closed && (await this.#round(webhook.id)));
  }

  /** True when there may be more at once. */
  async #round(id: number): Promise<boolean> {
    const { store, clock, log } = this.#options;
    const at = clock.wallNow();
    const { head, start } = await store.auditBounds();
    const before = await store.webhook(id);
    if (before === undefined || !before.enabled) return false;
    const nothingNew = before.cursor >= head.seq;
    if (nothingNew && (await store.dueDeliveries(id, at, 1)).length === 0) return false;
    if (!(await store.leaseWebhook(id, this.#owner, at, at + LEASE))) return false;
    // Somebody else may have delivered since.
    const webhook = await store.webhook(id);
    if (webhook === undefined) return false;
    const failing = webhook.failingSince !== undefined;
    const due = await store.dueDeliveries(id, at, failing ? 1 : ROUND);
    const { waiting } = await store.countDeliveries(id);
    if (webhook.cursor < start.seq) {
      const missed = start.seq - webhook.cursor;
      log.event('warn', 'registry.webhook_missed_entries', { webhook: id, missed });
    }
    const after = Math.max(webhook.cursor, start.seq);
    // While it fails, its tries are those of one delivery; the rest is safe in the log.
    const fresh = failing ? Number(waiting === 0) : waiting < MOST_WAITING ? ROUND : 0;
    const entries = fresh === 0 ? [] : await store.auditEntries({ after, limit: ROUND });
    const { wanted, cursor } = take(webhook, entries, fresh, after);
    const jobs: Job[] = [
      ...due,
      ...wanted.map((entry) => ({ seq: entry.seq, body: bodyOf(entry), attempts: 0 })),
    ];
    const results = await this.#sendAll(webhook, jobs);
    const settled = await this.#settle(webhook, results, cursor);
    const all = results.every(({ sent }) => sent.ok);
    return settled && all && (jobs.length > 0 || cursor > webhook.cursor);
  }

  async #sendAll(webhook: Webhook, jobs: readonly Job[]): Promise<{ job: Job; sent: Sent }[]> {
    const results: { job: Job; sent: Sent }[] = [];
    const queue = [...jobs];
    const lane = async (): Promise<void> => {
      for (let job = queue.shift(); job !== undefined; job = queue.shift())
        results.push({ job, sent: await this.#send(webhook, job) });
    };
    await Promise.all(Array.from({ length: webhook.failingSince === undefined ? LANES : 1 }, lane));
    return results;
  }

  async #send(webhook: Webhook, { seq, body }: Job): Promise<Sent> {
    const { clock, crypto, post, reach } = this.#options;
    const timestamp = Math.floor(clock.wallNow() / 1000);
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'pilot-registry',
      ...webhookHeaders(crypto, webhook.secret, { id: `evt_${webhook.id}_${seq}`, timestamp, body }),
    };
    try {
      const { status, retryAfter: header } = await post(webhook.url, {
        headers,
        body,
        timeout: TIMEOUT,
        reach,
      });
      if (status >= 200 && status < 300) return { ok: true };
      return { ok: false, error: `HTTP status ${status}`, wait: retryAfter(header), gone: status === 410 };
    } catch (thrown) {
      return { ok: false, error: asPilotError(thrown).message.slice(0, 256), wait: 0, gone: false };
    }
  }

  async #settle(
    { id }: Webhook,
    results: readonly { job: Job; sent: Sent }[],
    cursor: number,
  ): Promise<boolean> {
    const { store, clock, random, log } = this.#options;
    const at = clock.wallNow();
    const done: number[] = [];
    const failed: Delivery[] = [];
    let gone = false;
    for (const { job, sent } of results) {
      if (sent.ok) {
        done.push(job.seq);
        continue;
      }
      gone ||= sent.gone;
      const attempts = job.attempts + 1;
      const delay = retryDelay(attempts, random, sent.wait);
      const nextAt = delay === undefined ? undefined : at + delay;
      failed.push({ webhook: id, seq: job.seq, body: job.body, attempts, nextAt, error: sent.error, at });
      if (nextAt === undefined)
        log.event('warn', 'registry.webhook_gave_up', { webhook: id, seq: job.seq, error: sent.error });
    }
    const lastError = failed.at(-1)?.error ?? '';
    if (failed.length > 0) log.event('debug', 'registry.webhook_failed', { webhook: id, error: lastError });
    if (gone) log.event('warn', 'registry.webhook_gone', { webhook: id });
    const round = { webhook: id, owner: this.#owner, at, cursor, delivered: done.length, done, failed };
    return store.audited(
      (changing) => changing.settleRound({ ...round, lastError, disable: gone, deadKept: DEAD_KEPT }),
      (kept) =>
        kept && gone
          ? [{ at, action: 'webhook.changed', by: 'registry', details: { webhook: id, enabled: false } }]
          : [],
    );
  }

  #failed(thrown: unknown): void {
    const error = asPilotError(thrown).message;
    this.#options.log.event('warn', 'registry.webhooks_failed', { error });
  }
  #checkIdle(): void {
    if (this.#busy.size === 0 && !this.#looking) this.#idle?.();
  }
}

/** The first `most` entries that a webhook is told of, and how far that brings it. */
function take(
  webhook: Webhook,
  entries: readonly AuditEntry[],
  most: number,
  after: number,
): { readonly wanted: readonly AuditEntry[]; readonly cursor: number } {
  const wanted: AuditEntry[] = [];
  let cursor = after;
  for (const entry of entries) {
    if (matches(webhook, entry)) {
      if (wanted.length === most) break;
      wanted.push(entry);
    }
    cursor = entry.seq;
  }
  return { wanted, cursor };
}

/** The payload of Standard Webhooks; `data` is the entry as in an export. */
function bodyOf(entry: AuditEntry): string {
  return canonicalJson({ type: entry.action, timestamp: new Date(entry.at).toISOString(), data: entry });
}
