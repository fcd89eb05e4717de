import { asPilotError, type PilotError } from '../api/errors.ts';
import type { Random } from '../base/random.ts';
import type { Endpoint, Millis } from '../base/units.ts';
import type { Abort, Clock, Log, Net, TlsClientOptions } from '../runtime/ports.ts';
import type { JsonObject } from '../wire/json.ts';
import { Link, unreachable } from './link.ts';
import type { ServerTraits } from './signer.ts';
import type { DirectoryState } from './types.ts';

/** How long a connection may take, and then its first answer; and where there is another address to try. */
const CONNECT_TIMEOUT: Millis = 5000;
const NEXT_CONNECT_TIMEOUT: Millis = 2000;
/** How long one request may take, including the wait for a connection. */
export const REQUEST_TIMEOUT: Millis = 10_000;
/** How soon a connection has to answer after the network may have changed. Chosen. */
const PROBE_TIMEOUT: Millis = 2000;
/** A connection that was lost is made anew within this time, at random: whoever shared the server lost it as well. */
const FIRST_RETRY: Millis = 1000;
/** Between tries at the addresses of one round. */
const NEXT_ADDRESS: Millis = 200;
const LONGEST_RETRY: Millis = 30_000;
/** A server may ask us to wait for so long at once, and in all, before we register. */
const LONGEST_WAIT: Millis = 30_000;
const LONGEST_WAIT_IN_ALL: Millis = 300_000;
/** What a user asks for is tried at once: this often in a row, and then once in so long. */
const HURRIES = 3;
const HURRY_INTERVAL: Millis = 10_000;
/** The proxy refused our credentials, which are not repeated; others may be there by now. */
const CREDENTIALS_RETRY: Millis = 2_000;

const NO_FEATURES: ReadonlySet<string> = new Set();

/** A live connection whose server has introduced itself. */
export interface Session {
  readonly link: Link;
  readonly traits: ServerTraits;
  /** From the last `challenge`, usable once. */
  challenge: string | undefined;
  /** How long the server asks us to wait before we register, or ask again. */
  wait: Millis;
}

export interface ConnectionOptions {
  readonly net: Net;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly addresses: readonly Endpoint[];
  readonly tls?: TlsClientOptions | undefined;
  readonly onPush: (message: JsonObject) => void;
  readonly onState: (state: DirectoryState) => void;
  /** Runs on each new session before anybody else may use it. A rejection drops the session. */
  readonly onSession: (session: Session) => Promise<void>;
}

/** One try to connect; an Abort as the ports want it. */
class Attempt implements Abort {
  readonly reason = unreachable('the network changed');
  readonly #listeners = new Set<() => void>();
  aborted = false;

  addEventListener(_type: 'abort', listener: () => void): void {
    this.#listeners.add(listener);
  }
  removeEventListener(_type: 'abort', listener: () => void): void {
    this.#listeners.delete(listener);
  }
  abort(): void {
    if (this.aborted) return;
    this.aborted = true;
    for (const listener of [...this.#listeners]) listener();
  }
}

interface Waiter {
  resolve(session: Session): void;
  reject(error: PilotError): void;
}

/** Keeps one session up: connects, asks what the server can do, reconnects with back-off and jitter. */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #waiters = new Set<Waiter>();
  #session: Session | undefined;
  #running = false;
  #stopped = false;
  #wake: (() => void) | undefined;
  #pending: Link | undefined;
  #attempt: Attempt | undefined;
  #failures = 0;
  /** The next attempt does not wait. */
  #hurries = false;
  /** Tries for users that are left, as of a time. */
  #budget: { readonly left: number; readonly at: number } | undefined;
  #lastError: PilotError | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  get state(): DirectoryState {
    return this.#session === undefined ? 'disconnected' : 'connected';
  }

  /** What the server of the session can do. */
  get features(): ReadonlySet<string> {
    return this.#session?.traits.features ?? NO_FEATURES;
  }

