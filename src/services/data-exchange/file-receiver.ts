import { asPilotError } from '../../api/errors.ts';
import { equal, toHex } from '../../base/bytes.ts';
import type { Crypto, Sha256Stream } from '../../base/crypto.ts';
import type { Address, Bytes, Instant, Millis } from '../../base/units.ts';
import type { Clock, Log, PartialFile, Storage } from '../../runtime/ports.ts';
import { ackText, DATA_TYPE } from '../../wire/data-exchange.ts';
import { FILE_CHUNK, FILE_CHUNKS_IN_FLIGHT, type FileStreamMessage } from '../../wire/file-stream.ts';
import { PARTIAL_FOLDER, type ReceivedFiles, type Reservation } from './received.ts';

/** Statuses of COMPLETE. Only 0 is fixed by spec/23 §3; the others are ours. */
export const COMPLETE_STATUS = { good: 0, failed: 1, noRoom: 2, checksum: 3 } as const;

/** Transfers of one connection at a time. spec/23 §3 */
const TRANSFER_LIMIT = 64;
/** Chunks ahead of the file kept in memory. spec/23 §3 */
const AHEAD_LIMIT: Bytes = FILE_CHUNK * FILE_CHUNKS_IN_FLIGHT;
/** A transfer silent for this long can be taken over by the same sender. */
const HOLDER_IDLE: Millis = 2_000;

type Init = Extract<FileStreamMessage, { kind: 'init' }>;
type Chunk = Extract<FileStreamMessage, { kind: 'chunk' }>;

interface Transfer {
  readonly init: Init;
  readonly key: string;
  readonly partial: string;
  readonly file: PartialFile;
  readonly reservation: Reservation;
  /** Of a transfer received in one go; a resumed one is read again at its end. */
  readonly hash: Sha256Stream | undefined;
  readonly ahead: Map<Bytes, Uint8Array>;
  aheadBytes: Bytes;
  readonly holder: Holder;
  /** What was acknowledged last. */
  told: Bytes;
}

/** Who is writing a partial. Another connection of the same sender may take it over when it falls silent. */
interface Holder {
  lastActive: Instant;
  /** Another connection took the partial over: nothing more is written. */
  lost: boolean;
  close(): Promise<void>;
}

/** The partials being written, by name, over all connections. */
export type LiveTransfers = Map<string, Holder>;

/** The receiving half of FILESTREAM for one connection. Answers are returned, in order. spec/23 §3 */
export class FileReceiver {
  readonly #from: Address;
  readonly #files: ReceivedFiles;
  readonly #storage: Storage;
  readonly #clock: Clock;
  readonly #crypto: Crypto;
  readonly #log: Log;
  readonly #live: LiveTransfers;
  readonly #transfers = new Map<string, Transfer>();

  constructor(options: {
    from: Address;
    files: ReceivedFiles;
    storage: Storage;
    clock: Clock;
    crypto: Crypto;
    log: Log;
    live: LiveTransfers;
  }) {
    this.#from = options.from;
    this.#files = options.files;
    this.#storage = options.storage;
    this.#clock = options.clock;
    this.#crypto = options.crypto;
    this.#log = options.log;
    this.#live = options.live;
  }

  async handle(message: FileStreamMessage): Promise<FileStreamMessage | undefined> {
    const transfer = this.#transfers.get(toHex(message.transfer));
    if (transfer !== undefined) transfer.holder.lastActive = this.#clock.now();
    if (transfer?.holder.lost) {
      await this.#close(transfer);
      return abortOf(message.transfer, 'the transfer was taken over');
    }
    switch (message.kind) {
      case 'init':
        return this.#init(message);
      case 'chunk':
        return transfer === undefined
          ? abortOf(message.transfer, 'no such transfer')
          : this.#chunk(transfer, message);
      case 'done':
        return transfer === undefined ? abortOf(message.transfer, 'no such transfer') : this.#done(transfer);
      case 'abort':
        if (transfer !== undefined) await this.#close(transfer);
        return undefined;
      default:
        // The kinds a sender does not send.
        return undefined;
    }
  }

