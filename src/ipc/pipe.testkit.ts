import { PilotError } from '../api/errors.ts';
import type { Random } from '../base/random.ts';
import type { Net, Pipe } from '../runtime/ports.ts';

/** Two ends of a byte pipe in memory. With `random`, bytes arrive cut at random places. */
export function pipePair(options: { random?: Random; highWater?: number } = {}): [MemoryPipe, MemoryPipe] {
  const a = new MemoryPipe(options);
  const b = new MemoryPipe(options);
  a.join(b);
  b.join(a);
  return [a, b];
}

export class MemoryPipe implements Pipe {
  readonly remote = { host: 'memory', port: 0 };
  readonly local = { host: 'memory', port: 0 };
  readonly secure = false;
  readonly #random: Random | undefined;
  readonly #highWater: number;
  #other!: MemoryPipe;
  /** Bytes on their way to this end. */
  #incoming: Uint8Array[] = [];
  #incomingBytes = 0;
  #receiver: ((data: Uint8Array) => void) | undefined;
  #closeReceiver: ((error?: Error) => void) | undefined;
  #waiters: (() => void)[] = [];
  #paused = false;
  #ended = false;
  #closed = false;
  #scheduled = false;

  constructor(options: { random?: Random; highWater?: number }) {
    this.#random = options.random;
    this.#highWater = options.highWater ?? 64 * 1024;
  }

  join(other: MemoryPipe): void {
    this.#other = other;
  }

  /** Bytes written by this end that the other has not taken. */
  get queued(): number {
    return this.#other.#incomingBytes;
  }

  get closed(): boolean {
    return this.#closed;
  }

  write(data: Uint8Array): boolean {
    if (this.#closed || this.#ended) return false;
    this.#other.#incoming.push(data.slice());
    this.#other.#incomingBytes += data.length;
    this.#other.#schedule();
    return this.queued < this.#highWater;
  }

  drained(): Promise<void> {
    if (this.#closed || this.queued < this.#highWater) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  onData(receiver: (data: Uint8Array) => void): void {
    this.#receiver = receiver;
    this.#schedule();
  }

  onClose(receiver: (error?: Error) => void): void {
    this.#closeReceiver = receiver;
    if (this.#closed) queueMicrotask(() => receiver());
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#schedule();
  }

  end(): void {
    this.#ended = true;
    this.#other.#schedule();
  }

  destroy(): void {
    this.#close();
    this.#other.#close();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#deliver();
    });
  }

  #deliver(): void {
    if (this.#closed || this.#paused || this.#receiver === undefined) return;
    const chunk = this.#incoming.shift();
    if (chunk === undefined) {
      if (this.#other.#ended) this.destroy();
      return;
    }
    const cut = this.#random === undefined ? chunk.length : 1 + this.#random.below(chunk.length);
    if (cut < chunk.length) this.#incoming.unshift(chunk.subarray(cut));
    this.#incomingBytes -= cut;
    if (this.#incomingBytes < this.#highWater) for (const wake of this.#other.#waiters.splice(0)) wake();
    this.#receiver(chunk.subarray(0, cut));
    if (this.#incoming.length > 0 || this.#other.#ended) this.#schedule();
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const wake of this.#waiters.splice(0)) wake();
    this.#closeReceiver?.();
  }
}

/** Local sockets only. */
export function memoryNet(
  options: { random?: Random; highWater?: number } = {},
): Net & { last: MemoryPipe | undefined } {
  const servers = new Map<string, (pipe: Pipe) => void>();
  const refuse = (): never => {
    throw new Error('local sockets only');
  };
  return {
    last: undefined,
    udp: refuse,
    listen: refuse,
    connect: refuse,
    webSocket: refuse,
    resolve: refuse,
    localAddresses: () => [],
    links: () => [],
    gateways: () => [],
    watchNetworks: refuse,
    listenLocal(path, onPipe) {
      if (servers.has(path)) return Promise.reject(new PilotError('socket_in_use', path));
      servers.set(path, onPipe);
      return Promise.resolve({
        local: { host: path, port: 0 },
        close: () => {
          servers.delete(path);
          return Promise.resolve();
        },
      });
    },
    connectLocal(path) {
      const accept = servers.get(path);
      if (accept === undefined) return Promise.reject(new PilotError('not_running', path));
      const [mine, theirs] = pipePair(options);
      this.last = theirs;
      accept(theirs);
      return Promise.resolve(mine);
    },
  };
}
