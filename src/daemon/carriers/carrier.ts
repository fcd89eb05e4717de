import { asPilotError, PilotError } from '../../api/errors.ts';
import type { SigningKey } from '../../base/crypto.ts';
import type { Random } from '../../base/random.ts';
import type { Endpoint, Instant, Millis, NodeId } from '../../base/units.ts';
import type { CarrierAddress } from '../../directory/types.ts';
import { KeepAlive } from '../../runtime/keep-alive.ts';
import type { Clock, Log, MessagePipe, Net, Timer } from '../../runtime/ports.ts';
import {
  COMPAT_MAX_MESSAGE,
  compatSignedBytes,
  decodeCompatMessage,
  encodeAuthReply,
  parseCarrierUrl,
} from '../../wire/compat.ts';

// spec/23 §1.2

const AUTHENTICATION_TIMEOUT: Millis = 10_000;
const FIRST_RETRY: Millis = 250;
const LONGEST_RETRY: Millis = 30_000;

// Chosen.

/** Shorter than the beacon's 30 s, so that only we ask; NATs keep idle TCP for minutes. */
const SILENCE: Millis = 25_000;
/** While we send and hear nothing, the connection is doubted after so long, and given up after so long again. */
const DOUBT: Millis = 2_000;
const CREDENTIALS_RETRY: Millis = 2_000;
/** Up for this long, the next attempt after a loss comes at once. */
const STEADY: Millis = 10_000;
/** Bytes that wait for a slow connection; what goes beyond is lost, so that streams notice and slow down. */
const MAX_QUEUED = 262_144;

export interface CarrierHost {
  /** 0 while we have none: then nothing is opened. */
  node(): NodeId;
  identity(): SigningKey;
  /** Datagrams may be sent, or no longer. */
  changed(up: boolean): void;
  received(data: Uint8Array): void;
}

/** One beacon by WebSocket: opened while it is wanted, opened again when it is lost. */
export class Carrier {
  /** As the node knows it. */
  readonly endpoint: Endpoint;
  readonly #address: CarrierAddress;
  readonly #net: Net;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: Log;
  readonly #host: CarrierHost;
  #pipe: MessagePipe | undefined;
  #alive: KeepAlive | undefined;
  #attempt: AbortController | undefined;
  #retry: Timer | undefined;
  #failures = 0;
  #upAt: Instant | undefined;
  #wanted = false;
  /** Why it is not up, when it was tried. */
  failure: PilotError | undefined;
  dropped = 0;

  constructor(
    address: CarrierAddress,
    parts: { net: Net; clock: Clock; random: Random; log: Log; host: CarrierHost },
  ) {
    const url = parseCarrierUrl(address.url);
    if (url === undefined)
      throw new PilotError('invalid_argument', `Not the URL of a beacon: ${address.url}`);
    this.endpoint = { host: url.text, port: url.port };
    this.#address = address;
    this.#net = parts.net;
    this.#clock = parts.clock;
    this.#random = parts.random;
    this.#log = parts.log;
    this.#host = parts.host;
  }

  /** It is to be up. */
  get isOpen(): boolean {
    return this.#wanted;
  }

  get upAt(): Instant | undefined {
    return this.#upAt;
  }

  /** Opens it and keeps it open. */
  open(): void {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#failures = 0;
    this.#try();
  }

  close(): void {
    this.#wanted = false;
    this.#retry?.cancel();
    this.#retry = undefined;
    this.#attempt?.abort();
    this.#pipe?.close();
    this.#lost();
  }

