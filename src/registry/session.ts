import type { Instant, Millis } from '../base/units.ts';
import type { Pipe } from '../runtime/ports.ts';
import { ConnectionState } from './connection.ts';
import { Outbox, type OutboxHost } from './outbox.ts';
import { type Protocol, ProtocolGuess } from './protocol.ts';
import { RATE_GRACE, SLOW_DELAY } from './server-limits.ts';
import type { RegistryService } from './service/service.ts';
import { sourceOf } from './source.ts';
import type { Turns } from './turns.ts';

/** What the sessions of a server share. */
export interface SessionHost extends OutboxHost {
  readonly service: RegistryService;
  readonly turns: Turns;
  /** The client has proved which node it is. */
  proven(session: Session): void;
  closed(session: Session): void;
}

/**
 * One client. Frames are answered in order; those that carry a `request_id` may overtake each other. A frame is
 * read only when its answer can be worked on, when it is the client's turn, and when it takes what it is sent.
 * spec/10 §1.5
 */
export class Session {
  readonly pipe: Pipe;
  /** Where `Sessions` keeps it. */
  slot = 0;
  readonly #host: SessionHost;
  readonly #outbox: Outbox;
  readonly #state: ConnectionState;
  readonly #startedAt: Instant;
  #guess: ProtocolGuess | undefined;
  #protocol: Protocol | undefined;
  /** Read, counted, and waiting for its turn. */
  #held: object | undefined;
  #inFlight = 0;
  /** A frame without `request_id` is being answered: nothing may overtake it. */
  #exclusive = false;
  #delayed = false;
  /** Waits for its turn. */
  #queued = false;
  #paused = false;
  #proven = false;
  #requests = 0;
  #lastFrameAt: Instant;
  #partialSince: Instant | undefined;
  #buffered = 0;
  /** Nothing more is read: the client broke the framing. */
  #ended = false;
  #closed = false;

