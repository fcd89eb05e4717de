import { isErrorCode, PilotError } from '../api/errors.ts';
import type { StreamPriority } from '../api/priority.ts';
import type { Conn, Listener } from '../api/stream.ts';
import { fromUtf8, readU32 } from '../base/bytes.ts';
import type { Address, Port } from '../base/units.ts';
import type { Abort, Net, Pipe } from '../runtime/ports.ts';
import { formatAddress, parseAddress } from '../wire/address.ts';
import {
  CMD,
  decodeAccept,
  decodeCallError,
  decodeCallResult,
  decodeError,
  decodeRecvFrom,
  encodeCall,
  encodeCallCancel,
  encodeConnId,
  encodeIpcFrame,
  encodeTarget,
  IpcFrameReader,
} from '../wire/ipc.ts';
import { ClientConn, type ConnCarrier } from './client-conn.ts';
import { ABORT, CREDIT, decodeCredit, ENDED, encodeCredit } from './extension.ts';
import { FrameWriter } from './frame-writer.ts';
import { WATCH_PORT } from './message-calls.ts';
import type { Method, Params, Result } from './methods.ts';

export interface DialOptions {
  /** Milliseconds. @default 30000 */
  readonly timeout?: number;
  readonly signal?: Abort;
  /** Sends small writes at once instead of joining them. @default false */
  readonly noDelay?: boolean;
  /** What we send gives way to everything else on the path when `background`. @default 'normal' */
  readonly priority?: StreamPriority | undefined;
  /** Id of a message of the peer: where the peer still listens on the stream of it, the answer goes there. */
  readonly answers?: string | undefined;
}

/** A datagram as received; `from` is authenticated by the tunnel. */
export interface Datagram {
  readonly from: Address;
  readonly fromPort: Port;
  readonly toPort: Port;
  readonly data: Uint8Array;
}

/** Streams waiting for `accept`; more are reset, as spec/20 §5.3 has it with 64. As many as one program may have. */
const ACCEPT_QUEUE = 4096;

interface Waiter {
  readonly method: Method;
  /** The caller has gone; a stream that opens all the same is reset. */
  cancelled: boolean;
  resolve(value: object): void;
  reject(error: PilotError): void;
}

interface Accepting {
  readonly port: Port;
  readonly ready: ClientConn[];
  closed: boolean;
  wake: (() => void) | undefined;
}

/** A connection to the daemon on this machine. All methods may be used concurrently. */
export class IpcClient {
  readonly #pipe: Pipe;
  readonly #writer: FrameWriter;
  readonly #reader = new IpcFrameReader();
  readonly #waiting = new Map<number, Waiter>();
  readonly #conns = new Map<number, ClientConn>();
  readonly #accepting = new Map<Port, Accepting>();
  readonly #datagrams = new Map<Port, (datagram: Datagram) => void>();
  readonly #carrier: ConnCarrier;
  #drainWaiters: (() => void)[] = [];
  #nextId = 1;
  #failure: PilotError | undefined;
  #onClose: (() => void) | undefined;
  #onMessage: ((copy: Conn) => void) | undefined;
  #hello: Result<'hello'> | undefined;

