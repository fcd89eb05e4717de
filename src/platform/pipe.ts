import type { Socket } from 'node:net';
import type { Endpoint } from '../base/units.ts';
import type { Pipe } from '../runtime/ports.ts';
import { plainHost } from './udp.ts';

/** How long a pipe that was ended waits for the other side before it is destroyed, ms. */
const LINGER = 10_000;
const KEEP_ALIVE_AFTER = 15_000;

/** Wraps a connected TCP, TLS or Unix socket. `place` names the path of a Unix socket. */
export function socketPipe(socket: Socket, secure: boolean, place?: string): Pipe {
  let closed = socket.destroyed;
  let failure: Error | undefined;
  let onClosed: ((error?: Error) => void) | undefined;
  let onData: ((data: Uint8Array) => void) | undefined;
  let paused = false;
  const waiting: (() => void)[] = [];

  function release(): void {
    for (const resume of waiting.splice(0)) resume();
  }
  if (place === undefined) {
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_AFTER);
  }
  socket.on('error', (error) => {
    failure ??= error;
  });
  socket.on('drain', release);
  socket.on('close', () => {
    closed = true;
    release();
    onClosed?.(failure);
    onClosed = undefined;
  });
  socket.on('timeout', () => socket.destroy());

  return {
    remote:
      place === undefined ? endpointOf(socket.remoteAddress, socket.remotePort) : { host: place, port: 0 },
    local: place === undefined ? endpointOf(socket.localAddress, socket.localPort) : { host: place, port: 0 },
    secure,
    write(data) {
      if (closed || socket.destroyed || socket.writableEnded) return false;
      return socket.write(data);
    },
    get queued() {
      return closed ? 0 : socket.writableLength;
    },
    drained() {
      if (closed || socket.destroyed || !socket.writableNeedDrain) return Promise.resolve();
      return new Promise((resolve) => waiting.push(resolve));
    },
    onData(receiver) {
      if (onData === undefined) socket.on('data', (data) => onData!(data));
      onData = receiver;
      if (!paused) socket.resume();
    },
    onClose(receiver) {
      if (closed) queueMicrotask(() => receiver(failure));
      else onClosed = receiver;
    },
    pause() {
      paused = true;
      socket.pause();
    },
    resume() {
      paused = false;
      if (onData !== undefined) socket.resume();
    },
    end() {
      if (closed) return;
      socket.setTimeout(LINGER);
      socket.end();
    },
    destroy() {
      socket.destroy();
    },
  };
}

export function endpointOf(host: string | undefined, port: number | undefined): Endpoint {
  return { host: plainHost(host ?? ''), port: port ?? 0 };
}
