/** The beacon's byte streams: WebSockets of nodes whose networks let nothing else out. spec/23 §1.2 */
import { equal, toHex } from '../base/bytes.ts';
import type { Crypto } from '../base/crypto.ts';
import { endpointKey } from '../base/endpoint.ts';
import type { Random } from '../base/random.ts';
import type { Bytes, Endpoint, Instant, Millis, NodeId } from '../base/units.ts';
import { KeepAlive } from '../runtime/keep-alive.ts';
import type { Clock, Log, MessagePipe, Timer } from '../runtime/ports.ts';
import {
  AUTH_OK,
  COMPAT_NONCE_LENGTH,
  compatSignedBytes,
  decodeCompatMessage,
  encodeChallenge,
} from '../wire/compat.ts';
import type { LookupKey } from './key-lookups.ts';

/** spec/23 §1.2 */
const AUTHENTICATION_TIMEOUT: Millis = 10_000;

export interface StreamLimits {
  /** Authenticated streams. @default 20,000 */
  readonly open: number;
  /** Streams that have not shown who they are; the longest waiting gives way. @default 1,024 */
  readonly waiting: number;
  /** Bytes kept for a node that reads slowly; what goes beyond is lost, as it would be in a full queue. @default 1 MiB */
  readonly queued: Bytes;
  /** Bytes of one node, per second and at once: a faster one is read more slowly. @default 12.5 MB/s, 1 MB */
  readonly rate: Bytes;
  readonly burst: Bytes;
}

const DEFAULTS: StreamLimits = {
  open: 20_000,
  waiting: 1_024,
  queued: 1_048_576,
  rate: 12_500_000,
  burst: 1_000_000,
};
/** What a datagram costs besides its bytes: small ones are no cheaper to relay. Chosen. */
const COST_PER_DATAGRAM: Bytes = 200;

export interface StreamsHost {
  /** False when the node is held by somebody else. */
  attach(node: NodeId, stream: Endpoint, proven: boolean): boolean;
  detach(stream: Endpoint): void;
  handleStream(stream: Endpoint, data: Uint8Array): void;
}

export interface StreamStats {
  readonly waiting: number;
  readonly open: number;
  /** Datagrams for nodes that read too slowly. */
  readonly dropped: number;
  /** Streams that did not show who they are. */
  readonly refused: number;
}

/** Lets nodes in by a challenge, and moves datagrams between their streams and the relay. */
export class Streams {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #crypto: Crypto;
  readonly #log: Log;
  readonly #lookupKey: LookupKey | undefined;
  readonly #host: StreamsHost;
  readonly #limits: StreamLimits;
  readonly #waiting = new Set<Stream>();
  readonly #open = new Map<string, Stream>();
  #next = 1;
  #dropped = 0;
  #refused = 0;

