import { asPilotError, type ErrorCode, PilotError } from '../../api/errors.ts';
import type { Conn } from '../../api/stream.ts';
import { fromHex, fromUtf8, toHex } from '../../base/bytes.ts';
import type { Bytes, Millis } from '../../base/units.ts';
import { DATA_TYPE, encodeDataFrame, isUnknownTypeAnswer, parseAnswer } from '../../wire/data-exchange.ts';
import {
  decodeFileStream,
  encodeFileStream,
  FILE_CHUNK,
  type FileStreamMessage,
  TRANSFER_ID_LENGTH,
} from '../../wire/file-stream.ts';
import { AnswerReader } from './answer-reader.ts';
import type { FileSent, SendContext, SendFileOptions } from './client.ts';
import { within } from './deadline.ts';
import { COMPLETE_STATUS } from './file-receiver.ts';
import type { FileSource } from './file-source.ts';

const ACK_LIMIT: Millis = 60_000;
/** The receiver of a resumed transfer reads all of it again before COMPLETE: slow disks manage that many bytes per ms. */
const VERIFY_PER_MS = 20_000;
/**
 * Bytes sent beyond the last acknowledgement. Old senders stop at 768 KiB; receivers only need chunks in order, which
 * the stream gives, so more is safe and keeps long paths full.
 */
const WINDOW: Bytes = 4 * 1024 * 1024;
const HASH_BLOCK = 1024 * 1024;
/** Attempts that got no further than the one before, until the transfer fails. */
const FRUITLESS_LIMIT = 3;
const FIRST_PAUSE: Millis = 500;

/** A broken connection: another attempt may go on. Everything else ends the transfer. */
const RESUMABLE: readonly ErrorCode[] = ['connection_failed', 'timeout'];

/** SHA-256 of the source in hex, read once from start to end. Errors: `cancelled`, `transfer_failed`. */
export async function hashSource(
  context: SendContext,
  source: FileSource,
  options: SendFileOptions,
): Promise<string> {
  const hash = context.crypto.sha256Stream();
  for (let at = 0; at < source.size; ) {
    checkAbort(context);
    const block = await readExactly(source, at, Math.min(HASH_BLOCK, source.size - at));
    hash.update(block);
    at += block.length;
    options.onProgress?.({ phase: 'hashing', bytes: at, total: source.size });
  }
  return toHex(hash.digest());
}

/** Type 7. `old_peer` when the receiver does not know it. */
export async function streamFile(
  context: SendContext,
  source: FileSource,
  sha256: string,
  options: SendFileOptions,
): Promise<FileSent | 'old_peer'> {
  const sending = new FileSending(context, source, sha256, options);
  let furthest = -1;
  let fruitless = 0;
  for (;;) {
    try {
      return await sending.attempt();
    } catch (thrown) {
      const error = asPilotError(thrown);
      if (error.code === 'unavailable') throw sending.broken('the local daemon went away', error);
      // Only a transfer that the peer had accepted is worth going on with; a failed dial at first is final.
      if (!RESUMABLE.includes(error.code) || !sending.accepted || context.signal?.aborted) throw error;
      fruitless = sending.acknowledged > furthest ? 0 : fruitless + 1;
      furthest = Math.max(furthest, sending.acknowledged);
      if (fruitless >= FRUITLESS_LIMIT) {
        throw sending.broken(error.message, error);
      }
      await context.clock.sleep(FIRST_PAUSE * 2 ** fruitless, context.signal);
    }
  }
}

class FileSending {
  readonly #context: SendContext;
  readonly #source: FileSource;
  readonly #sha256: string;
  readonly #options: SendFileOptions;
  readonly #transfer: Uint8Array;
  readonly #timeout: Millis;
  /** The peer has agreed to the transfer at least once. */
  accepted = false;
  acknowledged: Bytes = 0;
  #resumedFrom: Bytes = 0;
  #wake: (() => void) | undefined;

  constructor(context: SendContext, source: FileSource, sha256: string, options: SendFileOptions) {
    this.#context = context;
    this.#source = source;
    this.#sha256 = sha256;
    this.#options = options;
    this.#transfer = fromHex(sha256)!.subarray(0, TRANSFER_ID_LENGTH);
    this.#timeout = context.timeout ?? ACK_LIMIT;
  }

  broken(why: string, cause: unknown): PilotError {
    return new PilotError(
      'transfer_failed',
      `The transfer broke after ${this.acknowledged} of ${this.#source.size} bytes: ${why}`,
      { cause },
    );
  }

