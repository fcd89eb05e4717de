import { asPilotError, PilotError } from '../../api/errors.ts';
import type { Instant, Millis } from '../../base/units.ts';
import type { Timer } from '../../runtime/ports.ts';
import { DATA_TYPE, type DataFrame, encodeDataFrame } from '../../wire/data-exchange.ts';
import { isJsonObject, parseJson } from '../../wire/json.ts';
import { decodeTagged, type MessageTags } from '../../wire/tagged.ts';
import type { Line } from './lines.ts';
import {
  deliver,
  type MessageContext,
  type MessageSent,
  type MessageType,
  messageTypeOf,
  type OpenMessage,
  type OutgoingMessage,
} from './message-sender.ts';
import { ReplyChoice } from './reply-choice.ts';

export interface Answer {
  readonly type: MessageType;
  readonly data: Uint8Array;
  readonly messageId?: string | undefined;
  readonly replyTo?: string | undefined;
  /** `stream`: on the stream of the question; `inbox`: as a message of its own, which is in the inbox too. */
  readonly via: 'stream' | 'inbox';
  readonly inboxId?: string;
  /** The peer could not answer, and says why. */
  readonly error?: { readonly code: string; readonly message: string };
}

export interface Asked extends MessageSent {
  readonly answer: Answer;
  /** From the acknowledgement to the answer. */
  readonly after: Millis;
}

/** Messages of the peer as they are stored in our inbox. */
export interface AnswerWatch {
  /** The peer has written to us before. */
  readonly isKnown: boolean;
  /** Earlier answers of the peer named the message they answer. */
  readonly echoes: boolean;
  /** Each message from now on, and those since the watch began. */
  onMessage(receiver: (frame: DataFrame, inboxId: string) => void): void;
}

/** First contact: asked again after half the wait, but not later. spec/23 §4 */
const ASK_AGAIN: Millis = 15_000;
const ASK_AGAIN_LEAST: Millis = 3_000;
/**
 * While a promised answer is awaited, an empty frame that means nothing is written this often: a peer that has
 * restarted resets the stream then, and not a minute later. Chosen.
 */
const PROBE: Millis = 4_000;
const PROBE_TYPE = 0;
/** Between attempts to reach a peer whose stream broke before the promised answer. Chosen. */
const REACH_AGAIN: Millis = 250;
const REACH_AGAIN_MOST: Millis = 4_000;

/**
 * Sends a question and waits for the answer: on its stream when the peer can, else among the messages that arrive.
 * Errors: those of the delivery; `timeout` (`no reply from "X" within D`); `cancelled`.
 */
export function ask(
  context: MessageContext,
  question: OutgoingMessage & { readonly messageId: string },
  watch: AnswerWatch,
  options: { readonly wait: Millis; readonly peer: string },
): Promise<Asked> {
  return new Question(context, question, watch, options).run();
}

class Question {
  readonly #context: MessageContext;
  readonly #question: OutgoingMessage & { readonly messageId: string };
  readonly #watch: AnswerWatch;
  readonly #wait: Millis;
  readonly #peer: string;
  readonly #choice: ReplyChoice<Answer>;
  readonly #end = new AbortController();
  readonly #open = new Set<Line>();
  readonly #probed = new Set<Line>();
  readonly #early: Answer[] = [];
  readonly #timers = new Set<Timer>();
  #sent: OpenMessage | undefined;
  #acknowledgedAt: Instant = 0;
  #deadline: Instant = 0;
  #retried = false;
  #pause: Millis = REACH_AGAIN;
  #settle: { resolve(asked: Asked): void; reject(error: unknown): void } | undefined;

  constructor(
    context: MessageContext,
    question: OutgoingMessage & { readonly messageId: string },
    watch: AnswerWatch,
    options: { readonly wait: Millis; readonly peer: string },
  ) {
    this.#context = { ...context, signal: this.#end.signal };
    this.#question = question;
    this.#watch = watch;
    this.#wait = options.wait;
    this.#peer = options.peer;
    this.#choice = new ReplyChoice(question.messageId, watch.echoes);
    const { signal } = context;
    const abort = (): void => this.#finish(() => this.#settle?.reject(cancelled(this.#peer)));
    signal?.addEventListener('abort', abort);
    this.#end.signal.addEventListener('abort', () => signal?.removeEventListener('abort', abort));
  }