  /** Errors: `not_running` when nothing answers on the socket, `protocol_error` when it is not a daemon of this kind. */
  static async connect(options: { net: Net; socketPath: string; client?: string }): Promise<IpcClient> {
    let pipe: Pipe;
    try {
      pipe = await options.net.connectLocal(options.socketPath);
    } catch (cause) {
      throw new PilotError('not_running', 'daemon is not running', { cause });
    }
    const client = new IpcClient(pipe);
    try {
      client.#hello = await client.call(
        'hello',
        options.client === undefined ? {} : { client: options.client },
      );
    } catch (error) {
      client.close();
      throw error;
    }
    return client;
  }

  private constructor(pipe: Pipe) {
    this.#pipe = pipe;
    this.#reader.piecewise = true;
    this.#writer = new FrameWriter(pipe);
    this.#writer.onDrain(() => {
      const waiters = this.#drainWaiters;
      this.#drainWaiters = [];
      for (const wake of waiters) wake();
    });
    this.#carrier = {
      sendData: (id, data) => this.#writer.pushData(CMD.send, id, data),
      grant: (id, bytes) => this.#writer.push(encodeIpcFrame(CREDIT, encodeCredit(id, bytes))),
      writable: () =>
        this.#writer.congested
          ? new Promise((resolve) => {
              this.#drainWaiters.push(resolve);
            })
          : undefined,
      closeConn: async (id) => {
        try {
          await this.call('close', { connection: id });
        } finally {
          this.#conns.delete(id);
        }
      },
      endWriting: async (id) => void (await this.call('end_writing', { connection: id })),
      abortConn: (id) => {
        this.#conns.delete(id);
        this.#writer.push(encodeIpcFrame(ABORT, encodeConnId(id)));
      },
    };
    pipe.onClose((error) => this.#lost(error));
    pipe.onData((data) => this.#receive(data));
  }

  /** What the daemon said of itself when this client connected. */
  get daemon(): Result<'hello'> {
    return this.#hello!;
  }

  /** Called once when the daemon goes away or `close` is called. */
  onClose(receiver: () => void): void {
    this.#onClose = receiver;
    if (this.#failure !== undefined) receiver();
  }

  /** Errors: those of the method; `unavailable` when the daemon goes away; `cancelled` when the signal fires. */
  call<M extends Method>(method: M, params: Params<M>, signal?: Abort): Promise<Result<M>> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (signal?.aborted) return Promise.reject(cancelled(method));
    const id = this.#nextId;
    this.#nextId = id === 0xffff_ffff ? 1 : id + 1;
    return new Promise<object>((resolve, reject) => {
      const abort = (): void => {
        const waiter = this.#waiting.get(id);
        if (waiter === undefined) return;
        waiter.cancelled = true;
        this.#writer.push(encodeIpcFrame(CMD.callCancel, encodeCallCancel(id)));
        reject(cancelled(method));
      };
      const done = (): void => signal?.removeEventListener('abort', abort);
      this.#waiting.set(id, {
        method,
        cancelled: false,
        resolve: (value) => {
          done();
          resolve(value);
        },
        reject: (error) => {
          done();
          reject(error);
        },
      });
      signal?.addEventListener('abort', abort);
      this.#writer.push(encodeIpcFrame(CMD.call, encodeCall({ id, method, params })));
    }) as Promise<Result<M>>;
  }

  /** Opens a stream; `target` is a hostname, an address or a node id. Errors: `not_found`, `untrusted`, `connection_refused`, `timeout`. */
  async dial(target: string | Address, port: Port, options: DialOptions = {}): Promise<Conn> {
    const text = typeof target === 'string' ? target : formatAddress(target);
    const result = await this.call(
      'dial',
      {
        target: text,
        port,
        timeout_ms: wholeMillis(options.timeout),
        no_delay: options.noDelay,
        ...(options.priority !== undefined && { priority: options.priority }),
        ...(options.answers !== undefined && { answers: options.answers }),
      },
      options.signal,
    );
    return this.#conns.get(result.connection) ?? Promise.reject(lostConn());
  }

  /** Port 0 chooses a free one. Errors: `port_in_use`. */
  async listen(port: Port): Promise<Listener> {
    const bound = await this.call('listen', { port });
    return this.#listener(bound.port, () => this.call('unlisten', { port: bound.port }));
  }

  /**
   * Takes the questions that reach the data exchange port of this node: each is a stream as if its sender had opened
   * it, and speaks data exchange. Errors: `port_in_use`, `unavailable`.
   */
  async serveMessages(): Promise<Listener> {
    const { port } = await this.call('messages_serve', {});
    return this.#listener(port, () => this.call('messages_release', {}));
  }

  /** Receives copies of watched messages (`messages_watch`); one receiver. */
  onMessage(receiver: (copy: Conn) => void): void {
    this.#onMessage = receiver;
  }

  #listener(port: Port, unlisten: () => Promise<unknown>): Listener {
    const accepting = this.#acceptQueue(port);
    return {
      port,
      accept: async () => {
        for (;;) {
          const conn = accepting.ready.shift();
          if (conn !== undefined) return conn;
          if (accepting.closed) return undefined;
          await new Promise<void>((resolve) => {
            accepting.wake = resolve;
          });
        }
      },
      close: () => {
        if (accepting.closed) return;
        accepting.closed = true;
        this.#accepting.delete(port);
        for (const conn of accepting.ready.splice(0)) conn.abort();
        accepting.wake?.();
        unlisten().catch(() => {});
      },
    };
  }

  /** Fire and forget; at most one packet. */
  sendDatagram(to: Address, port: Port, data: Uint8Array): void {
    this.#writer.push(encodeIpcFrame(CMD.sendTo, encodeTarget(to, port), data));
  }

  /** Receives the datagrams sent to a port of this node. Errors: `port_in_use`. */
  async onDatagram(port: Port, receiver: (datagram: Datagram) => void): Promise<{ close(): void }> {
    if (this.#datagrams.has(port)) {
      throw new PilotError(
        'port_in_use',
        `Cannot receive datagrams on port ${port}: this program does already`,
      );
    }
    this.#datagrams.set(port, receiver);
    try {
      await this.call('listen_datagrams', { port });
    } catch (error) {
      this.#datagrams.delete(port);
      throw error;
    }
    return {
      close: () => {
        if (this.#datagrams.delete(port)) this.call('unlisten_datagrams', { port }).catch(() => {});
      },
    };
  }

  /** Closes the connection to the daemon; it finishes the streams of this client in the background. */
  close(): void {
    if (this.#failure !== undefined) return;
    this.#writer.close();
    this.#pipe.end();
    this.#lost(undefined);
  }

  #acceptQueue(port: Port): Accepting {
    let accepting = this.#accepting.get(port);
    if (accepting === undefined) {
      accepting = { port, ready: [], closed: false, wake: undefined };
      this.#accepting.set(port, accepting);
    }
    return accepting;
  }

  #receive(data: Uint8Array): void {
    this.#reader.push(data);
    for (let frame = this.#reader.next(); frame !== undefined; frame = this.#reader.next()) {
      if (frame.conn === undefined) this.#onFrame(frame.cmd, frame.payload);
      else if (frame.cmd === CMD.recv) this.#conns.get(frame.conn)?.receive(frame.payload);
    }
  }

  #onFrame(cmd: number, payload: Uint8Array): void {
    switch (cmd) {
      case CMD.callResult:
      case CMD.callError:
        this.#onReply(cmd, payload);
        return;
      case CREDIT: {
        const credit = decodeCredit(payload);
        if (credit !== undefined) this.#conns.get(credit.conn)?.credit(credit.bytes);
        return;
      }
      case ENDED:
        if (payload.length >= 4) this.#onEnded(readU32(payload, 0), fromUtf8(payload.subarray(4)));
        return;
      case CMD.accept:
        this.#onAccept(payload);
        return;
      case CMD.recvFrom:
        this.#onRecvFrom(payload);
        return;
      case CMD.error:
        this.#onError(payload);
        return;
      default:
    }
  }

  #onReply(cmd: number, payload: Uint8Array): void {
    const reply = cmd === CMD.callError ? decodeCallError(payload) : decodeCallResult(payload);
    if (typeof reply === 'string') return;
    const waiter = this.#waiting.get(reply.id);
    if (waiter === undefined) return;
    this.#waiting.delete(reply.id);
    if (!('result' in reply)) {
      waiter.reject(
        new PilotError(isErrorCode(reply.code) ? reply.code : 'internal', reply.message, {
          ...(reply.hint === '' ? {} : { hint: reply.hint }),
        }),
      );
      return;
    }
    if (waiter.method === 'dial') this.#opened(reply.result as Result<'dial'>, waiter.cancelled);
    waiter.resolve(reply.result as object);
  }

  #opened(result: Result<'dial'>, unwanted: boolean): void {
    const address = parseAddress(result.remote_addr);
    if (typeof address === 'string') return;
    if (unwanted) this.#carrier.abortConn(result.connection);
    else this.#register(result.connection, result.local_port, address, result.remote_port);
  }

  #register(id: number, localPort: Port, remote: Address, remotePort: Port): ClientConn {
    const conn = new ClientConn(this.#carrier, id, {
      local: { address: this.#ownAddress(), port: localPort },
      remote: { address: remote, port: remotePort },
    });
    this.#conns.set(id, conn);
    return conn;
  }

  #ownAddress(): Address {
    return { network: 0, node: this.#hello?.node_id ?? 0 };
  }

  #onAccept(payload: Uint8Array): void {
    const accept = decodeAccept(payload);
    if (typeof accept === 'string') return;
    const conn = this.#register(accept.conn, accept.localPort, accept.remote, accept.remotePort);
    if (accept.localPort === WATCH_PORT) {
      if (this.#onMessage === undefined) conn.abort();
      else this.#onMessage(conn);
      return;
    }
    const accepting = this.#acceptQueue(accept.localPort);
    if (accepting.ready.length >= ACCEPT_QUEUE) {
      conn.abort();
      return;
    }
    accepting.ready.push(conn);
    accepting.wake?.();
  }

  #onRecvFrom(payload: Uint8Array): void {
    const datagram = decodeRecvFrom(payload);
    if (typeof datagram === 'string') return;
    this.#datagrams.get(datagram.destinationPort)?.({
      from: datagram.source,
      fromPort: datagram.sourcePort,
      toPort: datagram.destinationPort,
      data: datagram.data,
    });
  }

  #onEnded(id: number, reason: string): void {
    const conn = this.#conns.get(id);
    if (conn === undefined) return;
    if (reason === 'finished') conn.end();
    else {
      this.#conns.delete(id);
      conn.fail(endError(reason));
    }
  }

  /** An error frame answers nothing of ours but a `hello` to a daemon that does not know it. */
  #onError(payload: Uint8Array): void {
    const error = decodeError(payload);
    if (this.#hello !== undefined || typeof error === 'string') return;
    this.#fail(new PilotError('protocol_error', `The daemon refused a request: ${error.text}`));
  }

  #lost(error: Error | undefined): void {
    this.#fail(new PilotError('unavailable', 'The connection to the daemon ended', { cause: error }));
  }

  #fail(error: PilotError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    for (const waiter of this.#waiting.values()) waiter.reject(error);
    this.#waiting.clear();
    for (const conn of this.#conns.values()) conn.fail(error);
    this.#conns.clear();
    for (const accepting of this.#accepting.values()) {
      accepting.closed = true;
      accepting.wake?.();
    }
    for (const wake of this.#drainWaiters.splice(0)) wake();
    this.#onClose?.();
  }
}

function cancelled(method: string): PilotError {
  return new PilotError('cancelled', `Cancelled: ${method}`);
}

function lostConn(): PilotError {
  return new PilotError('connection_failed', 'The stream ended at once');
}

function endError(reason: string): PilotError {
  switch (reason) {
    case 'timeout':
      return new PilotError('timeout', 'The stream ended: the peer no longer answers');
    case 'untrusted':
      return new PilotError('untrusted', 'The stream ended: trust was withdrawn');
    default:
      return new PilotError('connection_failed', `The stream ended: ${reason}`);
  }
}

/** Timeouts on the wire are whole milliseconds, at least one. */
export function wholeMillis(time: number | undefined): number | undefined {
  return time === undefined ? undefined : Math.max(1, Math.ceil(time));
}
