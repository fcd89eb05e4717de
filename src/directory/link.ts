import { PilotError } from '../api/errors.ts';
import type { Millis, NodeId } from '../base/units.ts';
import type { Clock, Pipe, Timer } from '../runtime/ports.ts';
import { encodeJson, isJsonObject, type JsonObject, parseJson } from '../wire/json.ts';
import * as binary from '../wire/registry-binary.ts';
import { encodeJsonFrame, JsonFrameReader } from '../wire/registry-frame.ts';

const { BINARY } = binary;

/** What the registry says to a sign of life. */
export interface AliveReply {
  /** Our key expires within a day. */
  readonly keyExpiryWarning: boolean;
  /** When the next is wanted, seconds. */
  readonly next: number;
}

interface Waiting<Reply = JsonObject> {
  readonly resolve: (reply: Reply) => void;
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
  /** From when on both sides frame in binary. */
  #binary: binary.BinaryFrameReader | undefined;
  /** In order of sending. */
  readonly #waiting = new Map<number, Waiting>();
  /** One sign of life at a time: nothing says which of several is answered. */
  #alive: Waiting<AliveReply | JsonObject> | undefined;
  readonly #onPush: (message: JsonObject) => void;
  readonly #onClosed: () => void;
  /** Resolves when the connection is gone. */
  readonly ended: Promise<void>;
  #markEnded: () => void = () => {};
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
    this.ended = new Promise((resolve) => {
      this.#markEnded = resolve;
    });
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
      this.#pipe.write(
        this.isBinary ? binary.encodeBinaryFrame(BINARY.json, encodeJson(message)) : encodeJsonFrame(message),
      );
    });
  }

  get isBinary(): boolean {
    return this.#binary !== undefined;
  }

  /** From here on both sides speak the binary protocol. Only while nothing is waited for. spec/10 §8 */
  goBinary(): void {
    if (this.#closed || this.#binary !== undefined || this.#waiting.size > 0) return;
    this.#binary = new binary.BinaryFrameReader();
    this.#pipe.write(Uint8Array.from(binary.BINARY_PREAMBLE));
  }

  /**
   * Says that the node this connection proved is there, in the fewest bytes. Rejects with `registry_unreachable`, and
   * with what the registry refuses with, as text in a reply: `{type: 'error', error}`.
   */
  alive(node: NodeId, timeout: Millis): Promise<AliveReply | JsonObject> {
    if (this.#closed) return Promise.reject(unreachable('the connection was closed'));
    if (this.#alive !== undefined) return Promise.reject(unreachable('a heartbeat is under way'));
    return new Promise<AliveReply | JsonObject>((resolve, reject) => {
      const timer = this.#clock.at(this.#clock.now() + timeout, () => this.#end('no answer'));
      this.#alive = { resolve, reject, timer };
      this.#pipe.write(binary.encodeBinaryFrame(BINARY.alive, binary.encodeBinaryAlive(node)));
    });
  }

  close(): void {
    this.#end('closed');
  }

  #receive(data: Uint8Array): void {
    if (this.#closed) return;
    if (this.#binary !== undefined) {
      this.#receiveBinary(this.#binary, data);
      return;
    }
    this.#reader.push(data);
    for (let frame = this.#reader.next(); frame !== undefined; frame = this.#reader.next())
      this.#dispatch(frame);
    if (this.#reader.error !== undefined) this.#end('its answer is not readable');
  }

  #receiveBinary(reader: binary.BinaryFrameReader, data: Uint8Array): void {
    reader.push(data);
    for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
      if (!this.#take(frame)) {
        this.#end('its answer is not readable');
        return;
      }
    }
    if (reader.error !== undefined) this.#end('its answer is not readable');
  }

  /** False when the frame makes no sense here. */
  #take({ type, payload }: binary.BinaryFrame): boolean {
    switch (type) {
      case BINARY.json: {
        const parsed = parseJson(payload);
        if (typeof parsed === 'string' || !isJsonObject(parsed.value)) return false;
        this.#dispatch(parsed.value);
        return true;
      }
      case BINARY.aliveOk: {
        const ok = binary.decodeBinaryAliveOk(payload);
        return typeof ok !== 'string' && this.#answered(ok);
      }
      case BINARY.error: {
        const said = binary.decodeBinaryError(payload);
        return typeof said !== 'string' && this.#answered({ type: 'error', error: said.message });
      }
      default:
        return false;
    }
  }

  /** To our sign of life; false when there was none. */
  #answered(reply: AliveReply | JsonObject): boolean {
    const waiting = this.#alive;
    this.#alive = undefined;
    waiting?.timer.cancel();
    waiting?.resolve(reply);
    return waiting !== undefined;
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
    const alive = this.#alive === undefined ? [] : [this.#alive];
    for (const { reject, timer } of [...this.#waiting.values(), ...alive]) {
      timer.cancel();
      reject(unreachable(why));
    }
    this.#waiting.clear();
    this.#alive = undefined;
    this.#markEnded();
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
