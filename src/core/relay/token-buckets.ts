import type { Instant } from '../../base/units.ts';

interface Bucket {
  tokens: number;
  at: Instant;
}

/** One token bucket per key. Memory is bounded: above `limit` keys the longest unused bucket is forgotten. */
export class TokenBuckets {
  readonly #buckets = new Map<string, Bucket>();
  readonly #rate: number;
  readonly #burst: number;
  readonly #limit: number;

  /** `rate` tokens per second, at most `burst` at once. */
  constructor(rate: number, burst: number, limit: number) {
    this.#rate = rate;
    this.#burst = burst;
    this.#limit = limit;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** Takes `tokens`, or nothing and returns false when there are not as many. */
  take(key: string, tokens: number, now: Instant): boolean {
    let bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      if (this.#buckets.size >= this.#limit) this.#buckets.delete(this.#buckets.keys().next().value!);
      bucket = { tokens: this.#burst, at: now };
    } else {
      // Re-inserting keeps the map in order of use.
      this.#buckets.delete(key);
      const gained = ((now - bucket.at) * this.#rate) / 1000;
      bucket.tokens = Math.min(this.#burst, bucket.tokens + Math.max(0, gained));
      bucket.at = now;
    }
    this.#buckets.set(key, bucket);
    if (bucket.tokens < tokens) return false;
    bucket.tokens -= tokens;
    return true;
  }

  /** Forgets buckets that are full again: they say no more than a new one would. */
  sweep(now: Instant): void {
    const fullAfter = (this.#burst / this.#rate) * 1000;
    for (const [key, bucket] of this.#buckets) if (now - bucket.at >= fullAfter) this.#buckets.delete(key);
  }
}
