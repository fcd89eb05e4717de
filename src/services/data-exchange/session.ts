import { asPilotError } from '../../api/errors.ts';
import type { Conn } from '../../api/stream.ts';
import { utf8 } from '../../base/bytes.ts';
import type { Crypto } from '../../base/crypto.ts';
import type { Instant, Millis } from '../../base/units.ts';
import type { Clock, Log, Storage, Timer } from '../../runtime/ports.ts';
import { formatAddress } from '../../wire/address.ts';
import {
  ackText,
  DATA_TYPE,
  type DataFrame,
  DataFrameReader,
  dataTypeName,
  decodeFilePayload,
  encodeDataFrame,
  errText,
} from '../../wire/data-exchange.ts';
import { decodeFileStream, encodeFileStream, type FileStreamMessage } from '../../wire/file-stream.ts';
import { decodeTagged, type MessageTags } from '../../wire/tagged.ts';
import type { Deliveries } from './deliveries.ts';
import { FileReceiver, type LiveTransfers } from './file-receiver.ts';
import type { Inbox } from './inbox.ts';
import type { MemoryBudget } from './memory-budget.ts';
import type { ReceivedFiles } from './received.ts';

/** Chunks taken before they are acknowledged although more have arrived: old senders stop after 16. */
const CHUNKS_PER_ACK = 8;

export interface ReceivingOptions {
  readonly conn: Conn;
  readonly inbox: Inbox;
  readonly files: ReceivedFiles;
  readonly deliveries: Deliveries;
  readonly memory: MemoryBudget;
  readonly live: LiveTransfers;
  readonly storage: Storage;
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly log: Log;
  readonly idle: Millis;
}

interface Stored {
  readonly text: string;
  /** The connection ends with this answer. */
  readonly fatal: boolean;
  readonly ok: boolean;
}

/** One incoming connection: answers frame after frame until the peer finishes. */
export class ReceivingSession {
  readonly #options: ReceivingOptions;
  readonly #reader = new DataFrameReader();
  readonly #receiver: FileReceiver;
  #chunksUntold = 0;
  #lastHeard: Instant;
  #watchdog: Timer | undefined;

  constructor(options: ReceivingOptions) {
    this.#options = options;
    this.#lastHeard = options.clock.now();
    this.#receiver = new FileReceiver({ ...options, from: options.conn.remote.address });
  }

  /** Never rejects. */
  async run(): Promise<void> {
    const { conn, log, memory } = this.#options;
    this.#watch();
    try {
      if (await this.#serve()) await conn.close();
      else conn.abort();
    } catch (thrown) {
      conn.abort();
      const { code, message } = asPilotError(thrown);
      log.event('debug', 'dataexchange.broken', { peer: conn.remote.address.node, code, message });
    } finally {
      this.#watchdog?.cancel();
      memory.release(this);
      await this.#receiver.close();
    }
  }

  /** False when the peer broke the protocol after it was told. */
  async #serve(): Promise<boolean> {
    const { conn, clock, memory } = this.#options;
    for (;;) {
      const chunk = await conn.read();
      if (chunk === undefined) return true;
      this.#lastHeard = clock.now();
      this.#reader.push(chunk);
      for (let frame = this.#reader.next(); frame !== undefined; frame = this.#reader.next()) {
        if (!(await this.#answer(frame))) {
          await conn.close();
          return true;
        }
      }
      await this.#tellProgress();
      const refused = this.#reader.error;
      if (refused !== undefined) {
        const reason = `frame of ${refused.length} bytes is too large`;
        await this.#reply(errText(refused.type, reason));
        return true;
      }
      await memory.hold(this, this.#reader.pendingBytes);
    }
  }

  /** One timer for the connection: chunks come by the thousand. */
  #watch(): void {
    const { conn, clock, idle } = this.#options;
    this.#watchdog = clock.at(this.#lastHeard + idle, () => {
      if (clock.now() - this.#lastHeard >= idle) conn.abort();
      else this.#watch();
    });
  }

