import { createHash } from 'node:crypto';
import { connect as connectSocket, createServer, isIP, type Server, type Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { PilotError } from '../api/errors.ts';
import { formatEndpoint } from '../base/endpoint.ts';
import type { Endpoint, Millis } from '../base/units.ts';
import type { Abort, Pipe, PipeServer, TlsServerOptions } from '../runtime/ports.ts';
import { socketPipe } from './pipe.ts';
import { systemError } from './system-error.ts';

/** First byte of a TLS record that carries a handshake (RFC 8446 §5.1). */
const TLS_HANDSHAKE = 0x16;
/** How long a new connection may take to show its first byte, and then to finish TLS, ms. */
const GREETING_TIMEOUT = 10_000;
/** Connections that have not shown their first byte or not finished TLS; the longest waiting gives way to the next. */
const MAX_GREETING = 4096;
const CONNECT_TIMEOUT = 10_000;

export function listenTcp(
  bind: Endpoint,
  onPipe: (pipe: Pipe) => void,
  options: { tls?: TlsServerOptions; maxGreeting?: number } = {},
): Promise<PipeServer> {
  const greeting = new Set<Socket>();
  const onSocket =
    options.tls === undefined
      ? plainOnly(onPipe)
      : byFirstByte(onPipe, options.tls, greeting, options.maxGreeting ?? MAX_GREETING);
  const server = createServer({ pauseOnConnect: false }, onSocket);
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(systemError(error, `listen on ${formatEndpoint(bind)}`)));
    server.listen({ host: bind.host, port: bind.port, exclusive: true }, () => {
      server.removeAllListeners('error');
      // Running out of descriptors in accept() must not end the process; the backlog waits.
      server.on('error', () => {});
      const { address, port } = server.address() as { address: string; port: number };
      resolve({
        local: { host: address, port },
        close: () => stopListening(server, greeting),
      });
    });
  });
}

/** Resolves when the port is free again. Pipes already handed over belong to their owners and stay open. */
export function stopListening(server: Server, greeting: Iterable<Socket> = []): Promise<void> {
  for (const socket of greeting) socket.destroy();
  if (server.listening) server.close();
  return Promise.resolve();
}

function plainOnly(onPipe: (pipe: Pipe) => void): (socket: Socket) => void {
  return (socket) => onPipe(socketPipe(socket, false));
}

function byFirstByte(
  onPipe: (pipe: Pipe) => void,
  tls: TlsServerOptions,
  greeting: Set<Socket>,
  maxGreeting: number,
): (socket: Socket) => void {
  const tlsServer = createTlsServer({
    cert: tls.certificate,
    key: tls.privateKey,
    minVersion: 'TLSv1.2',
    handshakeTimeout: GREETING_TIMEOUT,
  });
  /** Connections in the middle of TLS, by their other end. */
  const inTls = new Map<string, Socket>();
  const otherEnd = (socket: Socket): string => `${socket.remoteAddress} ${socket.remotePort}`;
  tlsServer.on('secureConnection', (socket: TLSSocket) => {
    const below = inTls.get(otherEnd(socket));
    if (below !== undefined) greeting.delete(below);
    onPipe(socketPipe(socket, true));
  });
  tlsServer.on('tlsClientError', (_error, socket) => socket.destroy());

  return (socket) => {
    if (greeting.size >= maxGreeting) {
      for (const oldest of greeting) {
        greeting.delete(oldest);
        oldest.destroy();
        break;
      }
    }
    greeting.add(socket);
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
      if (first[0] === TLS_HANDSHAKE) {
        const name = otherEnd(socket);
        inTls.set(name, socket);
        socket.on('close', () => inTls.delete(name));
        tlsServer.emit('connection', socket);
      } else {
        greeting.delete(socket);
        onPipe(socketPipe(socket, false));
      }
    };
    socket.on('error', ignore);
    socket.setTimeout(GREETING_TIMEOUT, giveUp);
    socket.on('close', () => greeting.delete(socket));
    socket.on('readable', onReadable);
  };
}

export interface ConnectOptions {
  readonly tls?: { fingerprint?: string };
  readonly timeout?: Millis;
  readonly signal?: Abort;
}

export function connectTcp(to: Endpoint, options: ConnectOptions = {}): Promise<Pipe> {
  const { tls, signal } = options;
  const target = formatEndpoint(to);
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const socket: Socket =
      tls === undefined ? connectSocket({ host: to.host, port: to.port }) : tlsClient(to);
    const timer = setTimeout(() => {
      fail(new PilotError('connection_failed', `Cannot connect to ${target}: no answer`));
    }, options.timeout ?? CONNECT_TIMEOUT);
    const onAbort = (): void => fail(signal?.reason);
    function settle(): void {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      socket.off('error', onError);
      socket.off('close', onClose);
    }
    function fail(reason: unknown): void {
      settle();
      socket.on('error', () => {});
      socket.destroy();
      reject(reason);
    }
    const onError = (error: Error): void =>
      fail(systemError(error, `connect to ${target}`, 'connection_failed'));
    const onClose = (): void =>
      fail(new PilotError('connection_failed', `Cannot connect to ${target}: closed by the server`));
    signal?.addEventListener('abort', onAbort);
    socket.on('error', onError);
    socket.on('close', onClose);
    socket.once(tls === undefined ? 'connect' : 'secureConnect', () => {
      if (tls?.fingerprint !== undefined) {
        const actual = leafFingerprint(socket as TLSSocket);
        if (actual !== tls.fingerprint.toLowerCase()) {
          const message = `Cannot connect to ${target}: the server's key is ${actual}, expected ${tls.fingerprint}`;
          fail(new PilotError('fingerprint_mismatch', message));
          return;
        }
      }
      settle();
      resolve(socketPipe(socket, tls?.fingerprint !== undefined));
    });
  });
}

/** The pinned fingerprint takes the place of certificate authorities, hence no chain check here. */
function tlsClient(to: Endpoint): TLSSocket {
  return connectTls({
    host: to.host,
    port: to.port,
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2',
    ...(isIP(to.host) === 0 ? { servername: to.host } : {}),
  });
}

function leafFingerprint(socket: TLSSocket): string {
  const { raw } = socket.getPeerCertificate(false);
  return raw === undefined ? '' : createHash('sha256').update(raw).digest('hex');
}
