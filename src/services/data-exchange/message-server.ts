import { asPilotError, PilotError } from '../../api/errors.ts';
import type { Conn } from '../../api/stream.ts';
import { toHex, utf8 } from '../../base/bytes.ts';
import type { Crypto } from '../../base/crypto.ts';
import type { Random } from '../../base/random.ts';
import type { Address, Bytes, Millis } from '../../base/units.ts';
import type { Abort, Clock } from '../../runtime/ports.ts';
import { formatAddress } from '../../wire/address.ts';
import {
  ackText,
  DATA_FRAME_LIMIT,
  DATA_TYPE,
  type DataFrame,
  DataFrameReader,
  encodeDataFrame,
  errText,
} from '../../wire/data-exchange.ts';
import { canonicalJson } from '../../wire/json.ts';
import {
  decodeTagged,
  encodeTagged,
  isAnswerError,
  type MessageTags,
  TAG_HEADER_LIMIT,
} from '../../wire/tagged.ts';
import { Executions } from './executions.ts';
import { Lane } from './lane.ts';
import {
  freshMessageId,
  type MessageType,
  messageFrame,
  messageTypeOf,
  type OutgoingMessage,
} from './message-sender.ts';
import { ReplyBudget } from './reply-budget.ts';

/** Room for the ids around a message. */
const ENVELOPE: Bytes = TAG_HEADER_LIMIT + 16;
/** How long a service that has stopped waits for its last answers to be taken. Chosen. */
const LAST_WORD: Millis = 1_000;
export const ANSWER_LIMIT: Bytes = DATA_FRAME_LIMIT - ENVELOPE;

/** A message that wants an answer. */
export interface Question {
  /** Authenticated by the tunnel. */
  readonly from: Address;
  readonly type: MessageType;
  readonly data: Uint8Array;
  readonly messageId?: string | undefined;
  readonly replyTo?: string | undefined;
}

export interface AnswerContent {
  readonly type: MessageType;
  readonly data: Uint8Array;
}

/** Undefined: there is nothing to say. What it throws is told to the peer: code and message of a PilotError. */
export type Answerer = (question: Question, signal: Abort) => Promise<AnswerContent | undefined>;

export interface MessageServerLimits {
  /** Questions answered at once. @default 8 */
  readonly concurrency?: number;
  /** Questions that wait for their turn; more are refused with `rate_limited`. @default 256 */
  readonly queue?: number;
  /** Time to answer one question once it has its turn. @default 60000 */
  readonly time?: Millis;
  /** Largest question, bytes. @default 1048576 */
  readonly input?: Bytes;
  /** Largest answer, bytes. @default 1048576 */
  readonly output?: Bytes;
}

export interface MessageServerOptions {
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly random: Random;
  readonly answer: Answerer;
  /** Sends an answer as a message of its own, to peers that do not read it on the stream of the question. */
  readonly send: (to: Address, message: OutgoingMessage) => Promise<void>;
  readonly limits?: MessageServerLimits | undefined;
  readonly onEvent?: ((event: ServedEvent) => void) | undefined;
}

export interface ServedEvent {
  /** `undelivered`: the answer could not be sent as a message of its own. */
  readonly kind: 'answered' | 'failed' | 'refused' | 'undelivered';
  readonly from: Address;
  readonly messageId?: string | undefined;
  readonly bytes: Bytes;
  /** From the question to its answer. */
  readonly took: Millis;
  readonly error?: PilotError;
}

interface Outcome {
  readonly type: MessageType;
  readonly data: Uint8Array;
  readonly error?: string;
  readonly isSilent?: true;
}

/** Answers questions that arrive on streams speaking data exchange. Outlives the streams. docs/decisions/0015 */
export class MessageServer {
  readonly #options: MessageServerOptions;
  readonly #limits: Required<MessageServerLimits>;
  readonly #lane: Lane;
  readonly #executions: Executions<Outcome>;
  readonly #replies: ReplyBudget;
  readonly #conns = new Set<Conn>();
  readonly #running = new Set<Promise<unknown>>();
  readonly #answering = new Set<Promise<void>>();
  readonly #controls = new Set<AbortController>();
  #isStopping = false;
  #isStopped = false;

