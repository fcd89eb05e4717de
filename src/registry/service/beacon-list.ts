import type { Instant } from '../../base/units.ts';
import type { Bus } from '../store/store.ts';

/** An entry that was not refreshed for this long is gone. spec/13 §8 */
const LIFETIME = 60_000;
const MAX_ENTRIES = 256;

/** Beacons that announced themselves; memory only. */
export class BeaconList {
  readonly #entries = new Map<number, { readonly address: string; readonly at: Instant }>();

  readonly #bus: Bus | undefined;

  /** `bus` tells other processes. */
  constructor(bus?: Bus) {
    this.#bus = bus;
  }

  /** False when the list is full. */
  announce(id: number, address: string, now: Instant): boolean {
    this.#bus?.publish({ kind: 'beacon', id, address });
    return this.announceHere(id, address, now);
  }
  /** As `announce`, without telling others. */
  announceHere(id: number, address: string, now: Instant): boolean {
    this.#expire(now);
    if (!this.#entries.has(id) && this.#entries.size >= MAX_ENTRIES) return false;
    this.#entries.set(id, { address, at: now });
    return true;
  }
  list(now: Instant): { id: number; addr: string }[] {
    this.#expire(now);
    return [...this.#entries].map(([id, { address }]) => ({ id, addr: address })).sort((a, b) => a.id - b.id);
  }
  #expire(now: Instant): void {
    for (const [id, { at }] of this.#entries) if (now - at > LIFETIME) this.#entries.delete(id);
  }
}
