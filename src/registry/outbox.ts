import type { Clock, Pipe, Timer } from '../runtime/ports.ts';
import type { ServerLimits } from './server-limits.ts';

/** What goes out on one connection: in order, bounded, and not for ever to a client that does not read. */
export class Outbox {
  readonly #pipe: Pipe;
  readonly #clock: Clock;
  readonly #limits: ServerLimits;
  readonly #onDrained: () => void;
  #unsent = 0;
  #stalled: Timer | undefined;
  #closed = false;

  constructor(pipe: Pipe, clock: Clock, limits: ServerLimits, onDrained: () => void) {
    this.#pipe = pipe;
    this.#clock = clock;
    this.#limits = limits;
    this.#onDrained = onDrained;
  }

  /** True while the client takes less than we have for it. */
  get blocked(): boolean {
    return this.#stalled !== undefined;
  }

  send(data: Uint8Array): void {
    if (this.#closed) return;
    const flowing = this.#pipe.write(data);
    if (flowing && !this.blocked) return;
    this.#unsent += data.length;
    if (this.#unsent > this.#limits.unsent) this.#pipe.destroy();
    else if (!this.blocked) this.#wait();
  }

  close(): void {
    this.#closed = true;
    this.#stalled?.cancel();
  }

  #wait(): void {
    this.#stalled = this.#clock.at(this.#clock.now() + this.#limits.stalled, () => this.#pipe.destroy());
    void this.#pipe.drained().then(() => {
      this.#stalled?.cancel();
      this.#stalled = undefined;
      this.#unsent = 0;
      if (!this.#closed) this.#onDrained();
    });
  }
}
