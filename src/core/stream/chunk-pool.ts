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
  /** Given back; packets that show them may still be waiting. */
  readonly #given: Uint8Array[] = [];

  /** `CHUNK_BYTES` of any content. */
  take(): Uint8Array {
    return this.#free.pop() ?? new Uint8Array(CHUNK_BYTES);
  }

  /** It is somebody else's after the next `settle`: no view of it is handed out any more. */
  give(chunk: Uint8Array): void {
    this.#given.push(chunk);
  }

  /**
   * No packet that was made is waiting any more. Only now what was given back is used again: else a repetition that
   * was overtaken by its acknowledgment could carry bytes of another stream to a peer they are not for.
   */
  settle(): void {
    for (let chunk = this.#given.pop(); chunk !== undefined; chunk = this.#given.pop())
      if (this.#free.length < MOST_FREE) this.#free.push(chunk);
  }
}
