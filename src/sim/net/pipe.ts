import { concat } from '../../base/bytes.ts';
import type { Random } from '../../base/random.ts';
import type { Endpoint, Millis } from '../../base/units.ts';
import type { Pipe } from '../../runtime/ports.ts';
import type { Death, Process } from './process.ts';
import { chance } from './seeded-random.ts';

/** Bytes written and not yet read at which a writer is asked to wait. */
const HIGH_WATER = 64 * 1024;
const FIRST_RETRY: Millis = 200;
const LONGEST_RETRY: Millis = 8_000;
/** Data that is not acknowledged for this long breaks the connection, as TCP does after some minutes. */
const GIVES_UP_AFTER: Millis = 120_000;
/** How long the answer of a host that knows no such connection takes. */
const RESET_DELAY: Millis = 40;
/** As the Node adapter: how long an ended pipe waits for the other side. */
const LINGER: Millis = 10_000;
/** As the Node adapter asks of the kernel: silence after which the other side is probed, and how often until it counts as gone. */
const KEEP_ALIVE_AFTER: Millis = 15_000;
const PROBE_INTERVAL: Millis = 1_000;
const PROBES = 10;

type Item = Uint8Array | 'fin';

/** What the network does to one item sent by an end of a connection. */
export type Passing = { readonly delay: Millis } | 'lost' | 'reset';

/** The way between two ends. */
export interface Wire {
  pass(from: PipeEnd, bytes: number): Passing;
  /** Both ends are on one host. */
  readonly local: boolean;
  /** Called for every item that reaches the other end's host. */
  arrived(from: PipeEnd, data: Uint8Array): void;
}

/** One end of a TCP connection or local socket between two processes of the virtual internet. */
export class PipeEnd implements Pipe {
  readonly process: Process;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly secure: boolean;
  peer!: PipeEnd;
  readonly #wire: Wire;
  readonly #random: Random;
  #outbox: Item[] = [];
  #inbox: Item[] = [];
  /** Bytes written here that the peer's program has not read. */
  #unread = 0;
  #waiting: (() => void)[] = [];
  #receiver: ((data: Uint8Array) => void) | undefined;
  #onClose: ((error?: Error) => void) | undefined;
  #paused = false;
  #pumping = false;
  #retry = FIRST_RETRY;
  #stalledSince: number | undefined;
  #lastArrival = 0;
  #heardAt: number;
  #ended = false;
  #finSent = false;
  #remoteEnded = false;
  #closed = false;
  #failure: Error | undefined;

