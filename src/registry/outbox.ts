import type { Clock, Pipe, Timer } from '../runtime/ports.ts';
import type { ServerLimits } from './server-limits.ts';

/** Bytes over all sessions of a server, and what became of those that took too many. */
export interface SharedBytes {
  /** Of unfinished frames. */
  buffered: number;
  /** Of replies and pushes that clients have not taken. */
  unsent: number;
  /** Clients cut off because they did not take what they were sent. */
  dropped: number;
}

export interface OutboxHost {
  readonly clock: Clock;
  readonly limits: ServerLimits;
  readonly shared: SharedBytes;
}

/** What goes out on one connection: in order, bounded, and not for ever to a client that does not read. */
export class Outbox {
  readonly #pipe: Pipe;
  readonly #host: OutboxHost;
  readonly #onDrained: () => void;
  #unsent = 0;
  #stalled: Timer | undefined;
  #closed = false;

  constructor(pipe: Pipe, host: OutboxHost, onDrained: () => void) {
    this.#pipe = pipe;
    this.#host = host;
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
    const { shared, limits } = this.#host;
    shared.unsent += data.length;
    if (this.#unsent > limits.unsent || shared.unsent > limits.unsentByAll) this.#drop();
    else if (!this.blocked) this.#wait();
  }

  close(): void {
    this.#closed = true;
    this.#stalled?.cancel();
    this.#settle();
  }

  #drop(): void {
    this.#host.shared.dropped++;
    this.#pipe.destroy();
  }

  #settle(): void {
    this.#host.shared.unsent -= this.#unsent;
    this.#unsent = 0;
  }

  #wait(): void {
    const { clock, limits } = this.#host;
    this.#stalled = clock.at(clock.now() + limits.stalled, () => this.#drop());
    void this.#pipe.drained().then(() => {
      this.#stalled?.cancel();
      this.#stalled = undefined;
      this.#settle();
      if (!this.#closed) this.#onDrained();
    });
  }
}
