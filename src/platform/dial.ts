/** TCP connections by name: both families, the addresses of last time when the resolver is away. */
import { lookup } from 'node:dns/promises';
import { connect, isIP, type Socket } from 'node:net';
import { PilotError } from '../api/errors.ts';
import { formatEndpoint } from '../base/endpoint.ts';
import type { Endpoint, Millis } from '../base/units.ts';
import { ATTEMPT_DELAY, type Attempt, interleaved, race } from './happy-eyeballs.ts';
import { systemError } from './system-error.ts';

/** How long a resolver may take before the addresses of last time are used. Chosen. */
const LOOKUP_PATIENCE: Millis = 1_000;
const MAX_REMEMBERED = 64;

/** Looks names up, and remembers what they meant. */
export class Resolver {
  /** Latest last. */
  readonly #known = new Map<string, readonly string[]>();

  /** IP literals of a host, those that the system would try first in front. Errors: `connection_failed`. */
  async resolve(host: string): Promise<string[]> {
    if (isIP(host) !== 0) return [host];
    const known = this.#known.get(host);
    try {
      const asked = this.#ask(host);
      return [...(known === undefined ? await asked : await soonEnough(asked, known))];
    } catch (error) {
      throw new PilotError('connection_failed', `Cannot resolve "${host}"`, { cause: error });
    }
  }

  async #ask(host: string): Promise<readonly string[]> {
    const found = await lookup(host, { all: true, verbatim: true });
    const addresses = [...new Set(found.map((entry) => entry.address))];
    this.#known.delete(host);
    this.#known.set(host, addresses);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MAX_REMEMBERED) break;
      this.#known.delete(oldest);
    }
    return addresses;
  }
}

/** What is asked for, or `known` when that fails or takes too long. */
async function soonEnough<Value>(asked: Promise<Value>, known: Value): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<Value>((resolve) => {
    timer = setTimeout(() => resolve(known), LOOKUP_PATIENCE);
  });
  try {
    return await Promise.race([asked.catch(() => known), patience]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * A connected socket, to which nobody listens yet. Errors: `connection_failed` when every address failed; the signal's
 * reason when aborted.
 */
export async function dialTcp(to: Endpoint, resolver: Resolver, signal: AbortSignal): Promise<Socket> {
  const addresses = interleaved(await resolver.resolve(to.host));
  signal.throwIfAborted();
  const running = race(
    addresses,
    (address) => attempt(address, to),
    (done) => {
      const timer = setTimeout(done, ATTEMPT_DELAY);
      return { cancel: () => clearTimeout(timer) };
    },
  );
  const onAbort = (): void => running.abandon(signal.reason);
  signal.addEventListener('abort', onAbort);
  try {
    return await running.won;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function attempt(address: string, to: Endpoint): Attempt<Socket> {
  const socket = connect({ host: address, port: to.port });
  const won = new Promise<Socket>((resolve, reject) => {
    const onError = (error: Error): void =>
      reject(systemError(error, `connect to ${formatEndpoint(to)}`, 'connection_failed'));
    socket.once('error', onError);
    socket.once('connect', () => {
      socket.off('error', onError);
      resolve(socket);
    });
  });
  return {
    won,
    abandon() {
      socket.on('error', () => {});
      socket.destroy();
    },
  };
}