  run(): Promise<Asked> {
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
      this.#watch.onMessage((frame, inboxId) => this.#onMessage(frame, inboxId));
      deliver(this.#context, this.#question, 'stream').then(
        (sent) => this.#acknowledged(sent),
        (thrown: unknown) => this.#finish(() => reject(thrown)),
      );
    });
  }

  #acknowledged(sent: OpenMessage): void {
    const { clock } = this.#context;
    this.#sent = sent;
    this.#acknowledgedAt = clock.now();
    this.#deadline = clock.now() + this.#wait;
    if (!sent.tagged) this.#choice.untagged();
    this.#listen(sent);
    for (const answer of this.#early.splice(0)) this.#offer(answer);
    const again = Math.min(this.#wait / 2, ASK_AGAIN);
    if (!this.#watch.isKnown && !sent.promised && again >= ASK_AGAIN_LEAST) {
      this.#at(clock.now() + again, () => {
        this.#deadline += this.#wait / 2;
        this.#retried = true;
        void this.#deliverAgain();
      });
    }
    this.#at(this.#deadline, () => this.#timeUp());
  }

  /** Reads what the peer says on the stream of the question until it ends. */
  #listen(sent: OpenMessage): void {
    const { line, promised } = sent;
    const { answers } = line;
    if (this.#end.signal.aborted) {
      this.#drop(line);
      return;
    }
    this.#open.add(line);
    if (promised) this.#probe(line);
    const reading = async (): Promise<void> => {
      for (let frame = await answers.next(); frame !== undefined; frame = await answers.next()) {
        const answer = answerOf(frame, { via: 'stream' });
        if (answer?.replyTo !== this.#question.messageId) continue;
        // The next frame on this stream belongs to whoever uses it next.
        this.#answered(answer, line);
        return;
      }
    };
    void reading()
      .catch(() => {})
      .then(() => {
        // Once there is an answer all streams are seen to.
        if (this.#end.signal.aborted) return;
        this.#open.delete(line);
        this.#drop(line);
        if (promised) this.#reachAgain();
      });
  }

  #probe(line: Line): void {
    this.#at(this.#context.clock.now() + PROBE, () => {
      if (!this.#open.has(line)) return;
      // What is said to probes would confuse the next question.
      this.#probed.add(line);
      line.conn.write(encodeDataFrame(PROBE_TYPE, new Uint8Array(0))).catch(() => {});
      this.#probe(line);
    });
  }

  /** The peer has the question and has lost the stream: under the same id it is not carried out twice. */
  #reachAgain(): void {
    const { clock } = this.#context;
    this.#retried = true;
    this.#at(clock.now() + this.#pause, () => {
      void this.#deliverAgain().then((reached) => {
        if (!reached && !this.#end.signal.aborted) this.#reachAgain();
      });
    });
    this.#pause = Math.min(2 * this.#pause, REACH_AGAIN_MOST);
  }

  /** False when the peer has to be tried once more. */
  async #deliverAgain(): Promise<boolean> {
    const expected = this.#sent?.promised === true;
    try {
      const sent = await deliver(this.#context, this.#question, 'stream');
      this.#listen(sent);
      return sent.promised || !expected;
    } catch (thrown) {
      return asPilotError(thrown).code === 'cancelled' || !expected;
    }
  }

  #onMessage(frame: DataFrame, inboxId: string): void {
    const answer = answerOf(frame, { via: 'inbox', inboxId });
    if (answer === undefined) return;
    if (this.#sent === undefined) this.#early.push(answer);
    else this.#offer(answer);
  }

  #offer(answer: Answer): void {
    if (this.#choice.isAnswer(answer, this.#context.clock.now())) this.#answered(answer);
  }

  #timeUp(): void {
    const { clock } = this.#context;
    if (clock.now() < this.#deadline) {
      this.#at(this.#deadline, () => this.#timeUp());
      return;
    }
    const last = this.#choice.atEnd(clock.now());
    if (last === undefined) {
      const error = new PilotError('timeout', `no reply from "${this.#peer}" within ${spanOf(this.#wait)}`, {
        hint: 'the message was delivered; an answer that comes later is in: pilotctl inbox',
      });
      this.#finish(() => this.#settle?.reject(error));
    } else if ('answer' in last) this.#answered(last.answer);
    else this.#at(clock.now() + last.holdFor, () => this.#timeUp());
  }

  /** `line` is where the answer came, and free for the next question. */
  #answered(answer: Answer, line?: Line): void {
    const { lines } = this.#context;
    if (line !== undefined && lines !== undefined && !this.#probed.has(line) && this.#open.delete(line)) {
      lines.give(line);
    }
    const { ack = '', tagged = true, retried = false } = this.#sent ?? {};
    const after = this.#context.clock.now() - this.#acknowledgedAt;
    this.#finish(() =>
      this.#settle?.resolve({ ack, tagged, retried: retried || this.#retried, answer, after }),
    );
  }

  #at(when: Instant, callback: () => void): void {
    const timer = this.#context.clock.at(when, () => {
      this.#timers.delete(timer);
      callback();
    });
    this.#timers.add(timer);
  }

  #finish(settle: () => void): void {
    if (this.#end.signal.aborted) return;
    this.#end.abort();
    for (const timer of this.#timers) timer.cancel();
    for (const line of this.#open) {
      if (this.#context.lines === undefined) line.conn.close().catch(() => line.conn.abort());
      else this.#context.lines.end(line);
    }
    settle();
  }

  #drop(line: Line): void {
    if (this.#context.lines === undefined) line.conn.abort();
    else this.#context.lines.drop(line);
  }
}

/** A message as an answer; undefined for files and what is none. */
function answerOf(frame: DataFrame, way: Pick<Answer, 'via' | 'inboxId'>): Answer | undefined {
  let inner = frame;
  let tags: MessageTags = {};
  if (frame.type === DATA_TYPE.tagged) {
    const tagged = decodeTagged(frame.payload);
    if (typeof tagged === 'string') return undefined;
    ({ inner, tags } = tagged);
  }
  const type = messageTypeOf(inner.type);
  if (type === undefined) return undefined;
  const { messageId, replyTo, error } = tags;
  return {
    type,
    data: inner.payload,
    ...(messageId !== undefined && { messageId }),
    ...(replyTo !== undefined && { replyTo }),
    ...way,
    ...(error !== undefined && { error: { code: error, message: reasonOf(inner.payload) } }),
  };
}

/** The text inside `{"error":{"message":…}}`. */
function reasonOf(payload: Uint8Array): string {
  const parsed = parseJson(payload);
  const error = typeof parsed !== 'string' && isJsonObject(parsed.value) ? parsed.value.error : undefined;
  const message = isJsonObject(error) ? error.message : undefined;
  return typeof message === 'string' ? message.slice(0, 500) : 'the peer gave no reason';
}

function spanOf(span: Millis): string {
  return span % 1000 === 0 ? `${span / 1000}s` : `${Math.round(span)}ms`;
}

function cancelled(peer: string): PilotError {
  return new PilotError('cancelled', `Cancelled: the wait for a reply from "${peer}"`);
}