  start(): void {
    if (this.#running || this.#stopped) return;
    this.#running = true;
    void this.#run();
  }

  stop(): void {
    this.#stopped = true;
    this.#wake?.();
    this.#attempt?.abort();
    this.#pending?.close();
    this.#session?.link.close();
    for (const waiter of [...this.#waiters]) waiter.reject(unreachable('closed'));
  }

  /**
   * The host may be on another network: what waits is tried at once, and a connection from an address that is gone is
   * given up. Any other has to answer soon.
   */
  networkChanged(): void {
    this.#failures = 0;
    this.#hurries = true;
    this.#attempt?.abort();
    this.#pending?.close();
    this.#wake?.();
    const local = this.#session?.link.localHost;
    if (local === undefined) return;
    if (!isLoopback(local) && !this.#options.net.localAddresses().includes(local))
      this.#session?.link.close();
    else this.check();
  }

  /**
   * A user waits: what would be tried later is tried now, within a budget that keeps many users from calling a server
   * that is coming back all at once.
   */
  hurry(): void {
    if (this.#wake === undefined) return;
    const now = this.#options.clock.now();
    const before = this.#budget ?? { left: HURRIES, at: now };
    const left = Math.min(HURRIES, before.left + (now - before.at) / HURRY_INTERVAL);
    this.#budget = { left: left < 1 ? left : left - 1, at: now };
    if (left >= 1) this.#wake();
  }

  /** A live connection has to answer soon, or another takes its place. */
  check(): void {
    const link = this.#session?.link;
    // A server answers any request, if only that it does not know it.
    if (link?.closed === false) link.request({ type: 'ping' }, PROBE_TIMEOUT).catch(() => {});
  }

  /** The session, once there is one. Rejects with `registry_unreachable` after `timeout`. */
  ready(timeout: Millis): Promise<Session> {
    if (this.#session !== undefined && !this.#session.link.closed) return Promise.resolve(this.#session);
    if (this.#stopped) return Promise.reject(unreachable('closed'));
    this.start();
    const { clock } = this.#options;
    return new Promise((resolve, reject) => {
      const settle = (done: () => void): void => {
        timer.cancel();
        this.#waiters.delete(waiter);
        done();
      };
      const waiter: Waiter = {
        resolve: (session) => settle(() => resolve(session)),
        reject: (error) => settle(() => reject(error)),
      };
      const timer = clock.at(clock.now() + timeout, () => waiter.reject(this.#noSession()));
      this.#waiters.add(waiter);
    });
  }

  #noSession(): PilotError {
    const cause = this.#lastError;
    return cause === undefined ? unreachable('no connection') : unreachable(cause.message, cause);
  }

  async #run(): Promise<void> {
    const { addresses, random, log } = this.#options;
    for (let turn = 0; !this.#stopped; turn++) {
      try {
        const { lost } = await this.#open(addresses[turn % addresses.length]!);
        this.#failures = 0;
        this.#hurries = false;
        await lost;
        this.#lastError = unreachable('the connection was closed');
      } catch (thrown) {
        this.#failures++;
        const error = asPilotError(thrown);
        this.#lastError = error;
        log.event('debug', 'directory.connect_failed', { code: error.code, error: error.message });
        // Waiting does not change a certificate: callers are told now, while we go on trying.
        if (error.code === 'fingerprint_mismatch')
          for (const waiter of [...this.#waiters]) waiter.reject(error);
      }
      if (this.#hurries) {
        this.#hurries = false;
        continue;
      }
      if (!this.#stopped) await this.#pause(this.#delay(addresses.length, random.fraction()));
    }
  }

  /** Time to the next try. Every address is tried before we wait for longer. */
  #delay(addresses: number, fraction: number): Millis {
    if (this.#failures === 0) return FIRST_RETRY * fraction;
    if (this.#failures % addresses !== 0) return NEXT_ADDRESS * fraction;
    const rounds = this.#failures / addresses;
    const isProxyClosed = this.#lastError?.code === 'proxy_auth_required';
    const most = isProxyClosed ? CREDENTIALS_RETRY : LONGEST_RETRY;
    return Math.min(most, (FIRST_RETRY / 2) * 2 ** Math.min(rounds, 10)) * (0.5 + fraction / 2);
  }

  /** Opens a session, lets everybody use it, and says when it is gone. */
  async #open(address: Endpoint): Promise<{ readonly lost: Promise<void> }> {
    const { net, clock, tls, onPush, onState, onSession, addresses } = this.#options;
    const attempt = new Attempt();
    // A slow way gets its time once none of the others was quick.
    const timeout = this.#failures < addresses.length - 1 ? NEXT_CONNECT_TIMEOUT : CONNECT_TIMEOUT;
    this.#attempt = attempt;
    const pipe = await net
      .connect(address, { timeout, signal: attempt, ...(tls !== undefined && { tls }) })
      .finally(() => {
        this.#attempt = undefined;
      });
    let markLost: () => void = () => {};
    const lost = new Promise<void>((resolve) => {
      markLost = resolve;
    });
    const link = new Link(address.host, pipe, clock, onPush, () => markLost());
    this.#pending = link;
    try {
      if (this.#stopped) throw unreachable('closed');
      const session = await introduce(link, clock, tls?.fingerprint);
      await this.#turn(session);
      await onSession(session);
      if (link.closed) throw unreachable('the connection was closed');
      this.#session = session;
    } catch (error) {
      link.close();
      throw error;
    } finally {
      this.#pending = undefined;
    }
    onState('connected');
    for (const waiter of [...this.#waiters]) waiter.resolve(this.#session);
    return {
      lost: lost.then(() => {
        this.#session = undefined;
        onState('disconnected');
      }),
    };
  }

  /** Waits until the server wants us, a user does, or the link is gone. */
  async #turn(session: Session): Promise<void> {
    const { clock, random } = this.#options;
    const { link } = session;
    const until = clock.now() + LONGEST_WAIT_IN_ALL;
    while (session.wait > 0 && clock.now() < until) {
      const isHurried = await this.#pause(session.wait * (1 + random.fraction() / 10), link);
      if (link.closed || this.#stopped) throw unreachable('the connection was closed');
      if (isHurried) return;
      const reply = await link.request({ type: 'challenge' }, REQUEST_TIMEOUT);
      session.challenge = readTraits(reply, clock, undefined).challenge ?? session.challenge;
      session.wait = waitIn(reply);
    }
  }

  /** True when it was cut short. */
  #pause(delay: Millis, link?: Link): Promise<boolean> {
    const { clock } = this.#options;
    return new Promise((resolve) => {
      const finish = (isWoken: boolean): void => {
        timer.cancel();
        if (this.#wake === wake) this.#wake = undefined;
        resolve(isWoken);
      };
      const wake = (): void => finish(true);
      void link?.ended.then(wake);
      const timer = clock.at(clock.now() + delay, () => finish(false));
      this.#wake = wake;
    });
  }
}

function isLoopback(host: string): boolean {
  return host.startsWith('127.') || host === '::1';
}

/** Asks for a challenge; a server that does not know the request is an old one. */
async function introduce(link: Link, clock: Clock, fingerprint: string | undefined): Promise<Session> {
  const reply = await link.request({ type: 'challenge' }, CONNECT_TIMEOUT);
  const read = readTraits(reply, clock, link.secure ? fingerprint?.toLowerCase() : undefined);
  if (read.traits.features.has('binary')) link.goBinary();
  return { link, ...read, wait: waitIn(reply) };
}

function waitIn({ wait }: JsonObject): Millis {
  return typeof wait === 'number' && wait > 0 ? Math.min(wait, LONGEST_WAIT) : 0;
}

/** What the answer to `challenge` says about a server. */
export function readTraits(
  reply: JsonObject,
  clock: Clock,
  fingerprint: string | undefined,
): { readonly challenge: string | undefined; readonly traits: ServerTraits } {
  const known = reply.type === 'challenge_ok';
  const features =
    known && Array.isArray(reply.features) ? reply.features.filter((item) => typeof item === 'string') : [];
  return {
    challenge: known && typeof reply.nonce === 'string' ? reply.nonce : undefined,
    traits: {
      features: new Set(features),
      offset: known && typeof reply.time === 'number' ? reply.time - clock.wallNow() : 0,
      fingerprint,
    },
  };
}
