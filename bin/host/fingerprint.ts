import { createHash } from 'node:crypto';
import { connect as connectTcp, isIP } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { PilotError } from '../../src/api/errors.ts';
import { formatEndpoint } from '../../src/base/endpoint.ts';
import type { Endpoint } from '../../src/base/units.ts';
import type { Abort } from '../../src/runtime/ports.ts';

/** The fingerprint of the certificate a server shows, whoever it is: for the first contact, which has nothing to compare with. */
export function fingerprintOf(server: Endpoint, timeout: number, signal?: Abort): Promise<string> {
  const name = formatEndpoint(server);
  return new Promise((resolve, reject) => {
    const tcp = connectTcp({ host: server.host, port: server.port });
    let connected = false;
    const timer = setTimeout(() => {
      // Something that accepts but never shows a certificate waits for another protocol.
      fail(connected ? 'protocol_error' : 'connection_failed', 'no answer');
    }, timeout);
    const onAbort = (): void => {
      finish();
      reject(signal?.reason);
    };
    function finish(): void {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      tcp.on('error', () => {});
      tcp.destroy();
    }
    function fail(code: 'protocol_error' | 'connection_failed', why: string): void {
      finish();
      reject(new PilotError(code, `Cannot read the certificate of ${name}: ${why}`));
    }
    signal?.addEventListener('abort', onAbort);
    tcp.on('error', (error: NodeJS.ErrnoException) =>
      fail(connected ? 'protocol_error' : 'connection_failed', error.code ?? error.message),
    );
    tcp.on('connect', () => {
      connected = true;
      const tls = connectTls({
        socket: tcp,
        rejectUnauthorized: false,
        minVersion: 'TLSv1.2',
        ...(isIP(server.host) === 0 ? { servername: server.host } : {}),
      });
      tls.on('error', (error: NodeJS.ErrnoException) => fail('protocol_error', error.code ?? error.message));
      tls.on('close', () => fail('protocol_error', 'closed'));
      tls.on('secureConnect', () => {
        const { raw } = tls.getPeerCertificate(false);
        tls.removeAllListeners('close');
        finish();
        if (raw === undefined) reject(new PilotError('protocol_error', `${name} shows no certificate`));
        else resolve(createHash('sha256').update(raw).digest('hex'));
      });
    });
  });
}
