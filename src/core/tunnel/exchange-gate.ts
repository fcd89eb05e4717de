import type { Instant } from '../../base/units.ts';
import { TokenBucket } from './token-bucket.ts';

// Chosen: a verification costs about 0.15 ms, so all of them together may take a tenth of a core.

const MAX_SOURCES = 512;
const PER_SOURCE = { rate: 10, burst: 30 };
const STRANGERS = { rate: 300, burst: 100 };
const CHOSEN = { rate: 300, burst: 100 };

/**
 * Decides which key exchange frames are worth a signature check. No single source can use up the budget, and strangers
 * can't use up that of the peers we want to reach.
 */
export class ExchangeGate {
  readonly #sources = new Map<string, TokenBucket>();
  readonly #strangers = new TokenBucket(STRANGERS.rate, STRANGERS.burst);
  readonly #chosen = new TokenBucket(CHOSEN.rate, CHOSEN.burst);

  /** `chosen`: the frame names a peer we are trying to reach. */
  admits(host: string, chosen: boolean, now: Instant): boolean {
    if (!this.#source(host).take(now)) return false;
    return chosen ? this.#chosen.take(now) : this.#strangers.take(now);
  }

  #source(host: string): TokenBucket {
    const known = this.#sources.get(host);
    if (known !== undefined) {
      // Most recently used last.
      this.#sources.delete(host);
      this.#sources.set(host, known);
      return known;
    }
    if (this.#sources.size >= MAX_SOURCES) {
      for (const oldest of this.#sources.keys()) {
        this.#sources.delete(oldest);
        break;
      }
    }
    const bucket = new TokenBucket(PER_SOURCE.rate, PER_SOURCE.burst);
    this.#sources.set(host, bucket);
    return bucket;
  }
}
