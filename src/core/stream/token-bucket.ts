import type { Instant, NodeId } from '../../base/units.ts';

/** Token bucket. `rate` is tokens per second, `burst` the most that can be saved up. */
export class TokenBucket {
  readonly #rate: number;
  readonly #burst: number;
  #tokens: number;
  #refilledAt: Instant | undefined;

  constructor(rate: number, burst: number) {
    this.#rate = rate;
    this.#burst = burst;
    this.#tokens = burst;
  }

  has(now: Instant): boolean {
    this.#refill(now);
    return this.#tokens >= 1;
  }

  take(now: Instant): boolean {
    if (!this.has(now)) return false;
    this.#tokens -= 1;
    return true;
  }

  /** True when nothing was taken for long enough that a new bucket would be the same. */
  full(now: Instant): boolean {
    this.#refill(now);
    return this.#tokens >= this.#burst;
  }

  #refill(now: Instant): void {
    if (this.#refilledAt !== undefined && now > this.#refilledAt) {
      this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#refilledAt) * this.#rate) / 1000);
    }
    this.#refilledAt = now;
  }
}

/** The most sources that have a bucket of their own. spec/03 §9.3 */
const SOURCE_LIMIT = 4096;

/**
 * A global bucket behind one bucket per source. The source's own is asked first, so that one peer that floods
 * spends its own allowance and not everybody's (spec/03, weakness 4).
 */
export class SourceLimiter {
  readonly #global: TokenBucket;
  readonly #sources = new Map<NodeId, TokenBucket>();
  readonly #rate: number;
  readonly #burst: number;

  constructor(limits: { rate: number; burst: number; sourceRate: number; sourceBurst: number }) {
    this.#global = new TokenBucket(limits.rate, limits.burst);
    this.#rate = limits.sourceRate;
    this.#burst = limits.sourceBurst;
  }

  take(source: NodeId, now: Instant): boolean {
    let bucket = this.#sources.get(source);
    if (bucket === undefined) {
      if (this.#sources.size >= SOURCE_LIMIT) this.#forgetIdle(now);
      if (this.#sources.size >= SOURCE_LIMIT) return false;
      bucket = new TokenBucket(this.#rate, this.#burst);
      this.#sources.set(source, bucket);
    }
    return bucket.has(now) && this.#global.take(now) && bucket.take(now);
  }

  #forgetIdle(now: Instant): void {
    for (const [source, bucket] of this.#sources) if (bucket.full(now)) this.#sources.delete(source);
  }
}
