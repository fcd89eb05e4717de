import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { formatEndpoint } from '../base/endpoint.ts';
import type { Endpoint } from '../base/units.ts';
import type { Pipe, PipeServer, TlsServerOptions, WebSocketServerOptions } from '../runtime/ports.ts';
import { socketPipe } from './pipe.ts';
import { systemError } from './system-error.ts';
import { plainHost } from './udp.ts';
import { webSocketDoor } from './websocket-server.ts';

/** First byte of a TLS record that carries a handshake (RFC 8446 §5.1). */
const TLS_HANDSHAKE = 0x16;
/** How long a new connection may take to show its first byte, and then to finish TLS, ms. */
const GREETING_TIMEOUT = 10_000;
/** Connections the system keeps until we accept them; it may have a lower bound of its own. Node's default is 511. */
const BACKLOG = 4096;
/** Connections that have not shown their first byte or not finished TLS; of one source a quarter of that. */
const MAX_GREETING = 4096;
/** One that waits for less does not give way to the next, ms. */
const GREETING_PATIENCE = 2000;

interface ListenOptions {
  readonly tls?: TlsServerOptions;
  readonly webSocket?: WebSocketServerOptions;
  readonly maxGreeting?: number;
  readonly greetingPatience?: number;
}

export function listenTcp(
  bind: Endpoint,
  onPipe: (pipe: Pipe) => void,
  options: ListenOptions = {},
): Promise<PipeServer> {
  const greeting = new Greeting(
    options.maxGreeting ?? MAX_GREETING,
    options.greetingPatience ?? GREETING_PATIENCE,
  );
  const mixed = options.tls !== undefined || options.webSocket !== undefined;
  const onSocket = mixed ? byFirstByte(onPipe, options, greeting) : plainOnly(onPipe);
  const server = createServer({ pauseOnConnect: false }, onSocket);
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(systemError(error, `listen on ${formatEndpoint(bind)}`)));
    server.listen({ host: bind.host, port: bind.port, exclusive: true, backlog: BACKLOG }, () => {
      server.removeAllListeners('error');
      // Running out of descriptors in accept() must not end the process; the backlog waits.
      server.on('error', () => {});
      const { address, port } = server.address() as { address: string; port: number };
      resolve({
        local: { host: address, port },
        close: () => {
          greeting.end();
          return stopListening(server);
        },
      });
    });
  });
}

/** Resolves when the port is free again. Pipes already handed over belong to their owners and stay open. */
export function stopListening(server: Server): Promise<void> {
  if (server.listening) server.close();
  return Promise.resolve();
}

function plainOnly(onPipe: (pipe: Pipe) => void): (socket: Socket) => void {
  return (socket) => onPipe(socketPipe(socket, false));
}

interface Waiting {
  /** What to close: the accepted socket, or TLS on top of it. */
  top: Socket;
  readonly since: number;
  readonly source: string;
}

/**
 * Accepted connections that are not a pipe or a WebSocket yet. When all places, or those of one source, are taken, the
 * longest waiting gives way; one that came a moment ago stays, and the newcomer goes, so that in a rush somebody's TLS
 * comes to its end.
 */
class Greeting {
  /** Longest waiting first, as are those of each source. */
  readonly #waiting = new Map<Socket, Waiting>();
  readonly #bySource = new Map<string, Set<Socket>>();
  readonly #most: number;
  readonly #perSource: number;
  readonly #patience: number;

  constructor(most: number, patience: number) {
    this.#most = most;
    this.#perSource = Math.max(1, most >> 2);
    this.#patience = patience;
  }

