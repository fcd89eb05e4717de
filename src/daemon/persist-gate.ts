import { asPilotError, type PilotError } from '../api/errors.ts';
import type { Clock, Log, Timer } from '../runtime/ports.ts';

const FIRST_RETRY = 1_000;
const LONGEST_RETRY = 30_000;

/**
 * Saves the newest of a sequence of values, and holds effects back until what caused them is on disk. When the disk
 * fails the effects go ahead, the failure is told, and saving is tried again until it works.
 */
export class PersistGate<Value> {
  readonly #save: (value: Value) => Promise<void>;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #name: string;
  #next: { readonly value: Value } | undefined;
  #saving = false;
  #held: (() => void)[] = [];
  #waiters: { resolve(): void; reject(error: PilotError): void }[] = [];
  #retry: Timer | undefined;
  #retryDelay = FIRST_RETRY;
  #failure: PilotError | undefined;

  constructor(options: { save: (value: Value) => Promise<void>; clock: Clock; log: Log; name: string }) {
    this.#save = options.save;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#name = options.name;
  }

  /** What was given last is not on disk yet, and there is hope that it soon will be. */
  get isHolding(): boolean {
    return this.#saving;
  }

  get failure(): PilotError | undefined {
    return this.#failure;
  }

  put(value: Value): void {
    this.#next = { value };
    if (!this.#saving) void this.#run();
  }

  /** Runs the effect now, or once what it follows from is saved. */
  after(effect: () => void): void {
    if (this.#saving) this.#held.push(effect);
    else effect();
  }

  get heldCount(): number {
    return this.#held.length;
  }

  /** Resolves once everything put so far is on disk. Errors: those of the storage. */
  settled(): Promise<void> {
    if (!this.#saving) {
      return this.#failure === undefined ? Promise.resolve() : Promise.reject(this.#failure);
    }
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  /** One last attempt for what is not saved. Errors: those of the storage. */
  async close(): Promise<void> {
    this.#retry?.cancel();
    if (this.#next !== undefined && !this.#saving) await this.#run();
    await this.settled();
  }

  async #run(): Promise<void> {
    this.#saving = true;
    this.#retry?.cancel();
    for (let next = this.#next; next !== undefined; next = this.#next) {
      this.#next = undefined;
      try {
        await this.#save(next.value);
        this.#failure = undefined;
        this.#retryDelay = FIRST_RETRY;
      } catch (thrown) {
        this.#failed(next, asPilotError(thrown));
        break;
      }
    }
    this.#saving = false;
    const waiters = this.#waiters.splice(0);
    for (const waiter of waiters) {
      if (this.#failure === undefined) waiter.resolve();
      else waiter.reject(this.#failure);
    }
    const held = this.#held;
    this.#held = [];
    for (const effect of held) effect();
  }

  #failed(lost: { readonly value: Value }, error: PilotError): void {
    this.#next ??= lost;
    this.#failure = error;
    this.#log.event('warn', 'state.save_failed', {
      file: this.#name,
      code: error.code,
      message: error.message,
    });
    this.#retry = this.#clock.at(this.#clock.now() + this.#retryDelay, () => {
      if (!this.#saving && this.#next !== undefined) void this.#run();
    });
    this.#retryDelay = Math.min(this.#retryDelay * 2, LONGEST_RETRY);
  }
}
