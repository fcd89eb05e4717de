import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { WebSocketServer } from 'ws';
import type { Millis } from '../base/units.ts';
import type { WebSocketServerOptions } from '../runtime/ports.ts';
import { messagePipe, SOCKET_OPTIONS } from './websocket.ts';

/** From the first byte of a request to the open WebSocket. */
const OPENING_TIMEOUT: Millis = 10_000;
const MAX_HEADER_BYTES = 8_192;

/**
 * Serves HTTP on sockets that others accepted: one resource, which is a WebSocket. `onServed` is called when the
 * opening is over, in whatever way.
 */
export function webSocketDoor(
  options: WebSocketServerOptions,
): (socket: Socket, onServed: () => void) => void {
  const opener = new WebSocketServer({
    ...SOCKET_OPTIONS,
    noServer: true,
    maxPayload: options.maxMessage,
    clientTracking: false,
  });
  const limits = new WeakMap<Socket, { over(): void }>();
  const server = createServer({ maxHeaderSize: MAX_HEADER_BYTES }, (request, response) =>
    refuse(request, response, options.path),
  );
  server.maxRequestsPerSocket = 1;
  server.on('clientError', (_error, socket) => socket.destroy());
  server.on('upgrade', (request, stream, head) => {
    const socket = stream as Socket;
    if (pathOf(request) !== options.path) {
      socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    opener.handleUpgrade(request, socket, head, (ws) => {
      limits.get(socket)?.over();
      options.onOpen(messagePipe(ws, socket));
    });
  });
  return (socket, onServed) => {
    const timer = setTimeout(() => socket.destroy(), OPENING_TIMEOUT);
    const over = (): void => {
      clearTimeout(timer);
      onServed();
    };
    limits.set(socket, { over });
    socket.on('error', () => {});
    socket.on('close', over);
    server.emit('connection', socket);
  };
}

/** A browser or a probe; the latter learns that WebSockets get through to here. */
function refuse(request: IncomingMessage, response: ServerResponse, path: string): void {
  const found = pathOf(request) === path;
  response.writeHead(found ? 426 : 404, {
    Connection: found ? 'Upgrade, close' : 'close',
    ...(found && { Upgrade: 'websocket' }),
    'Content-Type': 'text/plain',
  });
  response.end(found ? 'This is a beacon: use a WebSocket.\n' : '');
}

function pathOf({ url = '' }: IncomingMessage): string {
  const end = url.indexOf('?');
  return end < 0 ? url : url.slice(0, end);
}
