import type { UnixMillis } from '../../base/units.ts';
import type { Delivery, Round, Webhook } from './store.ts';

interface Lease {
  readonly owner: string;
  readonly until: UnixMillis;
}

export class MemoryWebhooks {
  readonly #webhooks = new Map<number, Webhook>();
  readonly #leases = new Map<number, Lease>();
  #deliveries: Delivery[] = [];
  #last = 0;

  add(
    webhook: Pick<Webhook, 'url' | 'secret' | 'events' | 'createdAt' | 'cursor'>,
    most: number,
  ): Webhook | 'full' {
    if (this.#webhooks.size >= most) return 'full';
    const added = {
      ...webhook,
      id: ++this.#last,
      enabled: true,
      delivered: 0,
      failingSince: undefined,
      lastError: '',
    };
    this.#webhooks.set(added.id, added);
    return added;
  }
  byId(id: number): Webhook | undefined {
    return this.#webhooks.get(id);
  }
  list(): Webhook[] {
    return [...this.#webhooks.values()];
  }
  patch(
    id: number,
    patch: Partial<Pick<Webhook, 'url' | 'secret' | 'events' | 'enabled' | 'cursor'>>,
  ): Webhook | undefined {
    const known = this.#webhooks.get(id);
    if (known === undefined) return undefined;
    const patched = { ...known, ...patch };
    this.#webhooks.set(id, patched);
    return patched;
  }
  remove(id: number): boolean {
    this.#leases.delete(id);
    this.#deliveries = this.#deliveries.filter(({ webhook }) => webhook !== id);
    return this.#webhooks.delete(id);
  }
  lease(id: number, owner: string, at: UnixMillis, until: UnixMillis): boolean {
    const held = this.#leases.get(id);
    if (!this.#webhooks.has(id) || (held !== undefined && held.owner !== owner && held.until > at))
      return false;
    this.#leases.set(id, { owner, until });
    return true;
  }
  settle(round: Round): boolean {
    const { webhook: id, owner, at, cursor, delivered, done, failed, lastError, disable, deadKept } = round;
    const known = this.#webhooks.get(id);
    if (known === undefined || this.#leases.get(id)?.owner !== owner) return false;
    this.#leases.delete(id);
    this.#webhooks.set(id, {
      ...known,
      cursor: Math.max(known.cursor, cursor),
      delivered: known.delivered + delivered,
      enabled: known.enabled && !disable,
      failingSince:
        delivered > 0 ? undefined : failed.length > 0 ? (known.failingSince ?? at) : known.failingSince,
      lastError: failed.length > 0 ? lastError : delivered > 0 ? '' : known.lastError,
    });
    const gone = new Set([...done, ...failed.map(({ seq }) => seq)]);
    this.#deliveries = this.#deliveries.filter(({ webhook, seq }) => webhook !== id || !gone.has(seq));
    this.#deliveries.push(...failed);
    if (delivered > 0 && known.failingSince !== undefined) this.redeliver(id, undefined, at, 'waiting');
    const surplus = this.dead(id, Number.MAX_SAFE_INTEGER).slice(deadKept);
    this.#deliveries = this.#deliveries.filter((delivery) => !surplus.includes(delivery));
    return true;
  }
  due(id: number, at: UnixMillis, limit: number): Delivery[] {
    return this.#deliveries
      .filter(({ webhook, nextAt }) => webhook === id && nextAt !== undefined && nextAt <= at)
      .sort((a, b) => a.nextAt! - b.nextAt! || a.seq - b.seq)
      .slice(0, limit);
  }
  count(id: number): { waiting: number; dead: number } {
    const mine = this.#deliveries.filter(({ webhook }) => webhook === id);
    const dead = mine.filter(({ nextAt }) => nextAt === undefined).length;
    return { waiting: mine.length - dead, dead };
  }
  /** Newest first. */
  dead(id: number, limit: number): Delivery[] {
    return this.#deliveries
      .filter(({ webhook, nextAt }) => webhook === id && nextAt === undefined)
      .sort((a, b) => b.seq - a.seq)
      .slice(0, limit);
  }
  redeliver(id: number, seq: number | undefined, at: UnixMillis, which: 'dead' | 'waiting'): number {
    let count = 0;
    this.#deliveries = this.#deliveries.map((delivery) => {
      const { nextAt } = delivery;
      const right = which === 'dead' ? nextAt === undefined : nextAt !== undefined && nextAt > at;
      const chosen = delivery.webhook === id && right && (seq === undefined || delivery.seq === seq);
      if (chosen) count++;
      const attempts = which === 'dead' ? 0 : delivery.attempts;
      return chosen ? { ...delivery, nextAt: at, attempts } : delivery;
    });
    return count;
  }
}
