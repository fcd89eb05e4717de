import type { Instant } from '../../base/units.ts';

/** Holders tracked at once; beyond that the ones that spent longest ago are forgotten. */
const MAX_HOLDERS = 10_000;

export interface BudgetLimits {
  readonly burst: number;
  readonly perSecond: number;
}

/** A token bucket for each of many holders. */
export class Budget {
  readonly #limits: BudgetLimits;
  readonly #holders = new Map<string, { readonly tokens: number; readonly at: Instant }>();

  constructor(limits: BudgetLimits) {
    this.#limits = limits;
  }

  /** True while `spend` would succeed. */
  has(holder: string, now: Instant): boolean {
    return this.#tokens(holder, now) >= 1;
  }

  /** False when the holder has used up its budget. */
  spend(holder: string, now: Instant): boolean {
    const tokens = this.#tokens(holder, now);
    this.#holders.delete(holder);
    this.#holders.set(holder, { tokens: tokens < 1 ? tokens : tokens - 1, at: now });
    if (this.#holders.size > MAX_HOLDERS) {
      for (const oldest of this.#holders.keys()) {
        this.#holders.delete(oldest);
        break;
      }
    }
    return tokens >= 1;
  }

  #tokens(holder: string, now: Instant): number {
    const { burst, perSecond } = this.#limits;
    const known = this.#holders.get(holder);
    return known === undefined
      ? burst
      : Math.min(burst, known.tokens + ((now - known.at) / 1000) * perSecond);
  }
}
