import { lstatSync, mkdirSync, type Stats, unlinkSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { dirname, resolve as resolvePath } from 'node:path';
import { PilotError } from '../api/errors.ts';
import type { Pipe, PipeServer } from '../runtime/ports.ts';
import { socketPipe } from './pipe.ts';
import { systemCode, systemError } from './system-error.ts';
import { stopListening } from './tcp.ts';

/** Room for a path in sockaddr_un, less its final zero; longer paths would be cut silently. */
const MAX_PATH_BYTES = 107;
/** What waits for the other side before the writer is asked to pause: several of the largest frames. */
const BUFFERED = 256 * 1024;

/** Listens on an owner-only Unix socket. A dead socket is replaced; anything else at `path` is left alone. */
export async function listenLocalSocket(path: string, onPipe: (pipe: Pipe) => void): Promise<PipeServer> {
  checkPath(path);
  try {
    mkdirSync(dirname(resolvePath(path)), { recursive: true, mode: 0o700 });
  } catch (error) {
    throw systemError(error, `create the directory of ${path}`);
  }
  await clearDeadSocket(path);
  const server = createServer({ highWaterMark: BUFFERED }, (socket) =>
    onPipe(socketPipe(socket, false, path)),
  );
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      if (systemCode(error) === 'EADDRINUSE') reject(inUse(path));
      else reject(systemError(error, `listen on ${path}`));
    });
    server.once('listening', () => {
      server.removeAllListeners('error');
      server.on('error', () => {});
      resolve({ local: { host: path, port: 0 }, close: () => stopListening(server) });
    });
    // listen() creates the socket file before it returns, so the mask makes it 0600 from its first moment.
    const mask = process.umask(0o177);
    try {
      server.listen({ path });
    } finally {
      process.umask(mask);
    }
  });
}

export function connectLocalSocket(path: string): Promise<Pipe> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path, ...{ writableHighWaterMark: BUFFERED } });
    const onError = (error: Error): void => {
      const code = systemCode(error);
      if (code === 'ENOENT' || code === 'ECONNREFUSED') {
        reject(
          new PilotError('not_running', `Cannot connect to ${path}: nothing listens there`, { cause: error }),
        );
      } else if (code === 'EACCES' || code === 'EPERM') {
        reject(
          new PilotError('permission_denied', `Cannot connect to ${path}: it belongs to another user`, {
            cause: error,
          }),
        );
      } else reject(systemError(error, `connect to ${path}`, 'connection_failed'));
    };
    socket.once('error', onError);
    socket.once('connect', () => {
      socket.off('error', onError);
      resolve(socketPipe(socket, false, path));
    });
  });
}

async function clearDeadSocket(path: string): Promise<void> {
  const before = lookAt(path);
  if (before === undefined) return;
  if (!before.isSocket())
    throw new PilotError('io_error', `Cannot listen on ${path}: a file that is not a socket is there`);
  if (await answers(path)) throw inUse(path);
  // Another process may have replaced the dead socket while we asked: only the one we saw may go.
  const after = lookAt(path);
  if (after === undefined) return;
  if (after.ino !== before.ino || after.ctimeMs !== before.ctimeMs) throw inUse(path);
  try {
    unlinkSync(path);
  } catch (error) {
    throw systemError(error, `remove the dead socket ${path}`);
  }
}

function lookAt(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw systemError(error, `look at ${path}`);
  }
}

/** True unless the system says that nobody listens: a socket we may not open is somebody's. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error) =>
      resolve(systemCode(error) !== 'ECONNREFUSED' && systemCode(error) !== 'ENOENT'),
    );
  });
}

function inUse(path: string): PilotError {
  return new PilotError('socket_in_use', `Cannot listen on ${path}: another process listens there`);
}

function checkPath(path: string): void {
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) {
    throw new PilotError(
      'invalid_argument',
      `Cannot use ${path} as a socket: longer than ${MAX_PATH_BYTES} bytes`,
    );
  }
}