  constructor(options: {
    readonly clock: Clock;
    readonly random: Random;
    readonly crypto: Crypto;
    readonly log: Log;
    /** Without it nobody can prove anything, and a node id belongs to who uses it first. */
    readonly lookupKey: LookupKey | undefined;
    readonly host: StreamsHost;
    readonly limits?: Partial<StreamLimits> | undefined;
  }) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.#crypto = options.crypto;
    this.#log = options.log;
    this.#lookupKey = options.lookupKey;
    this.#host = options.host;
    this.#limits = { ...DEFAULTS, ...options.limits };
  }

  stats(): StreamStats {
    return {
      waiting: this.#waiting.size,
      open: this.#open.size,
      dropped: this.#dropped,
      refused: this.#refused,
    };
  }

  /** A WebSocket has opened. */
  accept(pipe: MessagePipe): void {
    for (const longest of this.#waiting) {
      if (this.#waiting.size < this.#limits.waiting) break;
      this.#refuse(longest, 'too many are waiting');
    }
    const nonce = toHex(this.#random.bytes(COMPAT_NONCE_LENGTH));
    const stream = new Stream(pipe, this.#clock, { host: `ws:${this.#next++}`, port: 0 }, this.#limits);
    this.#waiting.add(stream);
    stream.deadline(AUTHENTICATION_TIMEOUT, () => this.#refuse(stream, 'no answer to the challenge'));
    pipe.onClose(() => this.#closed(stream));
    pipe.onMessage((message) => this.#onReply(stream, nonce, message));
    pipe.send(encodeChallenge(nonce));
  }

  /** Sends a datagram to a node, if its stream takes it. */
  transmit(to: Endpoint, data: Uint8Array): void {
    const stream = this.#open.get(endpointKey(to));
    if (stream === undefined || stream.pipe.queued > this.#limits.queued) this.#dropped++;
    else stream.pipe.send(data);
  }

  close(): void {
    for (const stream of [...this.#waiting, ...this.#open.values()]) stream.pipe.destroy();
  }

  /** The one message that is read before a node has shown who it is. */
  #onReply(stream: Stream, nonce: string, message: string | Uint8Array): void {
    stream.pipe.onMessage(() => {});
    stream.pipe.pause();
    const reply = typeof message === 'string' ? decodeCompatMessage(message) : 'not_text';
    if (typeof reply === 'string' || reply.type !== 'auth_reply') {
      this.#refuse(stream, 'an auth_reply was expected');
      return;
    }
    const { node, publicKey, signature } = reply;
    if (!this.#crypto.verify(publicKey, compatSignedBytes(node, nonce), signature)) {
      this.#refuse(stream, 'bad signature');
      return;
    }
    void this.#admit(stream, node, publicKey);
  }

  async #admit(stream: Stream, node: NodeId, key: Uint8Array): Promise<void> {
    let registered: Uint8Array | undefined;
    try {
      registered = await this.#lookupKey?.(node, key);
    } catch {
      this.#refuse(stream, 'the registry is away');
      return;
    }
    if (!this.#waiting.has(stream)) return;
    const proven = this.#lookupKey !== undefined;
    if (proven && (registered === undefined || !equal(registered, key))) {
      this.#refuse(stream, registered === undefined ? 'unknown node' : 'not the key of this node');
    } else if (this.#open.size >= this.#limits.open) {
      this.#refuse(stream, 'too many streams');
    } else if (!this.#host.attach(node, stream.endpoint, proven)) {
      this.#refuse(stream, 'this node is registered elsewhere');
    } else this.#begin(stream, node);
  }

  #begin(stream: Stream, node: NodeId): void {
    const { pipe, endpoint } = stream;
    this.#waiting.delete(stream);
    this.#open.set(endpointKey(endpoint), stream);
    stream.begin((data) => this.#host.handleStream(endpoint, data));
    pipe.send(AUTH_OK);
    pipe.resume();
    this.#log.event('debug', 'beacon.stream_opened', { node });
  }

  #refuse(stream: Stream, reason: string): void {
    if (!this.#waiting.delete(stream)) return;
    this.#refused++;
    stream.end();
    stream.pipe.close(reason);
    // Or the other side's goodbye would never be read.
    stream.pipe.resume();
  }

  #closed(stream: Stream): void {
    stream.end();
    this.#waiting.delete(stream);
    if (this.#open.delete(endpointKey(stream.endpoint))) this.#host.detach(stream.endpoint);
  }
}

/** One WebSocket: its timers, and the pace at which it is read. */
class Stream {
  readonly pipe: MessagePipe;
  readonly endpoint: Endpoint;
  readonly #clock: Clock;
  readonly #limits: StreamLimits;
  #timer: Timer | undefined;
  #alive: KeepAlive | undefined;
  #allowance: Bytes;
  #allowanceAt: Instant;

  constructor(pipe: MessagePipe, clock: Clock, endpoint: Endpoint, limits: StreamLimits) {
    this.pipe = pipe;
    this.endpoint = endpoint;
    this.#clock = clock;
    this.#limits = limits;
    this.#allowance = limits.burst;
    this.#allowanceAt = clock.now();
  }

  deadline(delay: Millis, act: () => void): void {
    this.#timer = this.#clock.at(this.#clock.now() + delay, act);
  }

  begin(onDatagram: (data: Uint8Array) => void): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const alive = new KeepAlive(this.pipe, this.#clock);
    this.#alive = alive;
    this.pipe.onMessage((message) => {
      alive.heard();
      if (typeof message === 'string') {
        this.pipe.close('only datagrams from now on');
        return;
      }
      this.#spend(message.length + COST_PER_DATAGRAM);
      onDatagram(message);
    });
  }

  end(): void {
    this.#timer?.cancel();
    this.#alive?.stop();
  }

  /** Whoever sends faster than it may is read more slowly, and hears of it by its own full queue. */
  #spend(cost: Bytes): void {
    const now = this.#clock.now();
    const { rate, burst } = this.#limits;
    this.#allowance = Math.min(burst, this.#allowance + ((now - this.#allowanceAt) * rate) / 1000) - cost;
    this.#allowanceAt = now;
    if (this.#allowance >= 0 || this.#timer !== undefined) return;
    this.pipe.pause();
    this.deadline((-this.#allowance * 1000) / rate, () => {
      this.#timer = undefined;
      this.pipe.resume();
    });
  }
}