  constructor(options: MessageServerOptions) {
    this.#options = options;
    const {
      concurrency = 8,
      queue = 256,
      time = 60_000,
      input = 1 << 20,
      output = 1 << 20,
    } = options.limits ?? {};
    this.#limits = { concurrency, queue, time, input, output: Math.min(output, ANSWER_LIMIT) };
    this.#lane = new Lane(concurrency, queue);
    this.#executions = new Executions<Outcome>(
      options.clock,
      (outcome) => outcome.data.length,
      failure(
        new PilotError('unavailable', 'The question was answered before; the answer is no longer kept'),
      ),
    );
    this.#replies = new ReplyBudget(options.clock);
  }

  /** Answers what comes on the stream. With `single`, ends it after the first question. Never rejects. */
  async serve(conn: Conn, options: { readonly single: boolean }): Promise<void> {
    if (this.#isStopping) {
      conn.abort();
      return;
    }
    this.#conns.add(conn);
    try {
      await this.#read(conn, options.single);
      await conn.close();
    } catch {
      conn.abort();
    } finally {
      this.#conns.delete(conn);
    }
  }

  /** Takes no more questions, gives those being answered `grace` to end, and ends the rest. */
  async stop(grace: Millis): Promise<void> {
    const { clock } = this.#options;
    this.#isStopping = true;
    const end = (): void => {
      this.#isStopped = true;
      for (const control of this.#controls) control.abort();
    };
    if (grace === 0) end();
    const timer = clock.at(clock.now() + grace, end);
    while (this.#running.size > 0) await Promise.allSettled([...this.#running]);
    timer.cancel();
    // Answers that are complete are still being written.
    const last = Promise.allSettled([...this.#answering]).then(() => {});
    if (grace > 0) await Promise.race([last, clock.sleep(Math.min(grace, LAST_WORD))]);
    for (const conn of this.#conns) conn.abort();
  }

  async #read(conn: Conn, single: boolean): Promise<void> {
    const reader = new DataFrameReader(this.#limits.input + ENVELOPE);
    for (let chunk = await conn.read(); chunk !== undefined; chunk = await conn.read()) {
      reader.push(chunk);
      for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
        const answering = this.#frame(conn, frame).finally(() => this.#answering.delete(answering));
        this.#answering.add(answering);
        await answering;
        if (single) return;
      }
      if (reader.error === undefined) continue;
      const reason = `questions of more than ${this.#limits.input} bytes are not answered here`;
      await reply(conn, errText(reader.error.type, reason));
      return;
    }
  }

  async #frame(conn: Conn, frame: DataFrame): Promise<void> {
    let inner = frame;
    let tags: MessageTags = {};
    if (frame.type === DATA_TYPE.tagged) {
      const tagged = decodeTagged(frame.payload);
      if (typeof tagged === 'string') return reply(conn, errText(frame.type, tagged));
      ({ inner, tags } = tagged);
    }
    const type = messageTypeOf(inner.type);
    if (type === undefined) {
      return reply(
        conn,
        inner.type === DATA_TYPE.file || inner.type === DATA_TYPE.fileStream
          ? errText(inner.type, 'files are not taken here')
          : ackText(inner.type, inner.payload.length),
      );
    }
    const { messageId, replyTo } = tags;
    const question: Question = { from: conn.remote.address, type, data: inner.payload, messageId, replyTo };
    await this.#answer(conn, question, inner, tags);
  }

  async #answer(conn: Conn, question: Question, inner: DataFrame, tags: MessageTags): Promise<void> {
    const { messageId } = question;
    const begun = this.#begin(question);
    const ack = (duplicate: boolean): string => ackText(inner.type, inner.payload.length, { duplicate });
    if (tags.reply === 'stream' && messageId !== undefined) {
      await conn.write(promised(messageId, ack(begun.isDuplicate)));
      const { type, data, error } = await begun.outcome;
      const answer = encodeTagged(
        {
          messageId: freshMessageId(this.#options.random),
          replyTo: messageId,
          ...(error !== undefined && { error }),
        },
        messageFrame(type, data),
      );
      await conn.write(encodeDataFrame(DATA_TYPE.tagged, answer));
      return;
    }
    if (begun.isRefused)
      return reply(conn, errText(inner.type, 'too many questions wait already: try again later'));
    await reply(conn, ack(begun.isDuplicate));
    if (!begun.isDuplicate) void begun.outcome.then((outcome) => this.#sendAnswer(question, outcome));
  }

  #begin(question: Question): { outcome: Promise<Outcome>; isDuplicate: boolean; isRefused: boolean } {
    const key = question.messageId === undefined ? undefined : this.#keyOf(question);
    const before = key === undefined ? undefined : this.#executions.find(key);
    if (before !== undefined) return { outcome: before, isDuplicate: true, isRefused: false };
    const turn = this.#isStopping ? undefined : this.#lane.enter();
    if (turn === undefined) {
      const error = new PilotError('rate_limited', 'Too many questions wait already: try again later');
      this.#told('refused', question, 0, this.#options.clock.now(), error);
      return { outcome: Promise.resolve(failure(error)), isDuplicate: false, isRefused: true };
    }
    const outcome = this.#carryOut(question, turn);
    if (key !== undefined) this.#executions.add(key, outcome);
    this.#running.add(outcome);
    void outcome.finally(() => this.#running.delete(outcome));
    return { outcome, isDuplicate: false, isRefused: false };
  }

  /** Never rejects. */
  async #carryOut(question: Question, turn: Promise<void>): Promise<Outcome> {
    const { clock, answer } = this.#options;
    const { time, output } = this.#limits;
    const asked = clock.now();
    await turn;
    const control = new AbortController();
    this.#controls.add(control);
    const ended = new Promise<never>((_, reject) => {
      control.signal.addEventListener('abort', () =>
        reject(new PilotError('unavailable', 'The service is stopping')),
      );
    });
    ended.catch(() => {});
    const late = new Promise<never>((_, reject) => {
      const timer = clock.at(clock.now() + time, () => {
        reject(new PilotError('timeout', `The service did not answer within ${time} ms`));
        control.abort();
      });
      control.signal.addEventListener('abort', () => timer.cancel());
    });
    late.catch(() => {});
    try {
      if (this.#isStopped) control.abort();
      const content = await Promise.race([late, ended, answer(question, control.signal)]);
      if (content === undefined) {
        this.#told('answered', question, 0, asked);
        return { type: 'text', data: utf8(''), isSilent: true };
      }
      if (content.data.length > output) {
        throw new PilotError(
          'too_large',
          `The answer has ${content.data.length} bytes; the limit is ${output}`,
        );
      }
      this.#told('answered', question, content.data.length, asked);
      return { type: content.type, data: content.data };
    } catch (thrown) {
      const error = asPilotError(thrown);
      this.#told('failed', question, 0, asked, error);
      return failure(error);
    } finally {
      this.#controls.delete(control);
      control.abort();
      this.#lane.leave();
    }
  }

  /** To peers that wait for a message of its own. */
  async #sendAnswer(question: Question, outcome: Outcome): Promise<void> {
    const { random, send } = this.#options;
    const { from, messageId: replyTo } = question;
    if (outcome.isSilent || (replyTo === undefined && !this.#replies.take(from.node))) return;
    const { type, data } = outcome;
    try {
      await send(from, { type, data, messageId: freshMessageId(random), replyTo });
    } catch (thrown) {
      this.#told('undelivered', question, data.length, this.#options.clock.now(), asPilotError(thrown));
    }
  }

  #keyOf({ from, type, data, messageId, replyTo }: Question): string {
    const digest = toHex(this.#options.crypto.sha256(data));
    return [formatAddress(from), messageId, replyTo ?? '', type, digest].join(' ');
  }

  #told(
    kind: ServedEvent['kind'],
    question: Question,
    bytes: Bytes,
    since: number,
    error?: PilotError,
  ): void {
    const { from, messageId } = question;
    const took = this.#options.clock.now() - since;
    this.#options.onEvent?.({ kind, from, messageId, bytes, took, ...(error !== undefined && { error }) });
  }
}

function failure(error: PilotError): Outcome {
  const code = isAnswerError(error.code) ? error.code : 'internal';
  return {
    type: 'json',
    data: utf8(canonicalJson({ error: { code, message: error.message } })),
    error: code,
  };
}

/** An acknowledgement that says: the answer comes on this stream. */
function promised(messageId: string, ack: string): Uint8Array {
  const inner = { type: DATA_TYPE.text, payload: utf8(ack) };
  return encodeDataFrame(DATA_TYPE.tagged, encodeTagged({ replyTo: messageId, reply: 'stream' }, inner));
}

function reply(conn: Conn, text: string): Promise<void> {
  return conn.write(encodeDataFrame(DATA_TYPE.text, utf8(text)));
}
