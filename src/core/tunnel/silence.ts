import type { Instant, Millis } from '../../base/units.ts';

/** A beacon that owes an answer for this long is silent. Chosen: above the round trip over a satellite. */
const SILENT_AFTER: Millis = 1_000;
const NEVER = Number.POSITIVE_INFINITY;

/** Notices that no beacon answers over UDP, so that another way to one is looked for at once. */
export class Silence {
  #silent = false;
  #due: Instant = NEVER;

  get silent(): boolean {
    return this.#silent;
  }

  /** When it may become silent. */
  get due(): Instant {
    return this.#silent ? NEVER : this.#due;
  }

  /** Looks at all beacons; true when what `silent` says has changed. */
  changed(beacons: readonly { readonly askedAt: Instant | undefined }[], now: Instant): boolean {
    this.#due = beacons.length === 0 ? NEVER : 0;
    for (const { askedAt } of beacons) {
      this.#due = Math.max(this.#due, askedAt === undefined ? NEVER : askedAt + SILENT_AFTER);
    }
    const silent = this.#due <= now;
    if (silent === this.#silent) return false;
    this.#silent = silent;
    return true;
  }
}