  /** False ends the connection. */
  async #answer(frame: DataFrame): Promise<boolean> {
    switch (frame.type) {
      case DATA_TYPE.text:
      case DATA_TYPE.binary:
      case DATA_TYPE.json:
      case DATA_TYPE.file: {
        const { text, fatal } = await this.#store(frame, undefined);
        await this.#reply(text);
        return !fatal;
      }
      case DATA_TYPE.tagged: {
        const { text, fatal } = await this.#storeTagged(frame);
        await this.#reply(text);
        return !fatal;
      }
      case DATA_TYPE.fileStream:
        return this.#fileStream(frame);
      default:
        await this.#reply(ackText(frame.type, frame.payload.length));
        return true;
    }
  }

  async #storeTagged(frame: DataFrame): Promise<Stored> {
    const tagged = decodeTagged(frame.payload);
    if (typeof tagged === 'string') return { text: errText(frame.type, tagged), fatal: false, ok: false };
    const { inner, tags } = tagged;
    const known: number[] = [DATA_TYPE.text, DATA_TYPE.binary, DATA_TYPE.json, DATA_TYPE.file];
    if (!known.includes(inner.type))
      return { text: ackText(inner.type, inner.payload.length), fatal: false, ok: false };
    const { deliveries, conn } = this.#options;
    const key = deliveries.keyOf(conn.remote.address, tagged);
    const before = deliveries.find(key);
    if (before !== undefined) return { text: `${before} (duplicate)`, fatal: false, ok: true };
    const stored = await this.#store(inner, tags);
    if (stored.ok) deliveries.stored(key, stored.text);
    return stored;
  }

  async #store(frame: DataFrame, tags: MessageTags | undefined): Promise<Stored> {
    const { conn, inbox, files, log } = this.#options;
    const from = conn.remote.address;
    const name = dataTypeName(frame.type);
    try {
      if (frame.type === DATA_TYPE.file) {
        const file = decodeFilePayload(frame.payload);
        // After a name like that nothing this peer says is worth keeping.
        if (typeof file === 'string') {
          return { text: errText(frame.type, `invalid file name: ${file}`), fatal: true, ok: false };
        }
        const path = files.describe(await files.store(file.name, file.data));
        log.event('info', 'file.received', { filename: file.name, size: file.data.length, path });
        return { text: ackText(frame.type, file.data.length), fatal: false, ok: true };
      }
      await inbox.store({ type: frame.type, payload: frame.payload, from, ...(tags && { tags }) });
      log.event('info', 'message.received', {
        type: name,
        from: formatAddress(from),
        size: frame.payload.length,
      });
      return { text: ackText(frame.type, frame.payload.length), fatal: false, ok: true };
    } catch (thrown) {
      const { code, message } = asPilotError(thrown);
      log.event('warn', 'dataexchange.save_failed', { type: name, code, message });
      return { text: errText(frame.type, message), fatal: false, ok: false };
    }
  }

  async #fileStream(frame: DataFrame): Promise<boolean> {
    const message = decodeFileStream(frame.payload);
    if (typeof message === 'string') {
      await this.#reply(errText(frame.type, message));
      return false;
    }
    const answer = await this.#receiver.handle(message);
    if (answer !== undefined) await this.#tell(answer);
    if (message.kind === 'chunk' && ++this.#chunksUntold >= CHUNKS_PER_ACK) await this.#tellProgress();
    return true;
  }

  async #tellProgress(): Promise<void> {
    this.#chunksUntold = 0;
    for (const ack of this.#receiver.acks()) await this.#tell(ack);
  }

  #tell(message: FileStreamMessage): Promise<void> {
    return this.#options.conn.write(encodeDataFrame(DATA_TYPE.fileStream, encodeFileStream(message)));
  }

  #reply(text: string): Promise<void> {
    return this.#options.conn.write(encodeDataFrame(DATA_TYPE.text, utf8(text)));
  }
}
