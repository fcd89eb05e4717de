import { PilotError } from '../../api/errors.ts';
import type { Conn } from '../../api/stream.ts';
import type { Bytes } from '../../base/units.ts';
import { type DataFrame, DataFrameReader } from '../../wire/data-exchange.ts';

/** Acknowledgements are short; a peer that sends more is not one. */
const ANSWER_BYTES = 64 * 1024;

/** Reads the frames a receiver answers with. */
export class AnswerReader {
  readonly #conn: Conn;
  readonly #reader: DataFrameReader;

  /** `limit` bounds one frame; @default 65536 */
  constructor(conn: Conn, limit: Bytes = ANSWER_BYTES) {
    this.#conn = conn;
    this.#reader = new DataFrameReader(limit);
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
