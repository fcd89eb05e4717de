import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import { PilotError } from '../api/errors.ts';
import type { Bytes, Millis } from '../base/units.ts';
import type { ConnectOptions, MessagePipe } from '../runtime/ports.ts';
import { openSocket } from './connect.ts';
import type { Resolver } from './dial.ts';
import { endpointOf } from './pipe.ts';
import { systemError } from './system-error.ts';

const TIMEOUT: Millis = 10_000;
/** For both sides: no compression, which costs memory per connection, and no long goodbyes (ms). */
export const SOCKET_OPTIONS = { perMessageDeflate: false, closeTimeout: 3_000 } as const;
/** The close code of RFC 6455 §7.4.1 for "I do not want this". */
const POLICY_VIOLATION = 1008;

/** Opens a WebSocket over a connection of ours, so that proxies and pinned keys count here as well. */
export async function connectWebSocket(
  url: string,
  options: ConnectOptions & { readonly maxMessage: Bytes },
  resolver: Resolver,
): Promise<MessagePipe> {
  const { host, port, secure } = partsOf(url);
  const started = performance.now();
  const timeout = options.timeout ?? TIMEOUT;
  const { tls = { system: true }, ...rest } = options;
  const socket = await openSocket({ host, port }, { ...rest, timeout, ...(secure && { tls }) }, resolver);
  const left = Math.max(1, timeout - (performance.now() - started));
  return new Promise((resolve, reject) => {
    const ws = new WebSocket(url, {
      ...SOCKET_OPTIONS,
      createConnection: () => socket,
      maxPayload: options.maxMessage,
    });
    const onAbort = (): void => fail(options.signal?.reason);
    const late = new PilotError('connection_failed', `Cannot open ${url}: no answer`);
    const timer = setTimeout(() => fail(late), left);
    const settle = (): void => {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', onAbort);
    };
    const fail = (reason: unknown): void => {
      settle();
      ws.on('error', () => {});
      ws.terminate();
      socket.destroy();
      reject(reason);
    };
    options.signal?.addEventListener('abort', onAbort);
    ws.once('error', (error) => fail(systemError(error, `open ${url}`, 'connection_failed')));
    ws.once('unexpected-response', (_request, response) => {
      fail(
        new PilotError('protocol_error', `Cannot open ${url}: the server answered ${response.statusCode}`),
      );
    });
    ws.once('open', () => {
      settle();
      ws.removeAllListeners('error');
      ws.removeAllListeners('unexpected-response');
      resolve(messagePipe(ws, socket));
    });
  });
}

function partsOf(url: string): { readonly host: string; readonly port: number; readonly secure: boolean } {
  const { protocol, hostname, port } = new URL(url);
  const secure = protocol === 'wss:';
  const host = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
  return { host, port: port === '' ? (secure ? 443 : 80) : Number(port), secure };
}

/** Wraps an open WebSocket. */
export function messagePipe(ws: WebSocket, socket: Socket): MessagePipe {
  let closed = false;
  let reason = '';
  let onClosed: ((reason: string) => void) | undefined;
  let onMessage: ((message: string | Uint8Array) => void) | undefined;
  const early: (string | Uint8Array)[] = [];
  socket.setNoDelay(true);
  ws.on('error', (error) => {
    reason ||= error.message;
  });
  ws.on('close', (_code, given) => {
    closed = true;
    reason = given.toString() || reason;
    onClosed?.(reason);
    onClosed = undefined;
  });
  ws.on('message', (data, isBinary) => {
    const bytes = data as Buffer;
    const message = isBinary ? bytes : bytes.toString();
    if (onMessage !== undefined) onMessage(message);
    else {
      early.push(message);
      ws.pause();
    }
  });
  return {
    remote: endpointOf(socket.remoteAddress, socket.remotePort),
    get queued() {
      return ws.bufferedAmount;
    },
    send(message) {
      if (ws.readyState === WebSocket.OPEN) ws.send(message, { binary: typeof message !== 'string' });
    },
    onMessage(receiver) {
      onMessage = receiver;
      for (const message of early.splice(0)) receiver(message);
      ws.resume();
    },
    ping() {
      if (ws.readyState === WebSocket.OPEN) ws.ping();
    },
    onSign(receiver) {
      ws.on('pong', () => receiver());
      ws.on('ping', () => receiver());
    },
    onClose(receiver) {
      if (closed) queueMicrotask(() => receiver(reason));
      else onClosed = receiver;
    },
    pause: () => ws.pause(),
    resume: () => ws.resume(),
    close(why) {
      if (why === undefined) ws.close(1000);
      else ws.close(POLICY_VIOLATION, why);
    },
    destroy: () => ws.terminate(),
  };
}
