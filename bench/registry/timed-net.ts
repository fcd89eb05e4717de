/** Connections from a chosen address of this machine, on which the time from each request to its answer is taken. */
import { createHash } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { PilotError } from '../../src/api/errors.ts';
import { nodeNet } from '../../src/platform/index.ts';
import { socketPipe } from '../../src/platform/pipe.ts';
import type { ConnectOptions, Net, Pipe } from '../../src/runtime/ports.ts';

const CONNECT_TIMEOUT = 10_000;

/** Times in milliseconds. */
export interface Times {
  readonly requests: number[];
  /** From the first packet until the connection is made, TLS included. */
  readonly connects: number[];
  failedConnects: number;
}

export function timedNet(times: Times): (from: string) => Net {
  const net = nodeNet();
  return (from) => ({ ...net, connect: (to, options = {}) => open(to, from, options, times) });
}

async function open(
  to: { readonly host: string; readonly port: number },
  from: string,
  options: ConnectOptions,
  times: Times,
): Promise<Pipe> {
  const began = performance.now();
  let socket = connect({ ...to, localAddress: from });
  const failed = (why: unknown): PilotError => {
    times.failedConnects++;
    socket.on('error', () => {});
    socket.destroy();
    return new PilotError('connection_failed', `Cannot connect: ${String(why)}`);
  };
  const limit = AbortSignal.timeout(options.timeout ?? CONNECT_TIMEOUT);
  const onAbort = (): void => void socket.destroy(new Error('the network changed'));
  options.signal?.addEventListener('abort', onAbort);
  try {
    await happens(socket, 'connect', limit);
    if (options.tls !== undefined) {
      const inTls = connectTls({ socket, rejectUnauthorized: false, minVersion: 'TLSv1.2' });
      socket = inTls;
      await happens(inTls, 'secureConnect', limit);
      const actual = createHash('sha256').update(inTls.getPeerCertificate().raw).digest('hex');
      if (actual !== options.tls.fingerprint) throw new Error('another certificate');
    }
  } catch (error) {
    throw failed(error);
  } finally {
    options.signal?.removeEventListener('abort', onAbort);
  }
  times.connects.push(performance.now() - began);
  return timed(socketPipe(socket, options.tls !== undefined), times);
}

function happens(socket: Socket, event: string, limit: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => end(new Error('no answer'));
    const onError = (error: Error): void => end(error);
    const onClose = (): void => end(new Error('closed'));
    const onDone = (): void => end();
    function end(error?: Error): void {
      limit.removeEventListener('abort', onAbort);
      socket.off('error', onError).off('close', onClose).off(event, onDone);
      if (error === undefined) resolve();
      else reject(error);
    }
    limit.addEventListener('abort', onAbort);
    socket.on('error', onError).on('close', onClose).on(event, onDone);
  });
}

const REQUEST_ID = /"request_id":(\d+)/g;

/** Requests are told by their `request_id`, which answers repeat. */
function timed(pipe: Pipe, times: Times): Pipe {
  const open = new Map<string, number>();
  return {
    ...pipe,
    write(data) {
      for (const [, id] of Buffer.from(data).toString('latin1').matchAll(REQUEST_ID))
        open.set(id!, performance.now());
      return pipe.write(data);
    },
    onData(receiver) {
      pipe.onData((data) => {
        for (const [, id] of Buffer.from(data).toString('latin1').matchAll(REQUEST_ID)) {
          const began = open.get(id!);
          if (began !== undefined) times.requests.push(performance.now() - began);
          open.delete(id!);
        }
        receiver(data);
      });
    },
  };
}
