import type { Instant } from '../../base/units.ts';

/** Hosts tracked at once; beyond that the ones that asked longest ago are forgotten. */
const MAX_HOSTS = 10_000;

/** A token bucket per network address for making new node records, which are kept for ever. */
export class NewNodeBudget {
  readonly #burst: number;
  readonly #perSecond: number;
  readonly #hosts = new Map<string, { tokens: number; at: Instant }>();

  constructor(limits: { readonly burst: number; readonly perSecond: number }) {
    this.#burst = limits.burst;
    this.#perSecond = limits.perSecond;
  }

  /** False when the host has used up its budget. */
  spend(host: string, now: Instant): boolean {
    const known = this.#hosts.get(host);
    const earned =
      known === undefined ? this.#burst : known.tokens + ((now - known.at) / 1000) * this.#perSecond;
    const tokens = Math.min(this.#burst, earned);
    this.#hosts.delete(host);
    this.#hosts.set(host, { tokens: tokens < 1 ? tokens : tokens - 1, at: now });
    if (this.#hosts.size > MAX_HOSTS) {
      for (const oldest of this.#hosts.keys()) {
        this.#hosts.delete(oldest);
        break;
      }
    }
    return tokens >= 1;
  }
}
