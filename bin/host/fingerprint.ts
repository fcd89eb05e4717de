import { createHash } from 'node:crypto';
import { isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { PilotError } from '../../src/api/errors.ts';
import { formatEndpoint } from '../../src/base/endpoint.ts';
import type { Endpoint } from '../../src/base/units.ts';
import { openSocket } from '../../src/platform/connect.ts';
import { Resolver } from '../../src/platform/dial.ts';
import type { ConnectOptions } from '../../src/runtime/ports.ts';

/** The fingerprint of the certificate a server shows, whoever it is: for the first contact, which has nothing to compare with. */
export async function fingerprintOf(
  server: Endpoint,
  timeout: number,
  options: Pick<ConnectOptions, 'signal' | 'proxy'> = {},
): Promise<string> {
  const started = performance.now();
  const socket = await openSocket(server, { ...options, timeout }, new Resolver());
  return certificateOf(socket, server, Math.max(1, timeout - (performance.now() - started)), options);
}

/** Something that accepts but never shows a certificate waits for another protocol. */
function certificateOf(
  socket: Socket,
  server: Endpoint,
  timeout: number,
  { signal }: Pick<ConnectOptions, 'signal'>,
): Promise<string> {
  const name = formatEndpoint(server);
  const tls = connectTls({
    socket,
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2',
    ...(isIP(server.host) === 0 ? { servername: server.host } : {}),
  });
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => fail('no answer'), timeout);
    const onAbort = (): void => {
      finish();
      reject(signal?.reason);
    };
    function finish(): void {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      tls.removeAllListeners('close');
      tls.on('error', () => {});
      tls.destroy();
    }
    function fail(why: string): void {
      finish();
      reject(new PilotError('protocol_error', `Cannot read the certificate of ${name}: ${why}`));
    }
    signal?.addEventListener('abort', onAbort);
    tls.on('error', (error: NodeJS.ErrnoException) => fail(error.code ?? error.message));
    tls.on('close', () => fail('closed'));
    tls.on('secureConnect', () => {
      const { raw } = tls.getPeerCertificate(false);
      finish();
      if (raw === undefined) reject(new PilotError('protocol_error', `${name} shows no certificate`));
      else resolve(createHash('sha256').update(raw).digest('hex'));
    });
  });
}
