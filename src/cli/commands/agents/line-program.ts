import { PilotError } from '../../../api/errors.ts';
import { fromUtf8Strict, utf8 } from '../../../base/bytes.ts';
import type { Instant, Millis } from '../../../base/units.ts';
import type { Abort, Clock } from '../../../runtime/ports.ts';
import type { HandlerReply, IncomingMessage } from '../../../sdk/message-service.ts';
import { decodeBase64, encodeBase64 } from '../../../wire/base64.ts';
import { isJsonObject, parseJson } from '../../../wire/json.ts';
import type { Answerers, LineProgram } from '../../host.ts';

/** A program that keeps ending is started again after this long, doubled up to the longest. */
const RESTART: readonly [Millis, Millis] = [100, 10_000];
/** A program that lived this long starts anew without delay. */
const STEADY: Millis = 10_000;

interface Waiting {
  resolve(reply: HandlerReply): void;
  reject(error: PilotError): void;
}

/**
 * One program for all messages: a line of JSON in for each message, a line of JSON out for each answer, matched by
 * `id`, in any order. docs/agents.md
 */
export class LineAnswerer {
  readonly #answerers: Answerers;
  readonly #clock: Clock;
  readonly #command: string;
  readonly #lineLimit: number;
  readonly #onEnd: (text: string) => void;
  readonly #waiting = new Map<string, Waiting>();
  #program: LineProgram | undefined;
  #startedAt: Instant = 0;
  #notBefore: Instant = 0;
  #pause: Millis = RESTART[0];
  #lastId = 0;

  constructor(options: {
    readonly answerers: Answerers;
    readonly clock: Clock;
    readonly command: string;
    readonly lineLimit: number;
    readonly onEnd: (text: string) => void;
  }) {
    this.#answerers = options.answerers;
    this.#clock = options.clock;
    this.#command = options.command;
    this.#lineLimit = options.lineLimit;
    this.#onEnd = options.onEnd;
  }

  async answer(message: IncomingMessage, signal: Abort): Promise<HandlerReply> {
    if (this.#program === undefined) {
      const now = this.#clock.now();
      if (now < this.#notBefore) await this.#clock.sleep(this.#notBefore - now, signal);
    }
    const program = this.#program ?? this.#start();
    const id = String(++this.#lastId);
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      signal.addEventListener('abort', () => this.#waiting.delete(id));
      program.write(JSON.stringify({ id, ...lineOf(message) }));
    });
  }

  stop(): void {
    this.#program?.stop();
  }

  #start(): LineProgram {
    const program = this.#answerers.start(this.#command, this.#lineLimit);
    this.#program = program;
    this.#startedAt = this.#clock.now();
    void this.#read(program);
    return program;
  }

  async #read(program: LineProgram): Promise<void> {
    for (let line = await program.nextLine(); line !== undefined; line = await program.nextLine()) {
      if (line.trim() !== '') this.#onLine(line);
    }
    this.#program = undefined;
    const now = this.#clock.now();
    this.#pause = now - this.#startedAt >= STEADY ? RESTART[0] : Math.min(2 * this.#pause, RESTART[1]);
    this.#notBefore = now + this.#pause;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of waiting) {
      reject(new PilotError('unavailable', 'The program of the service ended before it answered'));
    }
    this.#onEnd('the program has ended; it is started again with the next message');
  }

  #onLine(line: string): void {
    const parsed = parseJson(utf8(line));
    const answer = typeof parsed !== 'string' && isJsonObject(parsed.value) ? parsed.value : undefined;
    const id = answer?.id;
    const waiting =
      typeof id === 'string' || typeof id === 'number' ? this.#waiting.get(String(id)) : undefined;
    if (answer === undefined || waiting === undefined) {
      this.#onEnd('the program wrote a line that answers no message');
      return;
    }
    this.#waiting.delete(String(id));
    const { data, data_b64, error } = answer;
    if (typeof error === 'string') waiting.reject(new PilotError('internal', error.slice(0, 500)));
    else if (typeof data_b64 === 'string') {
      const bytes = decodeBase64(data_b64);
      if (bytes === undefined)
        waiting.reject(new PilotError('internal', 'The program of the service wrote bad base64'));
      else waiting.resolve({ type: 'binary', data: bytes });
    } else if (typeof data === 'string') waiting.resolve(data);
    else if (data === undefined) waiting.resolve(undefined);
    else waiting.resolve({ type: 'json', data: utf8(JSON.stringify(data)) });
  }
}

/** What the program is told of a message. */
function lineOf({ from, node, name, type, data, messageId, replyTo }: IncomingMessage): object {
  const text = type === 'binary' ? undefined : fromUtf8Strict(data);
  return {
    type,
    from,
    node,
    name,
    ...(messageId !== undefined && { message_id: messageId }),
    ...(replyTo !== undefined && { reply_to: replyTo }),
    ...(text === undefined ? { data_b64: encodeBase64(data) } : { data: text }),
  };
}
