import { PilotError } from '../../api/errors.ts';
import type { Conn } from '../../api/stream.ts';
import type { Bytes } from '../../base/units.ts';
import { type DataFrame, DataFrameReader } from '../../wire/data-exchange.ts';

/** Acknowledgements are short; a peer that sends more is not one. */
const ANSWER_BYTES = 64 * 1024;

/** Reads the frames a receiver answers with. One reader at a time; `release` lets another take over. */
export class AnswerReader {
  readonly #conn: Conn;
  readonly #reader: DataFrameReader;
  #reading: Promise<void> | undefined;
  #isOver = false;
  #turn = 0;

  /** `limit` bounds one frame; @default 65536 */
  constructor(conn: Conn, limit: Bytes = ANSWER_BYTES) {
    this.#conn = conn;
    this.#reader = new DataFrameReader(limit);
  }

  /** The stream is between two frames and alive, as far as is known. */
  get isReusable(): boolean {
    return !this.#isOver && this.#reader.pendingBytes === 0;
  }

  /** The next frame, or undefined when the peer has finished. Errors: `protocol_error`, and those of the stream. */
  async next(): Promise<DataFrame | undefined> {
    const turn = this.#turn;
    for (;;) {
      if (turn !== this.#turn) return undefined;
      const frame = this.#reader.next();
      if (frame !== undefined) return frame;
      if (this.#reader.error !== undefined)
        throw new PilotError('protocol_error', 'The peer sent an oversized answer');
      if (this.#isOver) return undefined;
      this.#reading ??= this.#read();
      await this.#reading;
    }
  }

  /** Whoever waits for a frame gets undefined. */
  release(): void {
    this.#turn++;
    // It goes on reading, to notice the end of the stream; nobody may hear of it.
    this.#reading?.catch(() => {});
  }

  async #read(): Promise<void> {
    try {
      const chunk = await this.#conn.read();
      this.#reading = undefined;
      if (chunk === undefined) this.#isOver = true;
      else this.#reader.push(chunk);
    } catch (error) {
      this.#isOver = true;
      throw error;
    }
  }
}