  async attempt(): Promise<FileSent | 'old_peer'> {
    checkAbort(this.#context);
    const conn = await this.#context.dial();
    const abort = (): void => {
      this.#tell(conn, { kind: 'abort', transfer: this.#transfer, reason: 'cancelled by the sender' })
        .catch(() => {})
        .finally(() => conn.abort());
      this.#wake?.();
    };
    this.#context.signal?.addEventListener('abort', abort);
    try {
      const answers = new AnswerReader(conn);
      const begun = await this.#init(conn, answers);
      if (begun === 'old_peer') {
        conn.abort();
        return begun;
      }
      const ack = await this.#transferFrom(begun, conn, answers);
      conn.close().catch(() => conn.abort());
      return {
        transport: 'stream',
        bytes: this.#source.size,
        sha256: this.#sha256,
        resumedFrom: this.#resumedFrom,
        ack,
      };
    } catch (error) {
      checkAbort(this.#context);
      conn.abort();
      throw error;
    } finally {
      this.#context.signal?.removeEventListener('abort', abort);
    }
  }

  /**
   * The offset to go on from. Old peers give themselves away by their answer; silence is a bad path, and no reason
   * to send everything in a form that can't resume (spec/23 §3 would, after 5 s).
   */
  async #init(conn: Conn, answers: AnswerReader): Promise<Bytes | 'old_peer'> {
    await this.#tell(conn, {
      kind: 'init',
      transfer: this.#transfer,
      size: this.#source.size,
      sha256: fromHex(this.#sha256)!,
      chunkSize: FILE_CHUNK,
      name: this.#source.name,
    });
    const answer = await within(
      this.#context.clock,
      this.#timeout,
      answers.next(),
      'the start of the transfer',
    );
    if (answer === undefined) {
      if (this.accepted) throw new PilotError('connection_failed', 'The peer ended the stream');
      return 'old_peer';
    }
    if (answer.type !== DATA_TYPE.fileStream) {
      const text = fromUtf8(answer.payload);
      const refused = parseAnswer(text);
      if (refused?.kind === 'err' && !isUnknownTypeAnswer(text, DATA_TYPE.fileStream))
        throw refusal(refused.reason);
      return 'old_peer';
    }
    const message = decodeFileStream(answer.payload);
    if (typeof message === 'string') return 'old_peer';
    if (message.kind === 'complete') throw refusal(message.message, message.status);
    if (message.kind === 'abort') throw refusal(message.reason);
    if (message.kind !== 'initAck' || message.offset > this.#source.size) {
      throw new PilotError('protocol_error', 'The peer answered the start of a transfer with nonsense');
    }
    if (!this.accepted) this.#resumedFrom = message.offset;
    this.accepted = true;
    this.#acknowledge(message.offset);
    return message.offset;
  }

  /** Sends the rest while acknowledgements come in; resolves with the text of COMPLETE. */
  async #transferFrom(offset: Bytes, conn: Conn, answers: AnswerReader): Promise<string> {
    let failure: unknown;
    const completed = this.#readAnswers(answers).catch((error: unknown) => {
      failure = error;
      this.#wake?.();
      throw error;
    });
    completed.catch(() => {});
    for (let at = offset; at < this.#source.size; ) {
      if (failure !== undefined) throw failure;
      if (at - this.acknowledged >= WINDOW) {
        await this.#awaitProgress(() => failure !== undefined || at - this.acknowledged < WINDOW);
        continue;
      }
      checkAbort(this.#context);
      const data = await readExactly(this.#source, at, Math.min(FILE_CHUNK, this.#source.size - at));
      const written = this.#tell(conn, { kind: 'chunk', transfer: this.#transfer, offset: at, data });
      await within(this.#context.clock, this.#timeout, written, 'room to send');
      at += data.length;
    }
    await this.#awaitProgress(() => failure !== undefined || this.acknowledged >= this.#source.size);
    if (failure !== undefined) throw failure;
    await this.#tell(conn, { kind: 'done', transfer: this.#transfer });
    const limit = this.#timeout + this.#source.size / VERIFY_PER_MS;
    return within(this.#context.clock, limit, completed, 'the peer to verify the file', this.#context.signal);
  }

  async #readAnswers(answers: AnswerReader): Promise<string> {
    for (;;) {
      const frame = await answers.next();
      if (frame === undefined) throw new PilotError('connection_failed', 'The peer ended the stream');
      const message = frame.type === DATA_TYPE.fileStream ? decodeFileStream(frame.payload) : 'unknown_kind';
      if (typeof message === 'string') throw refusal(fromUtf8(frame.payload).slice(0, 200));
      switch (message.kind) {
        case 'ack':
          if (message.offset <= this.#source.size) this.#acknowledge(message.offset);
          break;
        case 'complete':
          if (message.status !== COMPLETE_STATUS.good) throw refusal(message.message, message.status);
          return message.message;
        case 'abort':
          throw refusal(message.reason);
        default:
          throw new PilotError('protocol_error', `The peer sent ${message.kind} in the middle of a transfer`);
      }
    }
  }

  #acknowledge(offset: Bytes): void {
    this.acknowledged = offset;
    this.#options.onProgress?.({ phase: 'sending', bytes: offset, total: this.#source.size });
    this.#wake?.();
  }

  /** Waits for `done`, as long as something comes in every now and then. */
  async #awaitProgress(done: () => boolean): Promise<void> {
    while (!done()) {
      checkAbort(this.#context);
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      await within(this.#context.clock, this.#timeout, woken, 'an acknowledgement');
    }
  }

  #tell(conn: Conn, message: FileStreamMessage): Promise<void> {
    return conn.write(encodeDataFrame(DATA_TYPE.fileStream, encodeFileStream(message)));
  }
}

async function readExactly(source: FileSource, offset: Bytes, length: Bytes): Promise<Uint8Array> {
  const data = await source.read(offset, length);
  if (data.length !== length)
    throw new PilotError('transfer_failed', `"${source.name}" changed while it was read`);
  return data;
}

function refusal(reason: string, status: number = COMPLETE_STATUS.failed): PilotError {
  const hint =
    status === COMPLETE_STATUS.noRoom
      ? 'the peer must make room: pilotctl received --clear'
      : 'try again, or ask the owner of the peer';
  return new PilotError('transfer_failed', `The peer refused the file: ${reason}`, { hint });
}

function checkAbort(context: SendContext): void {
  if (context.signal?.aborted) {
    throw new PilotError('cancelled', 'Cancelled: the transfer; what was sent is kept by the peer', {
      hint: 'run the same command again: it resumes where it stopped',
    });
  }
}
