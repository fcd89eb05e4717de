import { PilotError } from '../../api/errors.ts';
import { formatEndpoint } from '../../base/endpoint.ts';
import type { Endpoint, Millis } from '../../base/units.ts';
import type { Abort, Pipe } from '../../runtime/ports.ts';
import type { Host } from './host.ts';
import type { Nat } from './nat.ts';
import { type Passing, PipeEnd, type Wire } from './pipe.ts';
import type { Process } from './process.ts';

export interface Listener {
  readonly process: Process;
  readonly local: Endpoint;
  readonly onPipe: (pipe: Pipe) => void;
  /** SHA-256 of the leaf certificate, lower-case hex; undefined when the server speaks no TLS. */
  readonly fingerprint: string | undefined;
}

export interface ConnectOptions {
  readonly tls?: { fingerprint?: string };
  readonly timeout?: Millis;
  readonly signal?: Abort;
}

const CONNECT_TIMEOUT: Millis = 10_000;
const FIRST_SYN_RETRY: Millis = 1_000;
const LOCAL_DELAY: Millis = 0.05;

/** A connection through NATs: it dies when one of them forgets, or when an end moves to another address. */
class InternetWire implements Wire {
  readonly local: boolean;
  readonly #client: Host;
  readonly #clientAddress: string;
  readonly #server: Host;
  readonly #serverAddress: string;
  readonly #nats: readonly { readonly nat: Nat; readonly epoch: number }[];

  constructor(client: Host, server: Host, serverAddress: string) {
    this.local = client === server;
    this.#client = client;
    this.#clientAddress = client.address;
    this.#server = server;
    this.#serverAddress = serverAddress;
    this.#nats = natsBetween(client, serverAddress);
  }