  /** Acknowledgements owed since the last call: one per transfer that has grown. */
  acks(): FileStreamMessage[] {
    const acks: FileStreamMessage[] = [];
    for (const transfer of this.#transfers.values()) {
      if (transfer.told === transfer.file.size) continue;
      transfer.told = transfer.file.size;
      acks.push({ kind: 'ack', transfer: transfer.init.transfer, offset: transfer.told });
    }
    return acks;
  }

  /** The connection is gone: what has arrived stays for the next attempt. */
  async close(): Promise<void> {
    for (const transfer of [...this.#transfers.values()]) await this.#close(transfer);
  }

  async #init(init: Init): Promise<FileStreamMessage> {
    const key = toHex(init.transfer);
    const refusal = (status: number, message: string): FileStreamMessage => ({
      kind: 'complete',
      transfer: init.transfer,
      status,
      message,
    });
    if (!equal(init.transfer, init.sha256.subarray(0, init.transfer.length))) {
      return refusal(COMPLETE_STATUS.failed, 'the transfer id does not belong to the checksum');
    }
    if (this.#transfers.has(key)) return refusal(COMPLETE_STATUS.failed, 'the transfer has begun already');
    if (this.#transfers.size >= TRANSFER_LIMIT) {
      return refusal(COMPLETE_STATUS.failed, `more than ${TRANSFER_LIMIT} transfers on one connection`);
    }
    try {
      const transfer = await this.#begin(init, key);
      this.#transfers.set(key, transfer);
      return { kind: 'initAck', transfer: init.transfer, offset: transfer.file.size };
    } catch (thrown) {
      const { code, message } = asPilotError(thrown);
      return refusal(code === 'disk_full' ? COMPLETE_STATUS.noRoom : COMPLETE_STATUS.failed, message);
    }
  }

  async #begin(init: Init, key: string): Promise<Transfer> {
    // Claimed before the first wait: two connections may ask for the same partial at once.
    const holder: Holder = { lastActive: this.#clock.now(), lost: false, close: async () => {} };
    const { partial, before } = this.#claim(this.#files.partialName(this.#from, init.transfer), holder);
    let reservation: Reservation | undefined;
    try {
      await before?.close();
      reservation = await this.#files.reserve(partial, init.size);
      const file = await this.#open(partial, init.size);
      holder.close = () => file.close();
      if (file.size > 0) this.#log.event('info', 'file.resumed', { filename: init.name, offset: file.size });
      return {
        init,
        key,
        partial,
        file,
        reservation,
        hash: file.size === 0 ? this.#crypto.sha256Stream() : undefined,
        ahead: new Map(),
        aheadBytes: 0,
        holder,
        told: file.size,
      };
    } catch (error) {
      if (this.#live.get(partial) === holder) this.#live.delete(partial);
      reservation?.release();
      throw error;
    }
  }

  async #open(partial: string, size: Bytes): Promise<PartialFile> {
    const file = await this.#storage.openPartial(`${PARTIAL_FOLDER}/${partial}`);
    if (file.size <= size) return file;
    await file.close();
    await this.#files.discard(partial);
    return this.#storage.openPartial(`${PARTIAL_FOLDER}/${partial}`);
  }

  /** The shared partial of this sender and content, unless another connection is writing it: then one of our own. */
  #claim(name: string, holder: Holder): { readonly partial: string; readonly before: Holder | undefined } {
    let partial = name;
    let before = this.#live.get(name);
    if (before !== undefined) {
      if (this.#clock.now() - before.lastActive >= HOLDER_IDLE) before.lost = true;
      else {
        before = undefined;
        for (let copy = 1; this.#live.has(partial); copy++) {
          partial = `${name}.${copy.toString(16).padStart(8, '0')}`;
        }
      }
    }
    this.#live.set(partial, holder);
    return { partial, before };
  }

  async #chunk(transfer: Transfer, chunk: Chunk): Promise<FileStreamMessage | undefined> {
    const { init, file } = transfer;
    if (chunk.offset + chunk.data.length > init.size) {
      await this.#close(transfer);
      return abortOf(init.transfer, 'a chunk reaches beyond the size of the file');
    }
    try {
      if (chunk.offset > file.size) return this.#keepAhead(transfer, chunk);
      await this.#append(transfer, chunk.offset, chunk.data);
      for (let next = takeAhead(transfer); next !== undefined; next = takeAhead(transfer)) {
        await this.#append(transfer, next.offset, next.data);
      }
      return undefined;
    } catch (thrown) {
      const { code, message } = asPilotError(thrown);
      await this.#close(transfer);
      const status = code === 'disk_full' ? COMPLETE_STATUS.noRoom : COMPLETE_STATUS.failed;
      return { kind: 'complete', transfer: init.transfer, status, message };
    }
  }

  async #append(transfer: Transfer, offset: Bytes, data: Uint8Array): Promise<void> {
    const fresh = data.subarray(Math.max(0, transfer.file.size - offset));
    if (fresh.length === 0) return;
    await transfer.file.append(fresh);
    transfer.hash?.update(fresh);
    transfer.reservation.grew(transfer.file.size);
  }

