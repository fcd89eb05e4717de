import type { Conn } from '../../api/stream.ts';
import type { NodeId } from '../../base/units.ts';
import type { DataFrame } from '../../wire/data-exchange.ts';

/** Programs of this machine that have to do with messages. docs/decisions/0015 */
export interface MessagePrograms {
  /** A stream to the program that answers messages, as if the peer had opened it; undefined when there is none. */
  open(peer: Conn['remote']): Conn | undefined;
  /** A program waits for messages of this node: they are answers, not questions. */
  isWatched(node: NodeId): boolean;
  /**
   * The sender of a stored question reads the answer on its stream, when one comes: `tell` writes it there. Returns
   * how to say that it no longer does.
   */
  listens(peer: Conn['remote'], messageId: string, tell: (frame: Uint8Array) => Promise<void>): () => void;
  /** A message was stored in the inbox under this name; `frame` is as it came. */
  stored(peer: Conn['remote'], frame: DataFrame, name: string): void;
}

/** Follows a byte stream of frames: is it between two of them? */
export class FrameBoundary {
  readonly #header = new Uint8Array(8);
  #headerBytes = 0;
  #left = 0;
  #frames = 0;

  /** Whole frames that have passed. */
  get frames(): number {
    return this.#frames;
  }

  get isBetween(): boolean {
    return this.#headerBytes === 0 && this.#left === 0;
  }

  passed(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, chunk.length - at);
        this.#left -= taken;
        at += taken;
        if (this.#left === 0) this.#frames++;
        continue;
      }
      this.#header[this.#headerBytes++] = chunk[at++]!;
      if (this.#headerBytes < 8) continue;
      this.#headerBytes = 0;
      const [a = 0, b = 0, c = 0, d = 0] = this.#header.subarray(4);
      this.#left = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
      if (this.#left === 0) this.#frames++;
    }
  }
}
