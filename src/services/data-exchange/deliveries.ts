import { toHex, utf8 } from '../../base/bytes.ts';
import type { Crypto } from '../../base/crypto.ts';
import type { Address, Instant, Millis } from '../../base/units.ts';
import type { Clock } from '../../runtime/ports.ts';
import { formatAddress } from '../../wire/address.ts';
import type { TaggedFrame } from '../../wire/tagged.ts';

/** spec/23 §3 */
const LIFETIME: Millis = 600_000;
const LIMIT = 8192;

/** Frames with a message id that were stored, so that one sent again is answered alike and not stored twice. */
export class Deliveries {
  readonly #crypto: Crypto;
  readonly #clock: Clock;
  readonly #answers = new Map<string, { readonly until: Instant; readonly ack: string }>();

  constructor(crypto: Crypto, clock: Clock) {
    this.#crypto = crypto;
    this.#clock = clock;
  }

  keyOf(from: Address, { tags, inner }: TaggedFrame): string {
    const hash = this.#crypto.sha256Stream();
    const head = [formatAddress(from), inner.type, tags.messageId ?? '', tags.replyTo ?? ''];
    hash.update(utf8(`${head.join('\n')}\n`));
    hash.update(inner.payload);
    return toHex(hash.digest());
  }

  /** The acknowledgement given when the frame was stored. */
  find(key: string): string | undefined {
    const known = this.#answers.get(key);
    return known !== undefined && known.until > this.#clock.now() ? known.ack : undefined;
  }

  stored(key: string, ack: string): void {
    this.#answers.delete(key);
    this.#answers.set(key, { until: this.#clock.now() + LIFETIME, ack });
    for (const oldest of this.#answers.keys()) {
      if (this.#answers.size <= LIMIT) break;
      this.#answers.delete(oldest);
    }
  }
}
