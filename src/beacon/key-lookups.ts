import type { NodeId } from '../base/units.ts';

/** Lookups under way at once; the rest wait. */
const CONCURRENT = 32;
/** Beyond this, questions are dropped: the node registers again within a minute and is asked for then. */
const QUEUE_LIMIT = 4_096;

/** Asks the directory for identity keys, a bounded number at a time. A failed lookup counts as an unknown key. */
export class KeyLookups {
  readonly #lookup: ((node: NodeId) => Promise<Uint8Array | undefined>) | undefined;
  readonly #onKey: (node: NodeId, key: Uint8Array | undefined) => void;
  readonly #queue: NodeId[] = [];
  #running = 0;
  #stopped = false;

  constructor(
    lookup: ((node: NodeId) => Promise<Uint8Array | undefined>) | undefined,
    onKey: (node: NodeId, key: Uint8Array | undefined) => void,
  ) {
    this.#lookup = lookup;
    this.#onKey = onKey;
  }

  request(node: NodeId): void {
    if (this.#lookup === undefined || this.#stopped || this.#queue.length >= QUEUE_LIMIT) return;
    this.#queue.push(node);
    this.#next();
  }

  stop(): void {
    this.#stopped = true;
    this.#queue.length = 0;
  }

  #next(): void {
    while (this.#running < CONCURRENT) {
      const node = this.#queue.shift();
      if (node === undefined) return;
      this.#running++;
      void this.#run(node);
    }
  }

  async #run(node: NodeId): Promise<void> {
    let key: Uint8Array | undefined;
    try {
      key = await this.#lookup?.(node);
    } catch {
      key = undefined;
    }
    this.#running--;
    if (this.#stopped) return;
    this.#onKey(node, key);
    this.#next();
  }
}
