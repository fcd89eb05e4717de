import { PilotError } from '../api/errors.ts';
import type { Millis } from '../base/units.ts';
import type { Clock, Pipe, Timer } from '../runtime/ports.ts';
import type { JsonObject } from '../wire/json.ts';
import { encodeJsonFrame, JsonFrameReader } from '../wire/registry-frame.ts';

interface Waiting {
  readonly resolve: (reply: JsonObject) => void;
  readonly reject: (error: PilotError) => void;
  readonly timer: Timer;
}

/**
 * One connection to a registry. Requests are sent at once and matched by `request_id`; a server that does not
 * echo it answers in order. A request that gets no answer in time ends the connection: whatever is behind it
 * would wait as well.
 */
export class Link {
  /** Where the registry was asked for: a name stays one, as it may lead elsewhere from another network. */
  readonly host: string;
  readonly #pipe: Pipe;
  readonly #clock: Clock;
  readonly #reader = new JsonFrameReader();
  /** In order of sending. */
  readonly #waiting = new Map<number, Waiting>();
  readonly #onPush: (message: JsonObject) => void;
  readonly #onClosed: () => void;
  #nextId = 1;
  #closed = false;

  constructor(
    host: string,
    pipe: Pipe,
    clock: Clock,
    onPush: (message: JsonObject) => void,
    onClosed: () => void,
  ) {
    this.host = host;
    this.#pipe = pipe;
    this.#clock = clock;
    this.#onPush = onPush;
    this.#onClosed = onClosed;
    pipe.onClose(() => this.#end('the connection was closed'));
    pipe.onData((data) => this.#receive(data));
  }

  get secure(): boolean {
    return this.#pipe.secure;
  }
  /** Our own address on the connection. */
  get localHost(): string {
    return this.#pipe.local.host;
  }
  get closed(): boolean {
    return this.#closed;
  }

  /** Resolves with the reply, also one that is a refusal. Rejects with `registry_unreachable`. */
  request(message: object, timeout: Millis): Promise<JsonObject> {
    const id = this.#nextId++;
    return this.exchange({ ...message, request_id: id }, id, timeout);
  }

  /** The `request_id` of the next request: what is signed must contain it. */
  reserve(): number {
    return this.#nextId++;
  }

  exchange(message: object, id: number, timeout: Millis): Promise<JsonObject> {
    if (this.#closed) return Promise.reject(unreachable('the connection was closed'));
    return new Promise((resolve, reject) => {
      const timer = this.#clock.at(this.#clock.now() + timeout, () => this.#end('no answer'));
      this.#waiting.set(id, { resolve, reject, timer });
      this.#pipe.write(encodeJsonFrame(message));
    });
  }

  close(): void {
    this.#end('closed');
  }

  #receive(data: Uint8Array): void {
    if (this.#closed) return;
    this.#reader.push(data);
    for (let frame = this.#reader.next(); frame !== undefined; frame = this.#reader.next())
      this.#dispatch(frame);
    if (this.#reader.error !== undefined) this.#end('its answer is not readable');
  }

  #dispatch(frame: JsonObject): void {
    if (frame.type === 'push') {
      this.#onPush(frame);
      return;
    }
    const echoed = frame.request_id;
    for (const [id, waiting] of this.#waiting) {
      if (echoed !== undefined && echoed !== id) continue;
      this.#waiting.delete(id);
      waiting.timer.cancel();
      waiting.resolve(frame);
      return;
    }
  }

  #end(why: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#pipe.destroy();
    for (const { reject, timer } of this.#waiting.values()) {
      timer.cancel();
      reject(unreachable(why));
    }
    this.#waiting.clear();
    this.#onClosed();
  }
}

export function unreachable(why: string, cause?: unknown): PilotError {
  return new PilotError(
    'registry_unreachable',
    `Cannot reach the registry: ${why}`,
    cause === undefined ? {} : { cause },
  );
}
