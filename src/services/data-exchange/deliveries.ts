import { toHex, utf8 } from '../../base/bytes.ts';
import type { Crypto } from '../../base/crypto.ts';
import type { Address, Instant, Millis } from '../../base/units.ts';
import type { Clock, Storage } from '../../runtime/ports.ts';
import { formatAddress } from '../../wire/address.ts';
import { ackText } from '../../wire/data-exchange.ts';
import type { TaggedFrame } from '../../wire/tagged.ts';
import { recentRecords } from './inbox-records.ts';

/** spec/23 §3 */
const LIFETIME: Millis = 600_000;
const LIMIT = 8192;

/** How a frame was answered. */
export interface Delivery {
  readonly text: string;
  readonly ok: boolean;
}

/**
 * Frames with a message id that were stored, so that one sent again is answered alike and not stored twice. What was
 * stored before a restart is read back from the inbox.
 */
export class Deliveries {
  readonly #crypto: Crypto;
  readonly #clock: Clock;
  readonly #storage: Storage;
  readonly #answers = new Map<string, { readonly until: Instant; readonly ack: string }>();
  readonly #underWay = new Map<string, Promise<Delivery>>();
  #loading: Promise<void> | undefined;

  constructor(crypto: Crypto, clock: Clock, storage: Storage) {
    this.#crypto = crypto;
    this.#clock = clock;
    this.#storage = storage;
  }

  /** Stores a frame, unless it was or is being stored. `isNew` is false then. */
  async once<Outcome extends Delivery>(
    from: Address,
    tagged: TaggedFrame,
    store: () => Promise<Outcome>,
  ): Promise<Outcome | (Delivery & { readonly duplicate: true })> {
    this.#loading ??= this.#load();
    await this.#loading;
    const key = this.#keyOf(from, tagged);
    for (;;) {
      const before = this.#find(key);
      if (before !== undefined) return { text: `${before} (duplicate)`, ok: true, duplicate: true };
      const running = this.#underWay.get(key);
      if (running === undefined) break;
      await running.catch(() => {});
    }
    const storing = store();
    this.#underWay.set(key, storing);
    try {
      const outcome = await storing;
      if (outcome.ok) this.#stored(key, outcome.text, this.#clock.now() + LIFETIME);
      return outcome;
    } finally {
      this.#underWay.delete(key);
    }
  }

  #keyOf(from: Address, { tags, inner }: TaggedFrame): string {
    const hash = this.#crypto.sha256Stream();
    const head = [formatAddress(from), inner.type, tags.messageId ?? '', tags.replyTo ?? ''];
    hash.update(utf8(`${head.join('\n')}\n`));
    hash.update(inner.payload);
    return toHex(hash.digest());
  }

  /** The acknowledgement given when the frame was stored. */
  #find(key: string): string | undefined {
    const known = this.#answers.get(key);
    return known !== undefined && known.until > this.#clock.now() ? known.ack : undefined;
  }

  #stored(key: string, ack: string, until: Instant): void {
    this.#answers.delete(key);
    this.#answers.set(key, { until, ack });
    for (const oldest of this.#answers.keys()) {
      if (this.#answers.size <= LIMIT) break;
      this.#answers.delete(oldest);
    }
  }

  async #load(): Promise<void> {
    const since = this.#clock.wallNow() - LIFETIME;
    const records = await recentRecords(this.#storage, { count: LIMIT, since });
    const until = this.#clock.now() + LIFETIME;
    for (const { from, type, payload, tags } of records.reverse()) {
      if (tags?.messageId === undefined) continue;
      this.#stored(
        this.#keyOf(from, { tags, inner: { type, payload } }),
        ackText(type, payload.length),
        until,
      );
    }
  }
}