  constructor(pipe: Pipe, host: SessionHost) {
    this.pipe = pipe;
    this.#host = host;
    this.#guess = new ProtocolGuess(host.limits.request);
    this.#startedAt = host.clock.now();
    this.#lastFrameAt = this.#startedAt;
    this.#outbox = new Outbox(pipe, host, () => this.#pump());
    this.#state = new ConnectionState(pipe.remote, pipe.secure, (message) => {
      if (this.#protocol !== undefined) this.#outbox.send(this.#protocol.encodePush(message));
    });
    pipe.onClose(() => this.#end());
    pipe.onData((data) => this.#receive(data));
  }

  /** The client has proved which node it is. */
  get proven(): boolean {
    return this.#proven;
  }

  /** Cuts a client that says nothing for too long, or never finishes what it began to say. */
  look(): void {
    const { clock, limits } = this.#host;
    const now = clock.now();
    const busy = this.#inFlight > 0 || this.#held !== undefined || this.#queued;
    const idle = now - this.#lastFrameAt >= limits.idle;
    const dribbling = this.#partialSince !== undefined && now - this.#partialSince >= limits.frame;
    if (!busy && (idle || dribbling)) this.pipe.destroy();
  }

  /** Works on one frame; what that cost. */
  turn(): Millis {
    this.#queued = false;
    const cost = this.#hasWork() ? this.#step() : 0;
    this.#pump();
    return cost;
  }

  #receive(data: Uint8Array): void {
    if (this.#closed) return;
    if (this.#ended) {
      // Whoever goes on would have us read megabytes for nothing.
      this.pipe.destroy();
      return;
    }
    if (this.#protocol === undefined) {
      const guessed = this.#guess!.push(data);
      if (guessed === undefined) return;
      this.#guess = undefined;
      if ('refusal' in guessed) {
        this.#outbox.send(guessed.refusal);
        this.pipe.end();
        return;
      }
      this.#protocol = guessed.protocol;
    } else this.#protocol.push(data);
    this.#pump();
    const { shared, limits } = this.#host;
    if (shared.buffered > limits.buffered && this.#buffered > 0) this.pipe.destroy();
  }

  #pump(): void {
    const { turns } = this.#host;
    while (!this.#queued && this.#hasWork()) {
      if (!turns.free) {
        this.#queued = true;
        turns.wait(this.#state.settled ?? sourceOf(this.pipe.remote.host), this);
      } else turns.spend(this.#step());
    }
    this.#regulate();
  }

  /** There is a frame, and it may be worked on now. */
  #hasWork(): boolean {
    const mayAnswer =
      !this.#closed &&
      this.#protocol !== undefined &&
      !this.#delayed &&
      !this.#exclusive &&
      !this.#outbox.blocked &&
      this.#inFlight < this.#host.limits.concurrent;
    if (!mayAnswer) return false;
    const held = this.#held;
    if (held !== undefined) return this.#inFlight === 0 || !this.#protocol!.inOrder(held);
    return this.#protocol!.ready();
  }

  /** Reads and answers one frame; what that cost. */
  #step(): Millis {
    const { clock } = this.#host;
    const before = clock.now();
    const frame = this.#take();
    if (frame === undefined) return clock.now() - before;
    if (this.#inFlight > 0 && this.#protocol!.inOrder(frame)) this.#held = frame;
    else this.#answer(frame);
    return clock.now() - before + this.#protocol!.cost(frame);
  }

  /** The next frame that may be answered now, unless the client is too fast. */
  #take(): object | undefined {
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined) return held;
    const frame = this.#protocol!.next();
    if (frame === undefined) {
      this.#protocol = this.#protocol!.successor?.() ?? this.#protocol;
      return undefined;
    }
    const { clock, limits } = this.#host;
    this.#lastFrameAt = clock.now();
    this.#partialSince = undefined;
    this.#requests++;
    const age = this.#lastFrameAt - this.#startedAt;
    const rate = age < RATE_GRACE ? 0 : (this.#requests * 1000) / age;
    if (rate <= limits.slowRate) return frame;
    if (rate > limits.cutRate) {
      this.pipe.destroy();
      return undefined;
    }
    this.#held = frame;
    this.#delayed = true;
    void clock.sleep(SLOW_DELAY).then(() => {
      this.#delayed = false;
      if (!this.#closed) this.#pump();
    });
    return undefined;
  }

  #answer(frame: object): void {
    const { pipe } = this;
    const ordered = this.#protocol!.inOrder(frame);
    this.#inFlight++;
    this.#exclusive = ordered;
    const context = { remote: pipe.remote, connection: this.#state };
    void this.#protocol!.answer(frame, this.#host.service, context).then((reply) => {
      this.#inFlight--;
      if (ordered) this.#exclusive = false;
      if (this.#closed) return;
      if (!this.#proven && this.#state.proven) {
        this.#proven = true;
        this.#host.proven(this);
      }
      this.#outbox.send(reply);
      this.#pump();
    });
  }

  /** Reads on, waits, or ends. */
  #regulate(): void {
    this.#account();
    if (this.#closed || this.#protocol === undefined) return;
    const { pipe } = this;
    const waiting = this.#held !== undefined || this.#inFlight > 0 || this.#queued;
    // A client that broke the framing gets the answers it is owed, and nothing about the rest.
    if (this.#protocol.broken() && !waiting) {
      if (this.#requests === 0) pipe.destroy();
      else if (!this.#ended) pipe.end();
      this.#ended = true;
      return;
    }
    const pause =
      this.#held !== undefined ||
      this.#queued ||
      this.#delayed ||
      this.#exclusive ||
      this.#outbox.blocked ||
      this.#inFlight >= this.#host.limits.concurrent;
    if (pause === this.#paused) return;
    this.#paused = pause;
    if (pause) pipe.pause();
    else pipe.resume();
  }

  #account(): void {
    const now = this.#closed ? 0 : (this.#protocol?.buffered() ?? 0);
    this.#host.shared.buffered += now - this.#buffered;
    this.#buffered = now;
    if (now === 0) this.#partialSince = undefined;
    else this.#partialSince ??= this.#host.clock.now();
  }

  #end(): void {
    this.#closed = true;
    this.#outbox.close();
    this.#account();
    this.#host.service.disconnected(this.#state);
    this.#host.closed(this);
  }
}
