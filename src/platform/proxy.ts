import type { Socket } from 'node:net';
import { PilotError } from '../api/errors.ts';
import { formatEndpoint } from '../base/endpoint.ts';
import type { Endpoint } from '../base/units.ts';
import type { HttpProxy } from '../runtime/ports.ts';

/** Longest answer to CONNECT that is read; those of real proxies have some hundred bytes. */
const MAX_ANSWER = 16_384;
const END_OF_HEAD = '\r\n\r\n';

/**
 * Asks a proxy for a way to `to` (RFC 9110 §9.3.6), its name unresolved. Afterwards the socket is the way; nothing
 * that came behind the answer is lost. Errors: `proxy_auth_required`, `proxy_refused`, the signal's reason; the socket
 * is destroyed then.
 */
export async function askProxy(
  socket: Socket,
  proxy: HttpProxy,
  to: Endpoint,
  signal: AbortSignal,
): Promise<void> {
  const target = formatEndpoint(to);
  const request = [
    `CONNECT ${target} HTTP/1.1`,
    `Host: ${target}`,
    ...(proxy.authorization === undefined ? [] : [`Proxy-Authorization: ${proxy.authorization}`]),
  ];
  try {
    socket.write(`${request.join('\r\n')}${END_OF_HEAD}`, 'latin1');
    const { head, rest } = await readHead(socket, signal, (why) => refused(proxy, target, why));
    judge(head, proxy, target);
    if (rest.length > 0) socket.unshift(rest);
  } catch (error) {
    socket.on('error', () => {});
    socket.destroy();
    throw error;
  }
}

function judge(head: string, proxy: HttpProxy, target: string): void {
  const status = /^HTTP\/1\.[01] (\d{3})(?: ([^\r\n]*))?\r\n/.exec(head);
  if (status === null) throw refused(proxy, target, 'its answer is not HTTP');
  const [, code, words = ''] = status;
  if (code === '407') {
    const asked = proxy.authorization === undefined ? 'asks for credentials' : 'refuses the credentials';
    throw new PilotError('proxy_auth_required', `The proxy ${formatEndpoint(proxy)} ${asked} (407)`);
  }
  if (!code!.startsWith('2')) throw refused(proxy, target, `${code} ${printable(words)}`.trim());
}

/** The answer up to its empty line, and what came behind it. A proxy that hangs up has refused. */
function readHead(
  socket: Socket,
  signal: AbortSignal,
  refusal: (why: string) => PilotError,
): Promise<{ head: string; rest: Buffer }> {
  let answer = '';
  return new Promise((resolve, reject) => {
    const settle = (done: () => void): void => {
      signal.removeEventListener('abort', onAbort);
      socket.off('readable', onReadable);
      for (const event of ['end', 'close', 'error']) socket.off(event, onEnd);
      done();
    };
    const onAbort = (): void => settle(() => reject(signal.reason));
    const onEnd = (): void => settle(() => reject(refusal('it closed the connection')));
    const onReadable = (): void => {
      for (let piece = socket.read() as Buffer | null; piece !== null; piece = socket.read()) {
        answer += piece.toString('latin1');
        const end = answer.indexOf(END_OF_HEAD);
        if (end >= 0) {
          const head = answer.slice(0, end + END_OF_HEAD.length);
          settle(() => resolve({ head, rest: Buffer.from(answer.slice(head.length), 'latin1') }));
          return;
        }
        if (answer.length > MAX_ANSWER) {
          settle(() => reject(refusal('its answer never ends')));
          return;
        }
      }
    };
    signal.addEventListener('abort', onAbort);
    socket.on('readable', onReadable);
    for (const event of ['end', 'close', 'error']) socket.on(event, onEnd);
  });
}

function refused(proxy: HttpProxy, target: string, why: string): PilotError {
  return new PilotError(
    'proxy_refused',
    `The proxy ${formatEndpoint(proxy)} does not connect to ${target}: ${why}`,
  );
}

/** What a server says may end up on a terminal. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 80);
}
