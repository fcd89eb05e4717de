import { endpointKey } from '../../base/endpoint.ts';
import type { Endpoint, Instant } from '../../base/units.ts';
import { TokenBucket } from './token-bucket.ts';

/** Commands obeyed per target and second, and in all. Chosen. */
const PAUSE = 500;
const MAX_TARGETS = 256;

/** Which punch commands of beacons are obeyed: few per target, and few in all. spec/04 "Weaknesses" 5 */
export class PunchCommands {
  readonly #last = new Map<string, Instant>();
  readonly #all = new TokenBucket(20, 40);

  /** True when packets may go to `target` now. */
  admits(target: Endpoint, now: Instant): boolean {
    const name = endpointKey(target);
    const last = this.#last.get(name);
    if (target.port === 0 || (last !== undefined && now - last < PAUSE) || !this.#all.take(now)) return false;
    this.#last.delete(name);
    if (this.#last.size >= MAX_TARGETS) {
      for (const oldest of this.#last.keys()) {
        this.#last.delete(oldest);
        break;
      }
    }
    this.#last.set(name, now);
    return true;
  }
}
