import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIP, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, rootCertificates, type TLSSocket } from 'node:tls';
import { PilotError } from '../api/errors.ts';
import { formatEndpoint } from '../base/endpoint.ts';
import type { Endpoint, Millis } from '../base/units.ts';
import type { ConnectOptions, HttpProxy, Pipe, TlsClientOptions } from '../runtime/ports.ts';
import { dialTcp, Resolver } from './dial.ts';
import { socketPipe } from './pipe.ts';
import { askProxy } from './proxy.ts';
import { systemError } from './system-error.ts';

const CONNECT_TIMEOUT: Millis = 10_000;

export async function connectTcp(
  to: Endpoint,
  options: ConnectOptions = {},
  resolver = new Resolver(),
): Promise<Pipe> {
  const { tls } = options;
  const socket = await openSocket(to, options, resolver);
  return socketPipe(socket, tls?.fingerprint !== undefined || tls?.system === true);
}

/**
 * A connected socket: TCP, through the proxy when one is given, and TLS on top when asked for. One time limit holds
 * for all of it. Errors: those of `Net.connect`.
 */
export async function openSocket(to: Endpoint, options: ConnectOptions, resolver: Resolver): Promise<Socket> {
  const { tls, signal, proxy } = options;
  const controller = new AbortController();
  const onAbort = (): void => controller.abort(signal?.reason);
  if (signal?.aborted) onAbort();
  signal?.addEventListener('abort', onAbort);
  const timer = setTimeout(() => {
    const message = `Cannot connect to ${formatEndpoint(to)}: no answer`;
    controller.abort(new PilotError('connection_failed', message));
  }, options.timeout ?? CONNECT_TIMEOUT);
  try {
    controller.signal.throwIfAborted();
    const socket =
      proxy === undefined
        ? await dialTcp(to, resolver, controller.signal)
        : await throughProxy(proxy, to, resolver, controller.signal);
    return tls === undefined ? socket : await secured(socket, to, tls, controller.signal);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}

async function throughProxy(
  proxy: HttpProxy,
  to: Endpoint,
  resolver: Resolver,
  signal: AbortSignal,
): Promise<Socket> {
  let way: Socket;
  try {
    way = await dialTcp(proxy, resolver, signal);
    if (proxy.tls) way = await secured(way, proxy, { system: true }, signal);
  } catch (cause) {
    signal.throwIfAborted();
    throw unreachable(proxy, cause);
  }
  await askProxy(way, proxy, to, signal);
  return way;
}

function unreachable(proxy: HttpProxy, cause: unknown): PilotError {
  const why = (cause as { cause?: { code?: string } }).cause?.code ?? (cause as Error).message;
  return new PilotError('proxy_unreachable', `Cannot reach the proxy ${formatEndpoint(proxy)}: ${why}`, {
    cause,
  });
}

/**
 * TLS over a connected socket. Errors: `connection_failed`, `fingerprint_mismatch`, `server_untrusted`; the socket is
 * destroyed then.
 */
function secured(
  socket: Socket,
  to: Endpoint,
  tls: TlsClientOptions,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const target = formatEndpoint(to);
  const inTls = connectTls({
    socket,
    host: to.host,
    minVersion: 'TLSv1.2',
    ...(isIP(to.host) === 0 ? { servername: to.host } : {}),
    ...checkedBy(tls),
  });
  return new Promise((resolve, reject) => {
    const onAbort = (): void => fail(signal.reason);
    const onError = (error: Error): void => fail(failureOf(error, target, tls));
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
      // It takes the socket below along; destroying both at once crashes Node 20.
      inTls.destroy();
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

/** A pinned fingerprint takes the place of authorities, hence no check of the chain then. */
function checkedBy(tls: TlsClientOptions): ConnectionOptions {
  if (tls.system !== true) return { rejectUnauthorized: false };
  const more = process.env.SSL_CERT_FILE;
  if (more === undefined || more === '') return { rejectUnauthorized: true };
  // As other programs take it; Node itself does only when told to on its command line.
  return { rejectUnauthorized: true, ca: [...rootCertificates, readFileSync(more, 'utf8')] };
}

function failureOf(error: Error, target: string, tls: TlsClientOptions): PilotError {
  const code = (error as { code?: unknown }).code;
  // The certificate was shown and found wanting: trying again does not change it.
  if (tls.system === true && typeof code === 'string' && /CERT|SIGNATURE|ALTNAME|SELF_SIGNED/.test(code)) {
    const message = `Cannot connect to ${target}: its certificate is not trusted here (${code})`;
    return new PilotError('server_untrusted', message, { cause: error });
  }
  return systemError(error, `connect to ${target}`, 'connection_failed');
}

function leafFingerprint(socket: TLSSocket): string {
  const { raw } = socket.getPeerCertificate(false);
  return raw === undefined ? '' : createHash('sha256').update(raw).digest('hex');
}
