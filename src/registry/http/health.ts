import type { Millis } from '../../base/units.ts';
import type { Clock } from '../../runtime/ports.ts';
import type { Store } from '../store/store.ts';

/** A store that takes longer is not one to send more clients to. */
const PATIENCE: Millis = 1000;
/** Answers within this time share one question to the store. */
const FRESH: Millis = 500;

export type Readiness = 'ready' | 'draining' | 'store_unavailable';

/** Whether this process is one to send clients to. */
export class Health {
  readonly #store: Store;
  readonly #clock: Clock;
  #draining = false;
  #answers = true;
  #asked: { readonly at: number; readonly answer: Promise<number | undefined> } | undefined;

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** True when the store answered the last question in time. */
  get answers(): boolean {
    return this.#answers;
  }
  /** From now on not ready. */
  drain(): void {
    this.#draining = true;
  }
  async readiness(): Promise<Readiness> {
    if (this.#draining) return 'draining';
    return (await this.records()) === undefined ? 'store_unavailable' : 'ready';
  }
  /** Node records ever made; undefined when the store does not say so in time. */
  records(): Promise<number | undefined> {
    const now = this.#clock.now();
    if (this.#asked === undefined || now - this.#asked.at >= FRESH) {
      this.#asked = { at: now, answer: this.#ask() };
    }
    return this.#asked.answer;
  }

  #ask(): Promise<number | undefined> {
    return new Promise((resolve) => {
      const timer = this.#clock.at(this.#clock.now() + PATIENCE, () => done(undefined));
      const done = (records: number | undefined): void => {
        timer.cancel();
        this.#answers = records !== undefined;
        resolve(records);
      };
      this.#store.counts().then(
        ({ nodes }) => done(nodes),
        () => done(undefined),
      );
    });
  }
}
