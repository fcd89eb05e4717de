import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { formatEndpoint } from '../base/endpoint.ts';
import type { Endpoint } from '../base/units.ts';
import type { Pipe, PipeServer, TlsServerOptions, WebSocketServerOptions } from '../runtime/ports.ts';
import { socketPipe } from './pipe.ts';
import { systemError } from './system-error.ts';
import { webSocketDoor } from './websocket-server.ts';

/** First byte of a TLS record that carries a handshake (RFC 8446 §5.1). */
const TLS_HANDSHAKE = 0x16;
/** How long a new connection may take to show its first byte, and then to finish TLS, ms. */
const GREETING_TIMEOUT = 10_000;
/** Connections the system keeps until we accept them; it may have a lower bound of its own. Node's default is 511. */
const BACKLOG = 4096;
/** Connections that have not shown their first byte or not finished TLS; the longest waiting gives way to the next. */
const MAX_GREETING = 4096;

interface ListenOptions {
  readonly tls?: TlsServerOptions;
  readonly webSocket?: WebSocketServerOptions;
  readonly maxGreeting?: number;
}

export function listenTcp(
  bind: Endpoint,
  onPipe: (pipe: Pipe) => void,
  options: ListenOptions = {},
): Promise<PipeServer> {
  const greeting = new Greeting(options.maxGreeting ?? MAX_GREETING);
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

/** Accepted connections that are not a pipe or a WebSocket yet. The longest waiting gives way to the next. */
class Greeting {
  /** What was accepted, and what to close: the same, or TLS on top. */
  readonly #waiting = new Map<Socket, Socket>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  begin(socket: Socket): void {
    if (this.#waiting.size >= this.#most) {
      for (const [below, oldest] of this.#waiting) {
        this.#waiting.delete(below);
        oldest.destroy();
        break;
      }
    }
    this.#waiting.set(socket, socket);
    socket.on('close', () => this.over(socket));
  }

  /** TLS has begun on top of it. */
  covered(below: Socket, top: Socket): void {
    if (this.#waiting.has(below)) this.#waiting.set(below, top);
  }

  over(below: Socket): void {
    this.#waiting.delete(below);
  }

  end(): void {
    for (const top of this.#waiting.values()) top.destroy();
    this.#waiting.clear();
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
    greeting.begin(socket);
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