  /** False when there is no place for it. */
  begin(socket: Socket): boolean {
    const source = plainHost(socket.remoteAddress ?? '');
    const same = this.#bySource.get(source) ?? new Set<Socket>();
    const rival =
      same.size >= this.#perSource ? same : this.#waiting.size >= this.#most ? this.#waiting : undefined;
    if (rival !== undefined && !this.#giveWay(rival.keys().next().value!)) return false;
    this.#waiting.set(socket, { top: socket, since: performance.now(), source });
    this.#bySource.set(source, same.add(socket));
    socket.on('close', () => this.over(socket));
    return true;
  }

  /** TLS has begun on top of it. */
  covered(below: Socket, top: Socket): void {
    const waiting = this.#waiting.get(below);
    if (waiting !== undefined) waiting.top = top;
  }

  over(below: Socket): void {
    const waiting = this.#waiting.get(below);
    if (waiting === undefined) return;
    this.#waiting.delete(below);
    const same = this.#bySource.get(waiting.source)!;
    same.delete(below);
    if (same.size === 0) this.#bySource.delete(waiting.source);
  }

  end(): void {
    for (const { top } of this.#waiting.values()) top.destroy();
    this.#waiting.clear();
    this.#bySource.clear();
  }

  #giveWay(oldest: Socket): boolean {
    const { top, since } = this.#waiting.get(oldest)!;
    if (performance.now() - since < this.#patience) return false;
    this.over(oldest);
    top.destroy();
    return true;
  }
}

/** Tells TLS from plaintext, and in either an HTTP request from anything else. */
function byFirstByte(
  onPipe: (pipe: Pipe) => void,
  { tls, webSocket }: ListenOptions,
  greeting: Greeting,
): (socket: Socket) => void {
  const door = webSocket && webSocketDoor(webSocket);
  /** `below` is what was accepted: the socket itself, or the one under TLS. */
  const hand = (socket: Socket, below: Socket, first: number | undefined): void => {
    if (door === undefined || (first !== undefined && !looksLikeHttp(first))) {
      greeting.over(below);
      onPipe(socketPipe(socket, socket !== below));
    } else if (first === undefined) {
      onFirstByte(socket, (byte) => hand(socket, below, byte));
    } else door(socket, () => greeting.over(below));
  };
  const startTls =
    tls &&
    tlsStarter(tls, (socket, below) => {
      greeting.covered(below, socket);
      hand(socket, below, undefined);
    });
  return (socket) => {
    if (!greeting.begin(socket)) {
      socket.destroy();
      return;
    }
    onFirstByte(socket, (first) => {
      if (first === TLS_HANDSHAKE && startTls !== undefined) startTls(socket);
      else hand(socket, socket, first);
    });
  };
}

function tlsStarter(
  tls: TlsServerOptions,
  onSecure: (socket: TLSSocket, below: Socket) => void,
): (socket: Socket) => void {
  const server = createTlsServer({
    cert: tls.certificate,
    key: tls.privateKey,
    minVersion: 'TLSv1.2',
    handshakeTimeout: GREETING_TIMEOUT,
  });
  /** Connections in the middle of TLS, by their other end. */
  const inTls = new Map<string, Socket>();
  const otherEnd = (socket: Socket): string => `${socket.remoteAddress} ${socket.remotePort}`;
  server.on('secureConnection', (socket: TLSSocket) => {
    const below = inTls.get(otherEnd(socket));
    if (below === undefined) socket.destroy();
    else onSecure(socket, below);
  });
  server.on('tlsClientError', (_error, socket) => socket.destroy());
  return (socket) => {
    const name = otherEnd(socket);
    inTls.set(name, socket);
    socket.on('close', () => inTls.delete(name));
    server.emit('connection', socket);
  };
}

/** Calls back with the first byte, which stays to be read; a connection that shows none in time is cut. */
function onFirstByte(socket: Socket, then: (first: number) => void): void {
  const ignore = (): void => {};
  const giveUp = (): void => {
    socket.destroy();
  };
  const onReadable = (): void => {
    const first: Buffer | null = socket.read(1);
    if (first === null) return;
    socket.off('readable', onReadable);
    socket.off('error', ignore);
    socket.off('timeout', giveUp);
    socket.setTimeout(0);
    socket.unshift(first);
    then(first[0]!);
  };
  socket.on('error', ignore);
  socket.setTimeout(GREETING_TIMEOUT, giveUp);
  socket.on('readable', onReadable);
}

/** A method begins with a capital letter; frames begin with a length below 2^24, or with P (spec/10 §1.3). */
function looksLikeHttp(first: number): boolean {
  return first >= 0x41 && first <= 0x5a && first !== 0x50;
}
