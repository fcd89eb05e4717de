import type { NodeId } from '../base/units.ts';
import type { KeyAnswer } from '../core/relay/key-desk.ts';

/** Lookups under way at once; the rest wait. */
const CONCURRENT = 32;
/** Beyond this, questions are dropped: the node registers again within a minute and is asked for then. */
const QUEUE_LIMIT = 4_096;

interface Question {
  readonly node: NodeId;
  readonly claimed: Uint8Array | undefined;
}

/** Identity key registered for a node, undefined when there is none; may be asked only whether it is the claimed one. */
export type LookupKey = (node: NodeId, claimed?: Uint8Array) => Promise<Uint8Array | undefined>;

/** Asks the directory for identity keys, a bounded number at a time. A failed lookup is told as `unavailable`. */
export class KeyLookups {
  readonly #lookup: LookupKey | undefined;
  readonly #onKey: (node: NodeId, answer: KeyAnswer, claimed: Uint8Array | undefined) => void;
  readonly #queue: Question[] = [];
  #running = 0;
  #stopped = false;

  constructor(
    lookup: LookupKey | undefined,
    onKey: (node: NodeId, answer: KeyAnswer, claimed: Uint8Array | undefined) => void,
  ) {
    this.#lookup = lookup;
    this.#onKey = onKey;
  }

  request(node: NodeId, claimed?: Uint8Array): void {
    if (this.#lookup === undefined || this.#stopped || this.#queue.length >= QUEUE_LIMIT) return;
    this.#queue.push({ node, claimed });
    this.#next();
  }

  stop(): void {
    this.#stopped = true;
    this.#queue.length = 0;
  }

  #next(): void {
    while (this.#running < CONCURRENT) {
      const question = this.#queue.shift();
      if (question === undefined) return;
      this.#running++;
      void this.#run(question);
    }
  }

  async #run({ node, claimed }: Question): Promise<void> {
    let answer: KeyAnswer;
    try {
      answer = await this.#lookup?.(node, claimed);
    } catch {
      answer = 'unavailable';
    }
    this.#running--;
    if (this.#stopped) return;
    this.#onKey(node, answer, claimed);
    this.#next();
  }
}
