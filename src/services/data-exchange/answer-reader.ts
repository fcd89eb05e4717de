import { PilotError } from '../../api/errors.ts';
import type { Conn } from '../../api/stream.ts';
import { type DataFrame, DataFrameReader } from '../../wire/data-exchange.ts';

/** Answers are short; a peer that sends more is not one. */
const ANSWER_BYTES = 64 * 1024;

/** Reads the frames a receiver answers with. */
export class AnswerReader {
  readonly #conn: Conn;
  readonly #reader = new DataFrameReader(ANSWER_BYTES);

  constructor(conn: Conn) {
    this.#conn = conn;
  }

  /** The next frame, or undefined when the peer has finished. Errors: `protocol_error`, and those of the stream. */
  async next(): Promise<DataFrame | undefined> {
    for (;;) {
      const frame = this.#reader.next();
      if (frame !== undefined) return frame;
      if (this.#reader.error !== undefined)
        throw new PilotError('protocol_error', 'The peer sent an oversized answer');
      const chunk = await this.#conn.read();
      if (chunk === undefined) return undefined;
      this.#reader.push(chunk);
    }
  }
}
