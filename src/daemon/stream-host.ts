import { PilotError } from '../api/errors.ts';
import type { Conn, Listener, StreamHost } from '../api/stream.ts';
import type { Address, Port } from '../base/units.ts';
import type { LocalStream, StreamEnd } from '../ipc/backend.ts';
import type { StreamTable } from './streams.ts';

const READ_SIZE = 64 * 1024;
/** Streams waiting for a service to accept; more are reset. Chosen: one turn may bring as many as the limit of openings lets by. */
const ACCEPT_QUEUE = 4096;

/** The node as services inside the daemon see it. */
export function streamHost(table: StreamTable): StreamHost {
  return {
    listen: (port) => listener(table, port),
    dial: async (to: Address, port: Port, options = {}) => connOf(await table.dial(to, port, options)),
  };
}

function listener(table: StreamTable, port: Port): Listener {
  const ready: Conn[] = [];
  let closed = false;
  let wake: (() => void) | undefined;
  const binding = table.listen(port, (stream) => {
    if (ready.length >= ACCEPT_QUEUE) {
      stream.abort();
      return;
    }
    ready.push(connOf(stream));
    wake?.();
  });
  return {
    port,
    async accept() {
      for (;;) {
        const conn = ready.shift();
        if (conn !== undefined || closed) return conn;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    close() {
      closed = true;
      binding.close();
      for (const conn of ready.splice(0)) conn.abort();
      wake?.();
    },
  };
}

/** A stream with promises. One reader and one writer at a time. */
export function connOf(stream: LocalStream): Conn {
  const pending: Uint8Array[] = [];
  let over: StreamEnd | undefined;
  let finished = false;
  let wakeReader: (() => void) | undefined;
  let wakeWriter: (() => void) | undefined;
  let wakeCloser: (() => void) | undefined;
  stream.observe({
    readable: () => wakeReader?.(),
    writable: () => wakeWriter?.(),
    finished: () => {
      finished = true;
      wakeCloser?.();
    },
    closed: (reason) => {
      over = reason;
      wakeReader?.();
      wakeWriter?.();
      wakeCloser?.();
    },
  });

  return {
    local: stream.local,
    remote: stream.remote,
    async read() {
      for (;;) {
        if (pending.length === 0) pending.push(...stream.read(READ_SIZE));
        const chunk = pending.shift();
        if (chunk !== undefined) return chunk;
        if (stream.atEnd) return undefined;
        if (over !== undefined) throw endError(over);
        await new Promise<void>((resolve) => {
          wakeReader = resolve;
        });
      }
    },
    async write(given) {
      // What a stream takes it keeps.
      const data = given.slice();
      for (let at = 0; at < data.length; ) {
        if (over !== undefined) throw endError(over);
        const accepted = stream.write(data.subarray(at));
        at += accepted;
        if (at >= data.length) return;
        await new Promise<void>((resolve) => {
          wakeWriter = resolve;
        });
      }
    },
    async endWriting() {
      stream.endWriting();
    },
    async close() {
      stream.close();
      while (over === undefined && !finished) {
        await new Promise<void>((resolve) => {
          wakeCloser = resolve;
        });
      }
      if (!finished && over !== undefined && over !== 'finished') throw endError(over);
    },
    abort: () => stream.abort(),
  };
}

function endError(reason: StreamEnd): PilotError {
  if (reason === 'timeout') return new PilotError('timeout', 'The stream ended: the peer no longer answers');
  if (reason === 'untrusted') return new PilotError('untrusted', 'The stream ended: trust was withdrawn');
  return new PilotError('connection_failed', `The stream ended: ${reason}`);
}
