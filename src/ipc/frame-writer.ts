import { concat } from '../base/bytes.ts';
import type { Pipe } from '../runtime/ports.ts';

/** Frames up to this size are joined into one write. */
const JOIN_LIMIT = 64 * 1024;
/** What a client that does not read may leave of frames that go ahead, bytes. */
const AHEAD_LIMIT = 256 * 1024;

/**
 * Writes frames to a pipe: frames of one turn of the event loop leave in one write. `congested` tells producers of
 * bulk data to wait for `drained`; control frames may be pushed at any time, their number is bounded by requests.
 */
export class FrameWriter {
  readonly #pipe: Pipe;
  #queue: Uint8Array[] = [];
  #waitingBytes = 0;
  #ahead: Uint8Array[] = [];
  #aheadBytes = 0;
  #scheduled = false;
  #blocked = false;
  #closed = false;
  #onDrain: () => void = () => {};

  constructor(pipe: Pipe) {
    this.#pipe = pipe;
  }

  get congested(): boolean {
    return this.#blocked;
  }

  /** Bytes the client has left unread beyond what the pipe holds. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Called each time the pipe takes data again after it was congested. */
  onDrain(receiver: () => void): void {
    this.#onDrain = receiver;
  }

  push(frame: Uint8Array): void {
    if (this.#closed) return;
    this.#queue.push(frame);
    this.#waitingBytes += frame.length;
    this.#schedule();
  }

  /** A frame that overtakes what waits, such as a datagram beside bulk data. False when too many wait: it is dropped. */
  pushAhead(frame: Uint8Array): boolean {
    if (this.#aheadBytes + frame.length > AHEAD_LIMIT) this.flush();
    if (this.#closed || this.#aheadBytes + frame.length > AHEAD_LIMIT) return false;
    this.#ahead.push(frame);
    this.#aheadBytes += frame.length;
    this.#schedule();
    return true;
  }

  #schedule(): void {
    if (this.#scheduled || this.#blocked) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.flush();
    });
  }

  flush(): void {
    if (this.#blocked || this.#closed) return;
    const queue = this.#ahead.length > 0 ? [...this.#ahead, ...this.#queue] : this.#queue;
    this.#ahead = [];
    this.#aheadBytes = 0;
    this.#queue = [];
    this.#waitingBytes = 0;
    let ready = true;
    for (let at = 0; at < queue.length; ) {
      let length = queue[at]!.length;
      let end = at + 1;
      while (end < queue.length && length + queue[end]!.length <= JOIN_LIMIT) length += queue[end++]!.length;
      ready = this.#pipe.write(end === at + 1 ? queue[at]! : concat(...queue.slice(at, end)));
      at = end;
    }
    if (!ready) this.#wait();
  }

  close(): void {
    this.flush();
    this.#end();
  }

  #wait(): void {
    this.#blocked = true;
    this.#pipe.drained().then(
      () => {
        this.#blocked = false;
        this.flush();
        if (!this.#blocked && !this.#closed) this.#onDrain();
      },
      () => this.#end(),
    );
  }

  #end(): void {
    this.#closed = true;
    this.#queue = [];
    this.#ahead = [];
  }
}
