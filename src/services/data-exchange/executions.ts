import type { Bytes, Instant, Millis } from '../../base/units.ts';
import type { Clock } from '../../runtime/ports.ts';

/** How long an answer is kept for a question asked again under its id. spec/23 §3 */
const LIFETIME: Millis = 600_000;
const LIMIT = 8192;
/** Answers kept, bytes. Chosen. */
const KEPT_BYTES: Bytes = 64 * 1024 * 1024;

interface Entry<Outcome> {
  readonly until: Instant;
  outcome: Promise<Outcome>;
  /** Of the answer, once there is one. */
  bytes: Bytes | undefined;
}

/** Questions carried out and being carried out: the same one is never carried out twice. */
export class Executions<Outcome> {
  readonly #clock: Clock;
  readonly #sizeOf: (outcome: Outcome) => Bytes;
  readonly #forgotten: Outcome;
  readonly #entries = new Map<string, Entry<Outcome>>();
  #bytes: Bytes = 0;

  /** `forgotten` answers a repeated question whose answer was too large to keep. */
  constructor(clock: Clock, sizeOf: (outcome: Outcome) => Bytes, forgotten: Outcome) {
    this.#clock = clock;
    this.#sizeOf = sizeOf;
    this.#forgotten = forgotten;
  }

  /** The outcome of a question that was asked before. */
  find(key: string): Promise<Outcome> | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (entry.bytes === undefined || entry.until > this.#clock.now()) return entry.outcome;
    this.#drop(key, entry);
    return undefined;
  }

  /** Remembers a question that is being carried out; the promise never rejects. */
  add(key: string, outcome: Promise<Outcome>): void {
    const entry: Entry<Outcome> = { until: this.#clock.now() + LIFETIME, outcome, bytes: undefined };
    this.#entries.set(key, entry);
    void outcome.then((value) => {
      if (this.#entries.get(key) !== entry) return;
      entry.bytes = this.#sizeOf(value);
      this.#bytes += entry.bytes;
      this.#tidy();
    });
    this.#tidy();
  }

  #tidy(): void {
    const now = this.#clock.now();
    for (const [key, entry] of this.#entries) {
      if (entry.bytes === undefined) continue;
      if (entry.until > now && this.#entries.size <= LIMIT) break;
      this.#drop(key, entry);
    }
    for (const entry of this.#entries.values()) {
      if (this.#bytes <= KEPT_BYTES) return;
      if (entry.bytes === undefined || entry.bytes === 0) continue;
      this.#bytes -= entry.bytes;
      entry.bytes = 0;
      entry.outcome = Promise.resolve(this.#forgotten);
    }
  }

  #drop(key: string, entry: Entry<Outcome>): void {
    this.#bytes -= entry.bytes ?? 0;
    this.#entries.delete(key);
  }
}
