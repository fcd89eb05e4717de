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
import { decodeTagged, type MessageTags, type TaggedFrame } from '../../wire/tagged.ts';
import type { Correspondents } from './correspondents.ts';
import type { Deliveries } from './deliveries.ts';
import { FileReceiver, type LiveTransfers } from './file-receiver.ts';
import { Turnstile } from './folder.ts';
import { handOver } from './handover.ts';
import type { Inbox } from './inbox.ts';
import type { MemoryBudget } from './memory-budget.ts';
import type { MessagePrograms } from './programs.ts';
import type { ReceivedFiles } from './received.ts';

/** What can be a question or an answer. */
const MESSAGE_TYPES: readonly number[] = [DATA_TYPE.text, DATA_TYPE.binary, DATA_TYPE.json];

/** How long the stream of a question that is in the inbox is kept. Chosen. */
const LISTEN_LIMIT: Millis = 3_600_000;

/** Bytes read ahead while a program works. Chosen. */
const AHEAD_LIMIT = 64 * 1024;

/** Chunks taken before they are acknowledged although more have arrived: old senders stop after 16. */
const CHUNKS_PER_ACK = 8;

export interface ReceivingOptions {
  readonly conn: Conn;
  readonly inbox: Inbox;
  readonly files: ReceivedFiles;
  readonly deliveries: Deliveries;
  readonly correspondents: Correspondents;
  readonly memory: MemoryBudget;
  readonly live: LiveTransfers;
  readonly storage: Storage;
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly log: Log;
  readonly idle: Millis;
  readonly programs?: MessagePrograms | undefined;
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
  /** A read begun while a program was working, to notice that the peer has gone. */
  #ahead: Promise<Uint8Array | undefined> | undefined;
  #isWaiting = false;
  /** Questions in the inbox whose answer the peer would read here. */
  readonly #listening = new Set<() => void>();
  readonly #turns = new Turnstile();
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
      for (const stop of this.#listening) stop();
      memory.release(this);
      await this.#receiver.close();
    }
  }

  /** False when the peer broke the protocol after it was told. */
  async #serve(): Promise<boolean> {
    const { conn, clock, memory } = this.#options;
    for (;;) {
      const next = this.#ahead ?? conn.read();
      this.#ahead = undefined;
      const chunk = await next;
      if (chunk === undefined) return true;
      this.#lastHeard = clock.now();
      this.#reader.push(chunk);
      for (let frame = this.#reader.next(); frame !== undefined; frame = this.#reader.next()) {
        const goesOn = await this.#answer(frame);
        if (goesOn === 'broken') return false;
        if (!goesOn) {
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
    const due = this.#lastHeard + idle;
    this.#watchdog = clock.at(due > clock.now() ? due : clock.now() + idle, () => {
      if (this.#isWaiting) this.#lastHeard = clock.now();
      const limit = this.#listening.size > 0 ? Math.max(idle, LISTEN_LIMIT) : idle;
      if (clock.now() - this.#lastHeard >= limit) conn.abort();
      else this.#watch();
    });
  }

  /** False ends the connection in good order. */
  async #answer(frame: DataFrame): Promise<boolean | 'broken'> {
    switch (frame.type) {
      case DATA_TYPE.text:
      case DATA_TYPE.binary:
      case DATA_TYPE.json: {
        const handed = await this.#handOver(frame, undefined);
        if (handed !== 'not_taken') return handed;
        return this.#acknowledge(await this.#store(frame, undefined));
      }
      case DATA_TYPE.file:
        return this.#acknowledge(await this.#store(frame, undefined));
      case DATA_TYPE.tagged:
        return this.#tagged(frame);
      case DATA_TYPE.fileStream:
        return this.#fileStream(frame);
      default:
        await this.#reply(ackText(frame.type, frame.payload.length));
        return true;
    }
  }

  async #acknowledge({ text, fatal }: Stored): Promise<boolean> {
    await this.#reply(text);
    return !fatal;
  }

  async #tagged(frame: DataFrame): Promise<boolean | 'broken'> {
    const tagged = decodeTagged(frame.payload);
    if (typeof tagged === 'string') {
      return this.#acknowledge({ text: errText(frame.type, tagged), fatal: false, ok: false });
    }
    const { inner, tags } = tagged;
    if (MESSAGE_TYPES.includes(inner.type)) {
      const handed = await this.#handOver(frame, tags);
      if (handed !== 'not_taken') return handed;
    }
    return this.#acknowledge(await this.#storeTagged(frame, tagged));
  }

  /** Gives a question to the program that answers them. Answers go to the inbox, where those who wait find them. */
  async #handOver(frame: DataFrame, tags: MessageTags | undefined): Promise<true | 'not_taken' | 'broken'> {
    const { programs, conn, memory } = this.#options;
    const { remote } = conn;
    const isAnswer = tags?.replyTo !== undefined || programs?.isWatched(remote.address.node) === true;
    if (programs === undefined || (isAnswer && tags?.reply !== 'stream')) return 'not_taken';
    const program = programs.open(remote);
    if (program === undefined) return 'not_taken';
    this.#isWaiting = true;
    const done = this.#readAhead((isReset) => {
      if (isReset || tags?.reply === 'stream') program.abort();
    });
    const held = {};
    void memory.hold(held, frame.payload.length);
    try {
      const onTaken = (): void => memory.release(held);
      const peer = { write: (chunk: Uint8Array) => this.#pass(chunk) };
      const outcome = await this.#turns.run(() => handOver({ program, peer, frame, tags, onTaken }));
      return outcome === 'answered' ? true : outcome;
    } finally {
      done();
      this.#isWaiting = false;
      this.#lastHeard = this.#options.clock.now();
    }
  }

  /** A peer that does not take its answer is silent; one whose answer is being made is not. */
  async #pass(chunk: Uint8Array): Promise<void> {
    const { conn, clock } = this.#options;
    this.#isWaiting = false;
    this.#lastHeard = clock.now();
    await conn.write(chunk);
    this.#isWaiting = true;
  }

  /** The peer reads an answer that somebody here may give later. */
  #listen({ replyTo, messageId, reply }: MessageTags): void {
    const { conn, programs } = this.#options;
    if (programs === undefined || messageId === undefined || reply !== 'stream' || replyTo === messageId)
      return;
    const stop = programs.listens(conn.remote, messageId, async (frame) => {
      this.#listening.delete(stop);
      await this.#write(frame);
    });
    this.#listening.add(stop);
  }

  /** Reads on while a program works, to notice that the peer has gone. Returns how to stop. */
  #readAhead(onGone: (isReset: boolean) => void): () => void {
    const { conn } = this.#options;
    let isOn = true;
    const read = async (): Promise<void> => {
      while (isOn && this.#reader.pendingBytes < AHEAD_LIMIT) {
        this.#ahead ??= conn.read();
        const chunk = await this.#ahead;
        // Whoever reads next waits for the same chunk.
        if (!isOn) return;
        if (chunk === undefined) {
          onGone(false);
          return;
        }
        this.#ahead = undefined;
        this.#reader.push(chunk);
      }
    };
    read().catch(() => {
      if (isOn) onGone(true);
    });
    return () => {
      isOn = false;
    };
  }

  async #storeTagged(frame: DataFrame, tagged: TaggedFrame): Promise<Stored> {
    const { inner, tags } = tagged;
    if (!MESSAGE_TYPES.includes(inner.type) && inner.type !== DATA_TYPE.file)
      return { text: ackText(inner.type, inner.payload.length), fatal: false, ok: false };
    const { deliveries, conn } = this.#options;
    this.#listen(tags);
    const outcome = await deliveries.once(conn.remote.address, tagged, () => this.#store(inner, tags, frame));
    return 'duplicate' in outcome ? { ...outcome, fatal: false } : outcome;
  }

  /** `whole` is the frame as it came, with its ids. */
  async #store(frame: DataFrame, tags: MessageTags | undefined, whole = frame): Promise<Stored> {
    const { conn, inbox, files, log, programs, correspondents } = this.#options;
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
      const stored = await inbox.store({
        type: frame.type,
        payload: frame.payload,
        from,
        ...(tags && { tags }),
      });
      log.event('info', 'message.received', {
        type: name,
        from: formatAddress(from),
        size: frame.payload.length,
        ...(tags?.messageId !== undefined && { message_id: tags.messageId }),
        ...(tags?.replyTo !== undefined && { reply_to: tags.replyTo }),
      });
      correspondents.wrote(from.node, tags);
      programs?.stored(conn.remote, whole, stored.slice(0, -'.json'.length));
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
    return this.#write(encodeDataFrame(DATA_TYPE.fileStream, encodeFileStream(message)));
  }

  #reply(text: string): Promise<void> {
    return this.#write(encodeDataFrame(DATA_TYPE.text, utf8(text)));
  }

  /** Frames come from here, and from whoever answers a question of the peer: each is written whole. */
  #write(frame: Uint8Array): Promise<void> {
    return this.#turns.run(() => this.#options.conn.write(frame));
  }
}
