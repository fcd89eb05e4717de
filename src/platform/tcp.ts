import { createHash } from 'node:crypto';
import { createServer, isIP, type Server, type Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { PilotError } from '../api/errors.ts';
import { formatEndpoint } from '../base/endpoint.ts';
import type { Endpoint, Millis } from '../base/units.ts';
import type { Abort, Pipe, PipeServer, TlsServerOptions } from '../runtime/ports.ts';
import { dialTcp, Resolver } from './dial.ts';
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

export async function connectTcp(
  to: Endpoint,
  options: ConnectOptions = {},
  resolver = new Resolver(),
): Promise<Pipe> {
  const { tls, signal } = options;
  const target = formatEndpoint(to);
  const controller = new AbortController();
  const onAbort = (): void => controller.abort(signal?.reason);
  if (signal?.aborted) onAbort();
  signal?.addEventListener('abort', onAbort);
  const timer = setTimeout(() => {
    controller.abort(new PilotError('connection_failed', `Cannot connect to ${target}: no answer`));
  }, options.timeout ?? CONNECT_TIMEOUT);
  try {
    controller.signal.throwIfAborted();
    const socket = await dialTcp(to, resolver, controller.signal);
    if (tls === undefined) return socketPipe(socket, false);
    return socketPipe(await secured(socket, to, tls, controller.signal), tls.fingerprint !== undefined);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}

/**
 * TLS over a connected socket. The pinned fingerprint takes the place of certificate authorities, hence no check of the
 * chain. Errors: `connection_failed`, `fingerprint_mismatch`; the socket is destroyed then.
 */
export function secured(
  socket: Socket,
  to: Endpoint,
  tls: { readonly fingerprint?: string },
  signal: AbortSignal,
): Promise<TLSSocket> {
  const target = formatEndpoint(to);
  const inTls = connectTls({
    socket,
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2',
    ...(isIP(to.host) === 0 ? { servername: to.host } : {}),
  });
  return new Promise((resolve, reject) => {
    const onAbort = (): void => fail(signal.reason);
    const onError = (error: Error): void =>
      fail(systemError(error, `connect to ${target}`, 'connection_failed'));
    const onClose = (): void =>
      fail(new PilotError('connection_failed', `Cannot connect to ${target}: closed by the server`));
    function settle(): void {
      signal.removeEventListener('abort', onAbort);
      inTls.off('error', onError);
      inTls.off('close', onClose);
    }
    function fail(reason: unknown): void {
      settle();
      inTls.on('error', () => {});
      inTls.destroy();
      socket.destroy();
      reject(reason);
    }
    signal.addEventListener('abort', onAbort);
    inTls.on('error', onError);
    inTls.on('close', onClose);
    inTls.once('secureConnect', () => {
      const actual = leafFingerprint(inTls);
      if (tls.fingerprint !== undefined && actual !== tls.fingerprint.toLowerCase()) {
        const message = `Cannot connect to ${target}: the server's key is ${actual}, expected ${tls.fingerprint}`;
        fail(new PilotError('fingerprint_mismatch', message));
        return;
      }
      settle();
      resolve(inTls);
    });
  });
}

function leafFingerprint(socket: TLSSocket): string {
  const { raw } = socket.getPeerCertificate(false);
  return raw === undefined ? '' : createHash('sha256').update(raw).digest('hex');
}
