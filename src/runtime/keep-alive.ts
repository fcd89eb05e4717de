import type { Instant, Millis } from '../base/units.ts';
import type { Clock, MessagePipe, Timer } from './ports.ts';

/** spec/23 §1.2: asks after 30 s of silence, and waits 10 s for an answer. */
const SILENCE: Millis = 30_000;
const PATIENCE: Millis = 10_000;

/**
 * Cuts a message pipe whose other side is gone without a word. Whoever reads the pipe calls `heard` with each message;
 * whoever writes and expects answers may call `doubt`.
 */
export class KeepAlive {
  readonly #pipe: MessagePipe;
  readonly #clock: Clock;
  readonly #silence: Millis;
  #heardAt: Instant;
  /** Running: the other side owes an answer since then. */
  #askedAt: Instant | undefined;
  #timer: Timer | undefined;

  /** `silence`: shorter than the other side's, so that only one of the two asks. */
  constructor(pipe: MessagePipe, clock: Clock, silence: Millis = SILENCE) {
    this.#pipe = pipe;
    this.#clock = clock;
    this.#silence = silence;
    this.#heardAt = clock.now();
    pipe.onSign(() => this.heard());
    this.#arm(this.#heardAt + silence);
  }

  heard(): void {
    this.#heardAt = this.#clock.now();
    if (this.#askedAt === undefined) return;
    this.#askedAt = undefined;
    this.#arm(this.#heardAt + this.#silence);
  }

  /** Asks now, and cuts the pipe when there is no answer in time. */
  doubt(patience: Millis = PATIENCE): void {
    if (this.#askedAt !== undefined) return;
    this.#askedAt = this.#clock.now();
    this.#pipe.ping();
    this.#arm(this.#askedAt + patience);
  }

  /** Something was sent that is answered: silence for so long is doubted. */
  expecting(silence: Millis, patience: Millis): void {
    if (this.#clock.now() - this.#heardAt >= silence) this.doubt(patience);
  }

  stop(): void {
    this.#timer?.cancel();
  }

  /** Being heard moves the time on without touching the timer. */
  #arm(when: Instant): void {
    this.#timer?.cancel();
    this.#timer = this.#clock.at(when, () => {
      if (this.#askedAt !== undefined) {
        this.#pipe.destroy();
        return;
      }
      const due = this.#heardAt + this.#silence;
      if (due > this.#clock.now()) this.#arm(due);
      else this.doubt();
    });
  }
}