  #keepAhead(transfer: Transfer, chunk: Chunk): FileStreamMessage | undefined {
    if (transfer.ahead.has(chunk.offset)) return undefined;
    // Beyond the bound it is dropped: it was not acknowledged, so it comes again.
    if (transfer.aheadBytes + chunk.data.length > AHEAD_LIMIT) return undefined;
    transfer.ahead.set(chunk.offset, chunk.data.slice());
    transfer.aheadBytes += chunk.data.length;
    return undefined;
  }

  async #done(transfer: Transfer): Promise<FileStreamMessage> {
    const { init, file, partial } = transfer;
    const complete = (status: number, message: string): FileStreamMessage => ({
      kind: 'complete',
      transfer: init.transfer,
      status,
      message,
    });
    try {
      if (file.size < init.size) {
        return complete(COMPLETE_STATUS.failed, `incomplete: ${file.size} of ${init.size} bytes arrived`);
      }
      if (!equal(await this.#digest(transfer), init.sha256)) {
        await file.close();
        await this.#files.discard(partial);
        return complete(COMPLETE_STATUS.checksum, 'the checksum does not match: the file changed on the way');
      }
      await file.sync();
      await file.close();
      const name = await this.#files.finish(partial, init.name, init.size);
      this.#log.event('info', 'file.received', {
        filename: init.name,
        size: init.size,
        path: this.#files.describe(name),
      });
      return complete(COMPLETE_STATUS.good, ackText(DATA_TYPE.file, init.size));
    } catch (thrown) {
      return complete(COMPLETE_STATUS.failed, asPilotError(thrown).message);
    } finally {
      await this.#close(transfer);
    }
  }

  async #digest(transfer: Transfer): Promise<Uint8Array> {
    if (transfer.hash !== undefined) return transfer.hash.digest();
    const hash = this.#crypto.sha256Stream();
    await transfer.file.readAll((chunk) => hash.update(chunk));
    return hash.digest();
  }

  async #close(transfer: Transfer): Promise<void> {
    const { key, partial, holder, reservation, file } = transfer;
    this.#transfers.delete(key);
    if (this.#live.get(partial) === holder) {
      this.#live.delete(partial);
      reservation.release();
    }
    if (holder.lost) return;
    holder.lost = true;
    try {
      await file.close();
    } catch (thrown) {
      this.#log.event('debug', 'file.close_failed', { message: asPilotError(thrown).message });
    }
  }
}

function takeAhead(transfer: Transfer): { offset: Bytes; data: Uint8Array } | undefined {
  for (const [offset, data] of transfer.ahead) {
    if (offset > transfer.file.size) continue;
    transfer.ahead.delete(offset);
    transfer.aheadBytes -= data.length;
    return { offset, data };
  }
  return undefined;
}

function abortOf(transfer: Uint8Array, reason: string): FileStreamMessage {
  return { kind: 'abort', transfer, reason };
}