  /** Something changed that may let it work now: a node id, another network, the machine awoke. */
  again(): void {
    if (!this.#wanted) return;
    if (this.#upAt !== undefined) this.#alive?.doubt(DOUBT);
    else if (this.#attempt === undefined) {
      this.#retry?.cancel();
      this.#failures = 0;
      this.#try();
    }
  }

  send(data: Uint8Array): void {
    const pipe = this.#pipe;
    if (this.#upAt === undefined || pipe === undefined || pipe.queued > MAX_QUEUED) {
      this.dropped++;
      return;
    }
    pipe.send(data);
    this.#alive?.expecting(DOUBT, DOUBT);
  }

  #try(): void {
    this.#retry = undefined;
    if (this.#host.node() === 0 || this.#attempt !== undefined || this.#pipe !== undefined) return;
    const attempt = new AbortController();
    this.#attempt = attempt;
    const { url, fingerprint } = this.#address;
    this.#net
      .webSocket(url, {
        tls: fingerprint === undefined ? { system: true } : { fingerprint },
        timeout: AUTHENTICATION_TIMEOUT,
        signal: attempt.signal,
        maxMessage: COMPAT_MAX_MESSAGE,
      })
      .then(
        (pipe) => {
          this.#attempt = undefined;
          if (this.#wanted) this.#authenticate(pipe);
          else pipe.destroy();
        },
        (thrown: unknown) => {
          this.#attempt = undefined;
          if (this.#wanted) this.#failed(asPilotError(thrown));
        },
      );
  }

  #authenticate(pipe: MessagePipe): void {
    this.#pipe = pipe;
    let timer: Timer | undefined = this.#clock.at(this.#clock.now() + AUTHENTICATION_TIMEOUT, () => {
      pipe.destroy();
    });
    let answered = false;
    pipe.onClose((reason) => {
      timer?.cancel();
      if (this.#pipe !== pipe) return;
      const was = this.#upAt === undefined ? 'refuses this node' : 'closed the connection';
      const message = `The beacon at ${this.#address.url} ${was}${reason === '' ? '' : `: ${reason}`}`;
      this.#failed(new PilotError('connection_failed', message));
    });
    pipe.onMessage((message) => {
      if (this.#pipe !== pipe) return;
      this.#alive?.heard();
      if (this.#upAt !== undefined) {
        if (typeof message !== 'string') this.#host.received(message);
        return;
      }
      const said = typeof message === 'string' ? decodeCompatMessage(message) : 'not_text';
      if (typeof said === 'string') pipe.destroy();
      else if (said.type === 'auth_challenge' && !answered) {
        answered = true;
        this.#answer(pipe, said.nonce);
      } else if (said.type === 'auth_ok' && answered) {
        timer?.cancel();
        timer = undefined;
        this.#isUp(pipe);
      } else pipe.destroy();
    });
  }

  #answer(pipe: MessagePipe, nonce: string): void {
    const identity = this.#host.identity();
    const node = this.#host.node();
    pipe.send(encodeAuthReply(node, identity.publicKey, identity.sign(compatSignedBytes(node, nonce))));
  }

  #isUp(pipe: MessagePipe): void {
    this.#upAt = this.#clock.now();
    this.failure = undefined;
    this.#alive = new KeepAlive(pipe, this.#clock, SILENCE);
    this.#log.event('info', 'carrier.up', { url: this.#address.url });
    this.#host.changed(true);
  }

  #failed(error: PilotError): void {
    const { url } = this.#address;
    // The first failure of a series is news, the rest of it is not.
    const level = this.#failures === 0 ? 'warn' : 'debug';
    this.#log.event(level, 'carrier.failed', { url, code: error.code, message: error.message });
    this.failure = error;
    const steady = this.#upAt !== undefined && this.#clock.now() - this.#upAt >= STEADY;
    this.#failures = steady ? 0 : this.#failures + 1;
    this.#lost();
    if (!this.#wanted) return;
    // Credentials that were refused are not repeated, but others may be there by now.
    const longest = error.code === 'proxy_auth_required' ? CREDENTIALS_RETRY : LONGEST_RETRY;
    const pause = Math.min(FIRST_RETRY * 2 ** Math.min(this.#failures, 10), longest);
    const delay = steady ? 0 : pause * (0.5 + this.#random.fraction() / 2);
    this.#retry = this.#clock.at(this.#clock.now() + delay, () => this.#try());
  }

  #lost(): void {
    this.#alive?.stop();
    this.#alive = undefined;
    this.#pipe = undefined;
    if (this.#upAt === undefined) return;
    this.#upAt = undefined;
    this.#log.event('info', 'carrier.down', { url: this.#address.url });
    this.#host.changed(false);
  }
}