  constructor(options: {
    process: Process;
    local: Endpoint;
    remote: Endpoint;
    secure: boolean;
    wire: Wire;
    random: Random;
  }) {
    this.process = options.process;
    this.local = options.local;
    this.remote = options.remote;
    this.secure = options.secure;
    this.#wire = options.wire;
    this.#random = options.random;
    this.process.pipes.add(this);
    this.#heardAt = this.#now;
    if (!this.#wire.local) this.#watch();
  }

  /** What is written is copied at once. */
  readonly queued = 0;

  write(data: Uint8Array): boolean {
    if (this.#closed || this.#ended || !this.process.alive) return false;
    if (data.length > 0) {
      this.#outbox.push(data.slice());
      this.#unread += data.length;
      this.#pump();
    }
    return this.#unread < HIGH_WATER;
  }

  drained(): Promise<void> {
    if (this.#closed || this.#unread < HIGH_WATER) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  onData(receiver: (data: Uint8Array) => void): void {
    this.#receiver = receiver;
    this.#later(() => this.#flush());
  }

  onClose(receiver: (error?: Error) => void): void {
    if (this.#closed) this.#later(() => receiver(this.#failure));
    else this.#onClose = receiver;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#later(() => this.#flush());
  }

  end(): void {
    if (this.#closed || this.#ended || !this.process.alive) return;
    this.#ended = true;
    this.#outbox.push('fin');
    this.process.schedule(this.#now + LINGER, () => this.destroy());
    this.#pump();
  }

  destroy(): void {
    if (this.#closed) return;
    this.#outbox = [];
    this.#close(undefined);
    this.#sayGoodbye();
  }

  /** The process that owned this end is gone. */
  abandon(death: Death): void {
    this.#closed = true;
    this.#outbox = [];
    this.#inbox = [];
    if (death === 'killed') this.#sayGoodbye();
  }

  /** What kernels do on a silent connection: one that a host or a NAT has forgotten ends within seconds. */
  #watch(): void {
    this.process.schedule(this.#heardAt + KEEP_ALIVE_AFTER, () => {
      if (this.#closed) return;
      // What waits to be acknowledged is repeated instead.
      if (this.#outbox.length > 0) this.#heardAt = this.#now;
      if (this.#now - this.#heardAt < KEEP_ALIVE_AFTER) this.#watch();
      else this.#probe(PROBES);
    });
  }

  #probe(left: number): void {
    if (this.#closed) return;
    const passing = this.#wire.pass(this, 0);
    if (passing === 'lost' && left > 0) {
      this.process.schedule(this.#now + PROBE_INTERVAL, () => this.#probe(left - 1));
    } else if (passing === 'lost') this.#breakAfter(0, 'ETIMEDOUT');
    else if (passing === 'reset' || this.peer.#closed) this.#breakAfter(RESET_DELAY, 'ECONNRESET');
    else {
      this.#heardAt = this.#now;
      this.#watch();
    }
  }

  /** An item reaches this end. */
  #arrive(item: Item): void {
    this.#heardAt = this.#now;
    if (this.#closed) {
      if (item !== 'fin') this.peer.#breakAfter(RESET_DELAY, 'ECONNRESET');
      return;
    }
    this.#inbox.push(item);
    // Sometimes the program reads late and finds several writes in one piece.
    if (chance(this.#random, 0.1)) this.process.schedule(this.#now + 0.5, () => this.#flush());
    else this.#flush();
  }

  /** Hands waiting data to the program, cut and joined at random: TCP keeps no boundaries. */
  #flush(): void {
    while (this.#inbox.length > 0 && !this.#paused && !this.#closed) {
      const end = this.#inbox.indexOf('fin');
      const chunks = (end < 0 ? this.#inbox.splice(0) : this.#inbox.splice(0, end)) as Uint8Array[];
      if (chunks.length > 0) {
        if (this.#receiver === undefined) {
          this.#inbox.unshift(...chunks);
          return;
        }
        const data = chunks.length === 1 ? chunks[0]! : concat(...chunks);
        const cut =
          data.length > 1 && chance(this.#random, 0.2)
            ? 1 + this.#random.below(data.length - 1)
            : data.length;
        if (cut < data.length) this.#inbox.unshift(data.slice(cut));
        this.peer.#read(cut);
        this.#receiver(cut < data.length ? data.slice(0, cut) : data);
        continue;
      }
      this.#inbox.shift();
      this.#remoteEnded = true;
      if (this.#ended) this.#finish();
      else this.end();
    }
  }

  /** The peer's program has read `bytes` of ours. */
  #read(bytes: number): void {
    this.#unread -= bytes;
    if (this.#unread < HIGH_WATER / 2 && this.process.alive)
      for (const resume of this.#waiting.splice(0)) resume();
  }

  #pump(): void {
    if (this.#pumping) return;
    while (this.#outbox.length > 0) {
      const item = this.#outbox[0]!;
      const data = item === 'fin' ? new Uint8Array(0) : item;
      const passing = this.#wire.pass(this, data.length);
      if (passing === 'reset' || passing === 'lost') {
        if (passing === 'reset') this.#breakAfter(RESET_DELAY, 'ECONNRESET');
        else this.#retryLater();
        return;
      }
      this.#stalledSince = undefined;
      this.#retry = FIRST_RETRY;
      this.#lastArrival = Math.max(this.#lastArrival, this.#now + passing.delay);
      this.#outbox.shift();
      this.process.host.world.schedule(this.#lastArrival, () => {
        this.#wire.arrived(this, data);
        const { host } = this.peer.process;
        if (host.powered) host.whenAwake(() => this.peer.#arrive(item));
      });
      if (item === 'fin') {
        this.#finSent = true;
        this.#finish();
      }
    }
  }

  #retryLater(): void {
    this.#stalledSince ??= this.#now;
    if (this.#now - this.#stalledSince > GIVES_UP_AFTER) {
      this.#breakAfter(0, 'ETIMEDOUT');
      return;
    }
    this.#pumping = true;
    this.process.host.world.schedule(this.#now + this.#retry, () => {
      this.#pumping = false;
      this.#pump();
    });
    this.#retry = Math.min(2 * this.#retry, LONGEST_RETRY);
  }

  #breakAfter(delay: Millis, code: string): void {
    this.process.schedule(this.#now + delay, () => {
      if (this.#closed) return;
      this.#outbox = [];
      this.#close(Object.assign(new Error(`connection broken: ${code}`), { code }));
    });
  }

  #finish(): void {
    if (this.#finSent && this.#remoteEnded) this.#close(undefined);
  }

  #sayGoodbye(): void {
    if (this.#finSent) return;
    this.#finSent = true;
    this.#ended = true;
    this.#outbox = ['fin'];
    this.#pump();
  }

  #close(error: Error | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#failure = error;
    this.#inbox = [];
    this.process.pipes.delete(this);
    const onClose = this.#onClose;
    const waiting = this.#waiting.splice(0);
    this.#later(() => {
      for (const resume of waiting) resume();
      onClose?.(error);
    });
  }

  get #now(): number {
    return this.process.host.world.now;
  }

  /** Programs are never called back from inside their own calls. */
  #later(callback: () => void): void {
    this.process.schedule(this.#now, callback);
  }
}
