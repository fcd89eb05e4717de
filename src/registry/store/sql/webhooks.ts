import type { UnixMillis } from '../../../base/units.ts';
import { all, hold, lock, one, type Row, run, type Steps } from '../steps.ts';
import type { Delivery, Round, Webhook } from '../store.ts';

/** Webhooks, who delivers to them at the moment, and what failed. Whoever changes one holds its row. */
export class WebhookTable {
  *add(
    webhook: Pick<Webhook, 'url' | 'secret' | 'events' | 'createdAt' | 'cursor'>,
    most: number,
  ): Steps<Webhook | 'full'> {
    yield* lock('webhooks');
    if (Number((yield* one('SELECT count(*) AS count FROM webhooks'))!.count) >= most) return 'full';
    const { url, secret, events, createdAt, cursor } = webhook;
    const row = yield* one(
      `INSERT INTO webhooks (url, secret, events, created_at, told) VALUES (?, ?, ?, ?, ?) RETURNING *`,
      url,
      secret,
      JSON.stringify(events),
      createdAt,
      cursor,
    );
    return webhookOf(row!);
  }
  *byId(id: number): Steps<Webhook | undefined> {
    const row = yield* one('SELECT * FROM webhooks WHERE id = ?', id);
    return row === undefined ? undefined : webhookOf(row);
  }
  *list(): Steps<Webhook[]> {
    return (yield* all('SELECT * FROM webhooks ORDER BY id')).map(webhookOf);
  }
  *patch(
    id: number,
    patch: Partial<Pick<Webhook, 'url' | 'secret' | 'events' | 'enabled' | 'cursor'>>,
  ): Steps<Webhook | undefined> {
    const row = yield* hold('SELECT * FROM webhooks WHERE id = ?', id);
    if (row === undefined) return undefined;
    const patched = { ...webhookOf(row), ...patch };
    yield* run(
      'UPDATE webhooks SET url = ?, secret = ?, events = ?, enabled = ?, told = ? WHERE id = ?',
      patched.url,
      patched.secret,
      JSON.stringify(patched.events),
      Number(patched.enabled),
      patched.cursor,
      id,
    );
    return patched;
  }
  *remove(id: number): Steps<boolean> {
    if ((yield* hold('SELECT * FROM webhooks WHERE id = ?', id)) === undefined) return false;
    yield* run('DELETE FROM webhook_deliveries WHERE webhook = ?', id);
    return (yield* run('DELETE FROM webhooks WHERE id = ?', id)) > 0;
  }

  *lease(id: number, owner: string, at: UnixMillis, until: UnixMillis): Steps<boolean> {
    const changed = yield* run(
      `UPDATE webhooks SET lease_owner = ?, lease_until = ?
       WHERE id = ? AND (lease_owner = ? OR lease_until <= ?)`,
      owner,
      until,
      id,
      owner,
      at,
    );
    return changed > 0;
  }
  *settle(round: Round): Steps<boolean> {
    const { webhook: id, owner, at, delivered, done, failed } = round;
    const row = yield* hold('SELECT * FROM webhooks WHERE id = ?', id);
    if (row === undefined || row.lease_owner !== owner) return false;
    const known = webhookOf(row);
    const failing = delivered > 0 ? undefined : (known.failingSince ?? (failed.length > 0 ? at : undefined));
    const lastError = failed.length > 0 ? round.lastError : delivered > 0 ? '' : known.lastError;
    yield* run(
      `UPDATE webhooks SET told = ?, delivered = ?, enabled = ?, failing_since = ?, last_error = ?,
         lease_owner = '', lease_until = 0 WHERE id = ?`,
      Math.max(known.cursor, round.cursor),
      known.delivered + delivered,
      Number(known.enabled && !round.disable),
      failing ?? null,
      lastError,
      id,
    );
    for (const seq of [...done, ...failed.map((delivery) => delivery.seq)])
      yield* run('DELETE FROM webhook_deliveries WHERE webhook = ? AND seq = ?', id, seq);
    for (const delivery of failed) yield* this.#keep(delivery);
    if (delivered > 0 && known.failingSince !== undefined)
      yield* this.redeliver(id, undefined, at, 'waiting');
    yield* this.#trimDead(id, round.deadKept);
    return true;
  }

  *due(id: number, at: UnixMillis, limit: number): Steps<Delivery[]> {
    const sql = `SELECT * FROM webhook_deliveries WHERE webhook = ? AND next_at <= ?
      ORDER BY next_at, seq LIMIT ?`;
    return (yield* all(sql, id, at, limit)).map(deliveryOf);
  }
  *count(id: number): Steps<{ waiting: number; dead: number }> {
    const sql = `SELECT count(*) AS total, count(next_at) AS waiting FROM webhook_deliveries WHERE webhook = ?`;
    const row = (yield* one(sql, id))!;
    return { waiting: Number(row.waiting), dead: Number(row.total) - Number(row.waiting) };
  }
  /** Newest first. */
  *dead(id: number, limit: number): Steps<Delivery[]> {
    const sql = `SELECT * FROM webhook_deliveries WHERE webhook = ? AND next_at IS NULL
      ORDER BY seq DESC LIMIT ?`;
    return (yield* all(sql, id, limit)).map(deliveryOf);
  }
  *redeliver(id: number, seq: number | undefined, at: UnixMillis, which: 'dead' | 'waiting'): Steps<number> {
    const [first, last] = seq === undefined ? [0, Number.MAX_SAFE_INTEGER] : [seq, seq];
    if (which === 'dead') {
      const sql = `UPDATE webhook_deliveries SET next_at = ?, attempts = 0
        WHERE webhook = ? AND next_at IS NULL AND seq BETWEEN ? AND ?`;
      return yield* run(sql, at, id, first, last);
    }
    const sql = `UPDATE webhook_deliveries SET next_at = ?
      WHERE webhook = ? AND next_at > ? AND seq BETWEEN ? AND ?`;
    return yield* run(sql, at, id, at, first, last);
  }

  *#keep({ webhook, seq, body, attempts, nextAt, error, at }: Delivery): Steps<void> {
    yield* run(
      `INSERT INTO webhook_deliveries (webhook, seq, body, attempts, next_at, error, at)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
      webhook,
      seq,
      body,
      attempts,
      nextAt ?? null,
      error,
      at,
    );
  }
  *#trimDead(id: number, kept: number): Steps<void> {
    const { dead } = yield* this.count(id);
    if (dead <= kept) return;
    yield* run(
      `DELETE FROM webhook_deliveries WHERE webhook = ? AND next_at IS NULL AND seq IN
         (SELECT seq FROM webhook_deliveries WHERE webhook = ? AND next_at IS NULL ORDER BY seq LIMIT ?)`,
      id,
      id,
      dead - kept,
    );
  }
}

function webhookOf(row: Row): Webhook {
  return {
    id: Number(row.id),
    url: String(row.url),
    secret: String(row.secret),
    events: JSON.parse(String(row.events)) as string[],
    enabled: Number(row.enabled) === 1,
    createdAt: Number(row.created_at),
    cursor: Number(row.told),
    delivered: Number(row.delivered),
    failingSince: row.failing_since === null ? undefined : Number(row.failing_since),
    lastError: String(row.last_error),
  };
}

function deliveryOf(row: Row): Delivery {
  return {
    webhook: Number(row.webhook),
    seq: Number(row.seq),
    body: String(row.body),
    attempts: Number(row.attempts),
    nextAt: row.next_at === null ? undefined : Number(row.next_at),
    error: String(row.error),
    at: Number(row.at),
  };
}
