import { concat, EMPTY } from '../base/bytes.ts';
import type { Bytes } from '../base/units.ts';
import type { Pipe } from '../runtime/ports.ts';
import { soon } from '../runtime/soon.ts';
import { IPC_DATA_HEADER, type IpcConnId, writeIpcDataHeader } from '../wire/ipc.ts';
import { FRAME_BUFFER, FramePool } from './frame-pool.ts';

/** Parts up to this size are joined into one write. */
const JOIN_LIMIT = 64 * 1024;
/** Frames above this leave from where they lie. */
const COPY_LIMIT = FRAME_BUFFER / 2;
/** What a client that does not read may leave of frames that go ahead, bytes. */
const AHEAD_LIMIT = 256 * 1024;

/**
 * Writes frames to a pipe: frames of one turn of the event loop leave in one write. `congested` tells producers of
 * bulk data to wait for `drained`; control frames may be pushed at any time, their number is bounded by requests.
 * Frames are gathered in memory that is used again once the pipe has passed it on.
 */
export class FrameWriter {
  readonly #pipe: Pipe;
  readonly #pool: FramePool;
  /** What leaves before the part of `#buffer` from `#from` to `#at`. */
  #queue: Uint8Array[] = [];
  #buffer: Uint8Array | undefined;
  #from = 0;
  #at = 0;
  /** Buffers whose bytes wait, here or in the pipe. */
  #full: Uint8Array[] = [];
  #waitingBytes: Bytes = 0;
  #ahead: Uint8Array[] = [];
  #aheadBytes: Bytes = 0;
  #scheduled = false;
  #blocked = false;
  #closed = false;
  #onDrain: () => void = () => {};

  constructor(pipe: Pipe, pool = new FramePool()) {
    this.#pipe = pipe;
    this.#pool = pool;
  }

  get congested(): boolean {
    return this.#blocked;
  }

  /** Bytes the client has left unread beyond what the pipe holds. */
  get waitingBytes(): Bytes {
    return this.#waitingBytes;
  }

  /** Called each time the pipe takes data again after it was congested. */
  onDrain(receiver: () => void): void {
    this.#onDrain = receiver;
  }

  /** The frame is not to be written to again. */
  push(frame: Uint8Array): void {
    if (this.#closed) return;
    if (frame.length > COPY_LIMIT) {
      this.#cut();
      this.#queue.push(frame);
    } else {
      const at = this.#room(frame.length);
      this.#buffer!.set(frame, at);
      this.#at += frame.length;
    }
    this.#added(frame.length);
  }

  /** A Send or Recv with a copy of `data`, at most `DATA_FRAME` bytes. */
  pushData(cmd: number, conn: IpcConnId, data: Uint8Array): void {
    const at = this.roomForData(data.length);
    this.memory.set(data, at);
    this.endData(cmd, conn, data.length);
  }

  /** Where in `memory` the data of a Send or Recv may be written, at most `DATA_FRAME` bytes; `endData` follows. */
  roomForData(length: Bytes): number {
    return this.#room(IPC_DATA_HEADER + length) + IPC_DATA_HEADER;
  }

  get memory(): Uint8Array {
    return this.#buffer ?? EMPTY;
  }

  /** Completes the frame whose data was written where `roomForData` said. */
  endData(cmd: number, conn: IpcConnId, length: Bytes): void {
    if (this.#closed) return;
    writeIpcDataHeader(this.memory, cmd, conn, length, this.#at);
    this.#at += IPC_DATA_HEADER + length;
    this.#added(IPC_DATA_HEADER + length);
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

  flush(): void {
    if (this.#blocked || this.#closed) return;
    this.#cut();
    const parts = this.#ahead.length > 0 ? [...this.#ahead, ...this.#queue] : this.#queue;
    this.#ahead = [];
    this.#aheadBytes = 0;
    this.#queue = [];
    this.#waitingBytes = 0;
    let ready = true;
    for (let at = 0; at < parts.length; ) {
      let length = parts[at]!.length;
      let end = at + 1;
      while (end < parts.length && length + parts[end]!.length <= JOIN_LIMIT) length += parts[end++]!.length;
      ready = this.#pipe.write(end === at + 1 ? parts[at]! : concat(...parts.slice(at, end)));
      at = end;
    }
    if (this.#pipe.queued === 0) this.#release();
    if (!ready) this.#wait();
  }

  close(): void {
    this.flush();
    this.#end();
  }

  /** Everything was passed on. */
  #release(): void {
    if (this.#buffer === undefined && this.#full.length === 0) return;
    for (const buffer of this.#full) this.#pool.give(buffer);
    this.#full = [];
    if (this.#buffer !== undefined) this.#pool.give(this.#buffer);
    this.#buffer = undefined;
    this.#from = 0;
    this.#at = 0;
  }

  /** Where the next `length` bytes go. */
  #room(length: Bytes): number {
    if (this.#buffer === undefined || this.#at + length > this.#buffer.length) {
      this.#cut();
      if (this.#buffer !== undefined) this.#full.push(this.#buffer);
      this.#buffer = this.#pool.take();
      this.#from = 0;
      this.#at = 0;
    }
    return this.#at;
  }

  /** What follows is no longer joined to what is there. */
  #cut(): void {
    if (this.#at === this.#from) return;
    this.#queue.push(this.#buffer!.subarray(this.#from, this.#at));
    this.#from = this.#at;
  }

  #added(bytes: Bytes): void {
    this.#waitingBytes += bytes;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#blocked) return;
    this.#scheduled = true;
    soon(this.#flushScheduled);
  }

  readonly #flushScheduled = (): void => {
    this.#scheduled = false;
    this.flush();
  };

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

  /** Buffers may still be in the pipe's hands: they are not used again. */
  #end(): void {
    this.#closed = true;
    this.#queue = [];
    this.#full = [];
    this.#buffer = undefined;
    this.#ahead = [];
  }
}
