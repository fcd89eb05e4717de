import type { Instant } from '../../base/units.ts';
import { TokenBucket } from './token-bucket.ts';

/**
 * Who sends a key exchange frame, as far as it shows before the signature is checked: it names a peer that a user here
 * wants to reach, or one that we know already; it came through a beacon; or none of these. `other`: any of them, with
 * another key than the one that is known of the peer.
 */
export type ExchangeSender = 'chosen' | 'known' | 'relayed' | 'stranger' | 'other';

// Chosen: a check costs about 0.15 ms, so all of them together may take a fifth of a core.

const RATES: Readonly<Record<ExchangeSender, number>> = {
  chosen: 300,
  known: 300,
  relayed: 200,
  stranger: 300,
  other: 200,
};
const BURST = 100;
const MAX_SOURCES = 1024;
const PER_SOURCE = { rate: 10, burst: 30 };

/**
 * Decides which key exchange frames are worth a signature check. No source can use up the budget, and a flood of
 * strangers, whose source addresses may be forged, can't use up that of the peers we deal with.
 */
export class ExchangeGate {
  readonly #sources = new Map<string, TokenBucket>();
  readonly #budgets: Readonly<Record<ExchangeSender, TokenBucket>> = {
    chosen: new TokenBucket(RATES.chosen, BURST),
    known: new TokenBucket(RATES.known, BURST),
    relayed: new TokenBucket(RATES.relayed, BURST),
    stranger: new TokenBucket(RATES.stranger, BURST),
    other: new TokenBucket(RATES.other, BURST),
  };

  /** `source`: the host of a direct stranger; else the node named, as one beacon speaks for many. */
  admits(sender: ExchangeSender, source: string, now: Instant): boolean {
    return this.#source(`${sender} ${source}`).take(now) && this.#budgets[sender].take(now);
  }

  #source(name: string): TokenBucket {
    const known = this.#sources.get(name);
    if (known !== undefined) {
      // Most recently used last.
      this.#sources.delete(name);
      this.#sources.set(name, known);
      return known;
    }
    if (this.#sources.size >= MAX_SOURCES) {
      for (const oldest of this.#sources.keys()) {
        this.#sources.delete(oldest);
        break;
      }
    }
    const bucket = new TokenBucket(PER_SOURCE.rate, PER_SOURCE.burst);
    this.#sources.set(name, bucket);
    return bucket;
  }
}
