import type { Instant } from '../base/units.ts';
import type { Clock, Pipe, Timer } from '../runtime/ports.ts';
import { ConnectionState } from './connection.ts';
import { Outbox } from './outbox.ts';
import { type Protocol, ProtocolGuess } from './protocol.ts';
import { RATE_GRACE, type ServerLimits, SLOW_DELAY } from './server-limits.ts';
import type { RegistryService } from './service/service.ts';

/** Bytes of unfinished frames over all sessions of a server. */
export interface SharedBuffer {
  bytes: number;
}

export interface SessionOptions {
  readonly pipe: Pipe;
  readonly clock: Clock;
  readonly service: RegistryService;
  readonly limits: ServerLimits;
  readonly shared: SharedBuffer;
  readonly onClosed: () => void;
}

/**
 * One client. Frames are answered in order; those that carry a `request_id` may overtake each other. A frame is
 * read only when its answer can be worked on and the client takes what it is sent. spec/10 §1.5
 */
export class Session {
  readonly #options: SessionOptions;
  readonly #outbox: Outbox;
  readonly #state: ConnectionState;
  readonly #startedAt: Instant;
  readonly #guess: ProtocolGuess;
  #protocol: Protocol | undefined;
  /** Read, counted, and waiting for its turn. */
  #held: object | undefined;
  #inFlight = 0;
  /** A frame without `request_id` is being answered: nothing may overtake it. */
  #exclusive = false;
  #delayed = false;
  #requests = 0;
  #lastFrameAt: Instant;
  #partialSince: Instant | undefined;
  #buffered = 0;
  #closed = false;
  #timer: Timer | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    const { pipe, clock, limits } = options;
    this.#guess = new ProtocolGuess(limits.request);
    this.#startedAt = clock.now();
    this.#lastFrameAt = this.#startedAt;
    this.#outbox = new Outbox(pipe, clock, limits, () => this.#pump());
    this.#state = new ConnectionState(pipe.remote, pipe.secure, (message) => {
      if (this.#protocol !== undefined) this.#outbox.send(this.#protocol.encodePush(message));
    });
    pipe.onClose(() => this.#end());
    pipe.onData((data) => this.#receive(data));
    this.#watch();
  }

  #receive(data: Uint8Array): void {
    if (this.#closed) return;
    if (this.#protocol === undefined) {
      const guessed = this.#guess.push(data);
      if (guessed === undefined) return;
      if ('refusal' in guessed) {
        this.#outbox.send(guessed.refusal);
        this.#options.pipe.end();
        return;
      }
      this.#protocol = guessed.protocol;
    } else this.#protocol.push(data);
    this.#pump();
    if (this.#options.shared.bytes > this.#options.limits.buffered && this.#buffered > 0)
      this.#options.pipe.destroy();
  }

  #pump(): void {
    const { pipe } = this.#options;
    while (!this.#closed && this.#mayAnswer()) {
      const frame = this.#take();
      if (frame === undefined) break;
      if (this.#inFlight > 0 && this.#protocol!.inOrder(frame)) {
        this.#held = frame;
        break;
      }
      this.#answer(frame);
    }
    this.#account();
    if (this.#closed) return;
    const waiting = this.#held !== undefined || this.#inFlight > 0;
    // A client that broke the framing gets the answers it is owed, and nothing about the rest.
    if (this.#protocol!.broken() && !waiting) pipe.end();
    else if (this.#mayAnswer() && this.#held === undefined) pipe.resume();
    else pipe.pause();
  }

  #mayAnswer(): boolean {
    return (
      !this.#delayed &&
      !this.#exclusive &&
      !this.#outbox.blocked &&
      this.#inFlight < this.#options.limits.concurrent
    );
  }

  /** The next frame that may be answered now, unless the client is too fast. */
  #take(): object | undefined {
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined) return held;
    const frame = this.#protocol!.next();
    if (frame === undefined) return undefined;
    const { clock, limits, pipe } = this.#options;
    this.#lastFrameAt = clock.now();
    this.#partialSince = undefined;
    this.#requests++;
    const age = this.#lastFrameAt - this.#startedAt;
    const rate = age < RATE_GRACE ? 0 : (this.#requests * 1000) / age;
    if (rate <= limits.slowRate) return frame;
    if (rate > limits.cutRate) {
      pipe.destroy();
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
    const { pipe, service } = this.#options;
    const ordered = this.#protocol!.inOrder(frame);
    this.#inFlight++;
    this.#exclusive = ordered;
    void this.#protocol!.answer(frame, service, { remote: pipe.remote, connection: this.#state }).then(
      (reply) => {
        this.#inFlight--;
        if (ordered) this.#exclusive = false;
        if (this.#closed) return;
        this.#outbox.send(reply);
        this.#pump();
      },
    );
  }

  #account(): void {
    const now = this.#closed ? 0 : (this.#protocol?.buffered() ?? 0);
    this.#options.shared.bytes += now - this.#buffered;
    this.#buffered = now;
    if (now === 0) this.#partialSince = undefined;
    else this.#partialSince ??= this.#options.clock.now();
  }

  /** Cuts clients that say nothing for too long, or never finish what they began to say. */
  #watch(): void {
    const { clock, limits, pipe } = this.#options;
    const now = clock.now();
    const busy = this.#inFlight > 0 || this.#held !== undefined;
    const idle = now - this.#lastFrameAt >= limits.idle;
    const dribbling = this.#partialSince !== undefined && now - this.#partialSince >= limits.frame;
    if (!busy && (idle || dribbling)) pipe.destroy();
    else this.#timer = clock.at(now + Math.min(limits.frame, limits.idle), () => this.#watch());
  }

  #end(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#outbox.close();
    this.#account();
    this.#options.service.disconnected(this.#state);
    this.#options.onClosed();
  }
}
