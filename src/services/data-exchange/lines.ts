import { PilotError } from '../../api/errors.ts';
import type { Conn } from '../../api/stream.ts';
import type { Millis } from '../../base/units.ts';
import type { Abort, Clock, Timer } from '../../runtime/ports.ts';
import { DATA_FRAME_LIMIT } from '../../wire/data-exchange.ts';
import { AnswerReader } from './answer-reader.ts';

/** Streams to one peer at a time; more questions wait for one of them. Chosen: below the streams a node accepts at once. */
const LIMIT = 64;
/** How long a stream is kept for the next question. Chosen. */
const IDLE: Millis = 5_000;

/** A stream to port 1001 of a peer, and what comes back on it. */
export interface Line {
  readonly conn: Conn;
  readonly answers: AnswerReader;
}

export async function openLine(dial: (signal?: Abort) => Promise<Conn>, signal?: Abort): Promise<Line> {
  const conn = await dial(signal);
  return { conn, answers: new AnswerReader(conn, DATA_FRAME_LIMIT) };
}

/** Streams to one peer that questions use one after another: nodes accept new streams only at a bounded rate. */
export class Lines {
  readonly #clock: Clock;
  readonly #idle: { readonly line: Line; readonly timer: Timer }[] = [];
  readonly #waiting: (() => void)[] = [];
  #count = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isEmpty(): boolean {
    return this.#count === 0 && this.#waiting.length === 0;
  }

  /** With `fresh`, a stream nobody has used. Errors: `cancelled`, and those of `dial`. */
  async take(
    dial: (signal?: Abort) => Promise<Conn>,
    signal: Abort | undefined,
    fresh: boolean,
  ): Promise<Line> {
    for (;;) {
      const kept = fresh ? undefined : this.#idle.pop();
      if (kept !== undefined) {
        kept.timer.cancel();
        if (kept.line.answers.isReusable) return kept.line;
        this.end(kept.line);
        continue;
      }
      if (this.#count < LIMIT) break;
      const unused = this.#idle.shift();
      if (unused !== undefined) {
        unused.timer.cancel();
        this.end(unused.line);
        break;
      }
      await this.#turn(signal);
    }
    this.#count++;
    try {
      return await openLine(dial, signal);
    } catch (error) {
      this.#gone();
      throw error;
    }
  }

  /** The question is answered. */
  give(line: Line): void {
    line.answers.release();
    if (!line.answers.isReusable) {
      this.end(line);
      return;
    }
    const timer = this.#clock.at(this.#clock.now() + IDLE, () => {
      const at = this.#idle.findIndex((kept) => kept.line === line);
      if (at >= 0) this.#idle.splice(at, 1);
      this.end(line);
    });
    this.#idle.push({ line, timer });
    this.#waiting.shift()?.();
  }

  /** The stream is of no more use. */
  drop(line: Line): void {
    line.conn.abort();
    this.#gone();
  }

  /** As `drop`, in good order. */
  end({ conn }: Line): void {
    conn.close().catch(() => conn.abort());
    this.#gone();
  }

  #gone(): void {
    this.#count--;
    this.#waiting.shift()?.();
  }

  #turn(signal: Abort | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const go = (): void => {
        signal?.removeEventListener('abort', abort);
        resolve();
      };
      const abort = (): void => {
        const at = this.#waiting.indexOf(go);
        if (at >= 0) this.#waiting.splice(at, 1);
        reject(new PilotError('cancelled', 'Cancelled: waiting for a stream to the peer'));
      };
      this.#waiting.push(go);
      signal?.addEventListener('abort', abort);
      if (signal?.aborted) abort();
    });
  }
}
