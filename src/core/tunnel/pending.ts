import type { Instant } from '../../base/units.ts';
import type { KeySlot } from '../session/key-slot.ts';
import { MAX_PENDING, PENDING_LIFETIME } from './constants.ts';

interface Entry {
  readonly packet: Uint8Array;
  readonly at: Instant;
  /** The unproven key it was sealed under, if any. */
  under: KeySlot | undefined;
}

/**
 * Packets waiting for a key. What was sealed under a key that is not proven yet waits too: if another key turns out
 * to be the right one it is sent again.
 */
export class Pending {
  #entries: Entry[] = [];

  get size(): number {
    return this.#entries.length;
  }

  /** Adds a packet, already sealed under `under` if that is given; true when one that was never sent had to go. */
  add(packet: Uint8Array, under: KeySlot | undefined, now: Instant): boolean {
    this.#entries.push({ packet, at: now, under });
    if (this.#entries.length <= MAX_PENDING) return false;
    return this.#entries.shift()!.under === undefined;
  }

  all(): Uint8Array[] {
    return this.#entries.map(({ packet }) => packet);
  }

  /** What is still to be sealed under `slot`, oldest first. With a proven slot nothing waits any longer. */
  take(slot: KeySlot, proven: boolean): Uint8Array[] {
    const packets: Uint8Array[] = [];
    for (const entry of this.#entries) {
      if (entry.under !== slot) packets.push(entry.packet);
      entry.under = slot;
    }
    if (proven) this.#entries = [];
    return packets;
  }

  /** Drops what waited too long; returns how many. */
  expire(now: Instant): number {
    let expired = 0;
    while (expired < this.#entries.length && now - this.#entries[expired]!.at >= PENDING_LIFETIME) expired++;
    if (expired > 0) this.#entries.splice(0, expired);
    return expired;
  }

  nextTimeout(): Instant {
    const oldest = this.#entries[0];
    return oldest === undefined ? Number.POSITIVE_INFINITY : oldest.at + PENDING_LIFETIME;
  }
}
