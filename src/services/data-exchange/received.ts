import { PilotError } from '../../api/errors.ts';
import { concat, toHex } from '../../base/bytes.ts';
import type { Crypto } from '../../base/crypto.ts';
import type { Address, Bytes } from '../../base/units.ts';
import type { Clock, Log, Storage } from '../../runtime/ports.ts';
import { encodeAddressInto } from '../../wire/address.ts';
import { Folder, Turnstile } from './folder.ts';
import { DISK_RESERVE } from './inbox.ts';
import { localStamp, receivedName } from './stamp.ts';

export const RECEIVED_FOLDER = 'received';
/** Transfers that have not ended; nobody else looks there. */
export const PARTIAL_FOLDER = 'received/.partial';

/** A partial nobody added to for this long goes when the folder is looked at. Chosen. */
const PARTIAL_LIFETIME = 7 * 86_400_000;
const UNNAMED = 'unnamed';
/** Where a file that came in one frame is written before it gets its name; one at a time. */
const STAGED = 'frame';
const FILE_LIMIT = 100_000;
/** Partials kept; the oldest nobody works on gives way. Chosen. */
const PARTIAL_LIMIT = 1_000;

export interface ReceivedLimits {
  /** Complete and partial files together. @default 2147483648 */
  readonly bytes: Bytes;
  /** Complete files: empty ones cost no bytes, but they cost. @default 100000 */
  readonly files?: number;
}

/** Room set aside for a transfer that has begun. */
export interface Reservation {
  /** The transfer holds this much now. */
  grew(bytes: Bytes): void;
  release(): void;
}

/** Keeps received files: under their final name only when they are complete, and never over another file. */
export class ReceivedFiles {
  readonly #storage: Storage;
  readonly #clock: Clock;
  readonly #crypto: Crypto;
  readonly #log: Log;
  readonly #limits: ReceivedLimits;
  readonly #complete: Folder;
  readonly #partial: Folder;
  readonly #turns = new Turnstile();
  /** Partials being written, with the bytes still to come. */
  readonly #live = new Map<string, Bytes>();
  #sequence = 0;

  constructor(options: {
    storage: Storage;
    clock: Clock;
    crypto: Crypto;
    log: Log;
    limits: ReceivedLimits;
  }) {
    this.#storage = options.storage;
    this.#clock = options.clock;
    this.#crypto = options.crypto;
    this.#log = options.log;
    this.#limits = options.limits;
    this.#complete = new Folder(options.storage, RECEIVED_FOLDER);
    this.#partial = new Folder(options.storage, PARTIAL_FOLDER);
  }

  /** Stores a whole file; resolves with its final name once durable. Errors: `disk_full`, `io_error`. */
  store(name: string, data: Uint8Array): Promise<string> {
    return this.#turns.run(async () => {
      await this.#makeRoom(data.length, '');
      const staged = `${PARTIAL_FOLDER}/${STAGED}`;
      await this.#storage.replace(staged, data);
      for (;;) {
        const final = this.#freeName(name);
        if (!(await this.#storage.moveExclusive(staged, `${RECEIVED_FOLDER}/${final}`))) continue;
        this.#complete.added(final, data.length, this.#clock.wallNow());
        return final;
      }
    });
  }

  /**
   * File name of a partial. The sender is mixed in: what one peer has sent tells another nothing, though both
   * know the content (spec/23, weaknesses).
   */
  partialName(from: Address, transfer: Uint8Array): string {
    const sender = new Uint8Array(6);
    encodeAddressInto(sender, 0, from);
    return toHex(this.#crypto.sha256(concat(sender, transfer)).subarray(0, 16));
  }

  /** Sets room aside for `size` bytes, of which the partial may hold some. Errors: `disk_full`. */
  reserve(partial: string, size: Bytes): Promise<Reservation> {
    return this.#turns.run(async () => {
      await this.#complete.load();
      await this.#partial.load();
      const held = await this.#heldBy(partial);
      await this.#makeRoom(Math.max(0, size - held), partial);
      this.#partial.added(partial, held, this.#clock.wallNow());
      this.#live.set(partial, Math.max(0, size - held));
      return {
        grew: (bytes) => {
          this.#live.set(partial, Math.max(0, size - bytes));
          this.#partial.added(partial, bytes, this.#clock.wallNow());
        },
        release: () => {
          this.#live.delete(partial);
        },
      };
    });
  }

  /** Gives a complete partial its final name. Errors: `io_error`. */
  finish(partial: string, name: string, size: Bytes): Promise<string> {
    return this.#turns.run(async () => {
      await this.#complete.load();
      for (;;) {
        const final = this.#freeName(name);
        const moved = await this.#storage.moveExclusive(
          `${PARTIAL_FOLDER}/${partial}`,
          `${RECEIVED_FOLDER}/${final}`,
        );
        if (!moved) continue;
        this.#partial.forgotten(partial);
        this.#complete.added(final, size, this.#clock.wallNow());
        return final;
      }
    });
  }

  async discard(partial: string): Promise<void> {
    await this.#storage.remove(`${PARTIAL_FOLDER}/${partial}`);
    this.#partial.forgotten(partial);
  }

  describe(name: string): string {
    return this.#storage.describe(`${RECEIVED_FOLDER}/${name}`);
  }

  async #heldBy(partial: string): Promise<Bytes> {
    const found = await this.#storage.list(PARTIAL_FOLDER);
    return found.find((entry) => entry.name === partial)?.bytes ?? 0;
  }

  /** Room for `bytes` more. Partials nobody works on give way; complete files belong to the user and stay. */
  async #makeRoom(bytes: Bytes, forPartial: string): Promise<void> {
    const free = await this.#storage.freeBytes();
    const promised = [...this.#live.values()].reduce((sum, left) => sum + left, 0);
    if (free < bytes + promised + DISK_RESERVE) {
      // The peer reads this: it need not know how full the disk is.
      throw new PilotError('disk_full', `not enough disk space for ${bytes} more bytes`);
    }
    await this.#complete.load();
    await this.#partial.load();
    const { bytes: byteLimit, files: fileLimit = FILE_LIMIT } = this.#limits;
    const fits = (): boolean =>
      this.#complete.bytes + this.#partial.bytes + promised + bytes <= byteLimit &&
      this.#complete.count < fileLimit &&
      this.#partial.count < PARTIAL_LIMIT;
    if (fits()) return;
    await this.#complete.refresh();
    await this.#partial.refresh();
    const isKept = (name: string): boolean => name === forPartial || this.#live.has(name);
    const evicted = await this.#partial.evict(fits, isKept);
    if (evicted > 0) this.#log.event('info', 'received.partials_evicted', { evicted });
    if (fits()) return;
    this.#log.event('warn', 'received.full', { limit_bytes: this.#limits.bytes });
    throw new PilotError('disk_full', 'the received files take up all the room they may');
  }

  /** Removes partials nobody came back for. */
  async tidy(): Promise<void> {
    await this.#turns.run(async () => {
      const oldest = this.#clock.wallNow() - PARTIAL_LIFETIME;
      for (const { name, modified } of await this.#storage.list(PARTIAL_FOLDER)) {
        if (modified < oldest && !this.#live.has(name))
          await this.#storage.remove(`${PARTIAL_FOLDER}/${name}`);
      }
      await this.#partial.refresh();
    });
  }

  #freeName(name: string): string {
    const stamp = localStamp(this.#clock.wallNow());
    for (;;) {
      this.#sequence = (this.#sequence % 999_999) + 1;
      const final = receivedName(name === '' ? UNNAMED : name, stamp, this.#sequence);
      if (!this.#complete.has(final)) return final;
    }
  }
}
