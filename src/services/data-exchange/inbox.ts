import { PilotError } from '../../api/errors.ts';
import { fromUtf8Strict } from '../../base/bytes.ts';
import type { Address, Bytes, UnixMillis } from '../../base/units.ts';
import type { Clock, Log, Storage } from '../../runtime/ports.ts';
import { formatAddress } from '../../wire/address.ts';
import { encodeBase64 } from '../../wire/base64.ts';
import { DATA_TYPE, dataTypeName } from '../../wire/data-exchange.ts';
import { encodeJson } from '../../wire/json.ts';
import type { MessageTags } from '../../wire/tagged.ts';
import { Folder, Turnstile } from './folder.ts';
import { inboxName, localStamp } from './stamp.ts';

export const INBOX_FOLDER = 'inbox';
/** Disk space that stays free. spec/23 §3 */
export const DISK_RESERVE: Bytes = 16 * 1024 * 1024;

export interface InboxLimits {
  /** @default 268435456 */
  readonly bytes: Bytes;
  /** @default 10000 */
  readonly files: number;
}

export interface InboxMessage {
  readonly type: number;
  readonly payload: Uint8Array;
  readonly from: Address;
  readonly tags?: MessageTags;
}

/** Keeps received messages as one JSON file each, newest at the cost of the oldest. spec/21 §2.3, spec/23 §3 */
export class Inbox {
  readonly #storage: Storage;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #limits: InboxLimits;
  readonly #folder: Folder;
  readonly #turns = new Turnstile();
  #sequence = 0;

  constructor(options: { storage: Storage; clock: Clock; log: Log; limits: InboxLimits }) {
    this.#storage = options.storage;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#limits = options.limits;
    this.#folder = new Folder(options.storage, INBOX_FOLDER);
  }

  /** Resolves with the file's name once the message is durable. Errors: `disk_full`, `io_error`. */
  store(message: InboxMessage): Promise<string> {
    return this.#turns.run(async () => {
      await this.#folder.load();
      const now = this.#clock.wallNow();
      const record = encodeInboxRecord(message, now);
      await this.#makeRoom(record.length);
      const name = this.#freeName(dataTypeName(message.type), now);
      await this.#storage.replace(`${INBOX_FOLDER}/${name}`, record);
      this.#folder.added(name, record.length, now);
      return name;
    });
  }

  async #makeRoom(bytes: Bytes): Promise<void> {
    const free = await this.#storage.freeBytes();
    if (free < bytes + DISK_RESERVE) {
      // The peer reads this: it need not know how full the disk is.
      throw new PilotError('disk_full', 'no space left on the disk');
    }
    if (this.#fits(bytes, 1)) return;
    await this.#folder.refresh();
    if (this.#fits(bytes, 1)) return;
    const evicted = await this.#folder.evict(() => this.#fits(bytes, 0.9));
    this.#log.event('warn', 'inbox.full', {
      evicted,
      limit_bytes: this.#limits.bytes,
      limit_files: this.#limits.files,
    });
  }

  #fits(bytes: Bytes, share: number): boolean {
    return (
      this.#folder.bytes + bytes <= this.#limits.bytes * share &&
      this.#folder.count + 1 <= this.#limits.files * share
    );
  }

  /** Clocks step back: a name that is taken is never used again. */
  #freeName(type: string, at: UnixMillis): string {
    for (;;) {
      this.#sequence = (this.#sequence % 999_999) + 1;
      const name = inboxName(type, localStamp(at), this.#sequence);
      if (!this.#folder.has(name)) return name;
    }
  }
}

/** Keys sorted, as old daemons write them. Bytes that are not UTF-8 text go to `data_b64`, undamaged. */
export function encodeInboxRecord(message: InboxMessage, at: UnixMillis): Uint8Array {
  const text = message.type === DATA_TYPE.binary ? undefined : fromUtf8Strict(message.payload);
  return encodeJson({
    type: dataTypeName(message.type),
    from: formatAddress(message.from),
    bytes: message.payload.length,
    received_at: new Date(at).toISOString(),
    ...(text === undefined
      ? { data_encoding: 'base64', data_b64: encodeBase64(message.payload) }
      : { data_encoding: 'utf8', data: text }),
    message_id: message.tags?.messageId,
    reply_to: message.tags?.replyTo,
  });
}
