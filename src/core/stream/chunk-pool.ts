/** Chosen: holds a full train, and the pieces in which local programs hand bytes over. */
export const CHUNK_BYTES = 64 * 1024;
/** Chunks kept for the next user; more are left to the garbage collector. Chosen: the largest window of one stream. */
const MOST_FREE = 256;

/**
 * Memory for bytes on their way, used again and again: arrays of this size live outside the JavaScript heap, and to
 * allocate them per packet makes the collector walk all of the heap every 64 MB.
 */
export class ChunkPool {
  readonly #free: Uint8Array[] = [];

  /** `CHUNK_BYTES` of any content. */
  take(): Uint8Array {
    return this.#free.pop() ?? new Uint8Array(CHUNK_BYTES);
  }

  /** From now on the chunk is somebody else's: no view of it is read or handed out any more. */
  give(chunk: Uint8Array): void {
    if (this.#free.length < MOST_FREE) this.#free.push(chunk);
  }
}