  pass(from: PipeEnd, bytes: number): Passing {
    const fromClient = from.process.host === this.#client;
    const other = fromClient ? this.#server : this.#client;
    if (this.#client === this.#server) return { delay: LOCAL_DELAY };
    if (!other.powered || this.#client.isAsleep || this.#server.isAsleep) return 'lost';
    if (this.#client.address !== this.#clientAddress) return 'lost';
    const router = this.#client.world.router;
    const delay = router.tcpTransit(this.#client, this.#serverAddress, bytes, fromClient ? 'up' : 'down');
    if (delay === undefined) return 'lost';
    if (this.#nats.some(({ nat, epoch }) => nat.epoch !== epoch)) return fromClient ? 'reset' : 'lost';
    return { delay };
  }

  arrived(from: PipeEnd, data: Uint8Array): void {
    const { host } = from.process;
    const { trace, now } = host.world;
    const to = from.peer.process.host.name;
    trace.packet(
      {
        time: now,
        from: host.name,
        to,
        source: from.local,
        destination: from.remote,
        protocol: 'tcp',
        fate: 'delivered',
      },
      data,
    );
  }
}

const localWire: Wire = {
  local: true,
  pass: () => ({ delay: LOCAL_DELAY }),
  arrived() {},
};

export function connectTcp(process: Process, to: Endpoint, options: ConnectOptions = {}): Promise<Pipe> {
  const { host } = process;
  const { world } = host;
  const target = formatEndpoint(to);
  const startedAt = world.now;
  const deadline = startedAt + (options.timeout ?? CONNECT_TIMEOUT);

  return new Promise((resolve, reject) => {
    let settled = false;
    const { signal } = options;
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = (): void => settle(() => reject(signal?.reason));
    signal?.addEventListener('abort', onAbort);
    const timer = process.schedule(deadline, () => fail('no answer'));

    function settle(how: () => void): void {
      if (settled) return;
      settled = true;
      timer.cancel();
      signal?.removeEventListener('abort', onAbort);
      how();
    }
    function fail(why: string): void {
      settle(() => reject(new PilotError('connection_failed', `Cannot connect to ${target}: ${why}`)));
    }
    function sendSyn(address: string, retry: Millis): void {
      if (settled) return;
      const server = world.router.tcpTarget(host, address);
      const delay =
        server?.powered && !server.isAsleep && !host.isAsleep
          ? world.router.tcpTransit(host, address, 0, 'up')
          : undefined;
      if (server === undefined || delay === undefined) {
        process.schedule(world.now + retry, () => sendSyn(address, 2 * retry));
        return;
      }
      world.schedule(world.now + delay, () => {
        const listener = listenerAt(server, to.port);
        if (listener === undefined) process.schedule(world.now + delay, () => fail('refused'));
        else accept(listener, server, address, delay);
      });
    }
    function accept(listener: Listener, server: Host, address: string, delay: Millis): void {
      if (settled || !process.alive) return;
      const { tls } = options;
      if (tls !== undefined && listener.fingerprint === undefined) {
        process.schedule(world.now + delay, () => fail('the server speaks no TLS'));
        return;
      }
      const pinned = tls?.fingerprint?.toLowerCase();
      if (pinned !== undefined && pinned !== listener.fingerprint) {
        const message = `Cannot connect to ${target}: the server's key is ${listener.fingerprint}, expected ${pinned}`;
        process.schedule(world.now + 3 * delay, () => {
          settle(() => reject(new PilotError('fingerprint_mismatch', message)));
        });
        return;
      }
      const seenAs = {
        host: world.router.externalAddress(host, address),
        port: host.ephemeralPort(() => false),
      };
      const [client, atServer] = joined(new InternetWire(host, server, address), {
        client: {
          process,
          local: { host: host.address, port: seenAs.port },
          remote: { host: address, port: to.port },
          secure: pinned !== undefined,
        },
        server: {
          process: listener.process,
          local: listener.local,
          remote: seenAs,
          secure: tls !== undefined,
        },
      });
      // TLS takes one more round trip before either side may speak.
      const extra = tls === undefined ? 0 : 2 * delay;
      listener.process.schedule(world.now + extra, () => listener.onPipe(atServer));
      process.schedule(world.now + delay + extra, () => {
        if (settled) client.destroy();
        else settle(() => resolve(client));
      });
    }
    const known = isAddress(to.host) ? [to.host] : world.names.get(to.host);
    if (known?.[0] === undefined) fail('unknown host');
    else sendSyn(known[0], FIRST_SYN_RETRY);
  });
}

export function connectLocal(process: Process, path: string): Promise<Pipe> {
  const { host } = process;
  return new Promise((resolve, reject) => {
    process.schedule(host.world.now + LOCAL_DELAY, () => {
      const listener = host.localListeners.get(path);
      if (listener === undefined) {
        reject(new PilotError('not_running', `Cannot connect to ${path}: nothing listens there`));
        return;
      }
      const place = { host: path, port: 0 };
      const [client, server] = joined(localWire, {
        client: { process, local: place, remote: place, secure: false },
        server: { process: listener.process, local: place, remote: place, secure: false },
      });
      listener.process.schedule(host.world.now, () => listener.onPipe(server));
      resolve(client);
    });
  });
}

interface EndOptions {
  readonly process: Process;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly secure: boolean;
}

function joined(wire: Wire, ends: { client: EndOptions; server: EndOptions }): [PipeEnd, PipeEnd] {
  const random = ends.client.process.host.world.random.fork(
    `pipe ${formatEndpoint(ends.client.local)} ${ends.client.process.host.world.now}`,
  );
  const client = new PipeEnd({ ...ends.client, wire, random: random.fork('client') });
  const server = new PipeEnd({ ...ends.server, wire, random: random.fork('server') });
  client.peer = server;
  server.peer = client;
  return [client, server];
}

function listenerAt(host: Host, port: number): Listener | undefined {
  const listener = host.listeners.get(port);
  return listener?.process.alive ? listener : undefined;
}

function natsBetween(client: Host, address: string): { nat: Nat; epoch: number }[] {
  const nats = [];
  for (
    let { segment } = client;
    segment.at(address) === undefined && segment.router !== undefined;
    segment = segment.router.segment
  ) {
    nats.push({ nat: segment.router, epoch: segment.router.epoch });
  }
  return nats;
}

export function isAddress(host: string): boolean {
  return /^\d+\.\d+\.\d+\.\d+$/.test(host);
}
