import { IPC_DATA_HEADER } from '../wire/ipc.ts';
import { DATA_FRAME } from './extension.ts';

/** Two frames of bulk data. Chosen: about what a local socket takes in one call. */
export const FRAME_BUFFER = 2 * (IPC_DATA_HEADER + DATA_FRAME);
/** Buffers kept for the next writer; more are left to the garbage collector. */
const MOST_FREE = 16;

/** Memory that frames are written into, shared by the connections of a program: one that has nothing to say holds none. */
export class FramePool {
  readonly #free: Uint8Array[] = [];

  /** `FRAME_BUFFER` bytes of any content. */
  take(): Uint8Array {
    return this.#free.pop() ?? new Uint8Array(FRAME_BUFFER);
  }

  give(buffer: Uint8Array): void {
    if (this.#free.length < MOST_FREE) this.#free.push(buffer);
  }
}
