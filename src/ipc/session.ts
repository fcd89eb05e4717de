import { asPilotError, PilotError } from '../api/errors.ts';
import { utf8 } from '../base/bytes.ts';
import type { Bytes, Port } from '../base/units.ts';
import type { Clock, Pipe } from '../runtime/ports.ts';
import {
  CMD,
  decodeCall,
  decodeCallCancel,
  decodeConnData,
  decodeConnId,
  decodeTarget,
  encodeAccept,
  encodeCallError,
  encodeCallResult,
  encodeConnId,
  encodeError,
  encodeIpcFrame,
  encodeRecvFrom,
  IPC_FRAME_LIMIT,
  IpcFrameReader,
} from '../wire/ipc.ts';
import type { IncomingDatagram, IpcBackend, LocalStream, StreamEnd } from './backend.ts';
import { ABORT, CREDIT, decodeCredit, ENDED } from './extension.ts';
import type { FramePool } from './frame-pool.ts';
import { FrameWriter } from './frame-writer.ts';
import { LegacyCommands } from './legacy.ts';
import { isMessageMethod, messageCall } from './message-calls.ts';
import type { Result } from './methods.ts';
import { type BindingHost, StreamBinding } from './stream-binding.ts';
import { isStreamMethod, streamCall } from './stream-calls.ts';

/** Streams one client may hold. spec/20 §9 */
export const MAX_STREAMS = 4096;
/** Calls of one client in progress; the daemon then stops reading from it. spec/20 §9 */
const MAX_CALLS = 1024;
/** Data of old clients, who know no credit, waiting for slow streams; the daemon then stops reading from them. */
const MAX_BACKLOG = 1024 * 1024;
/** Answers the client has not read, bytes; the daemon then takes no further requests from it. */
const MAX_UNREAD = 1024 * 1024;

export interface SessionHost {
  readonly frames: FramePool;
  /** False when another client has the port. */
  takeDatagramPort(port: Port, session: ClientSession): boolean;
  releaseDatagramPort(port: Port): void;
  closed(session: ClientSession): void;
}

/** One connected client: its frames, its calls, and the streams and ports it owns. */
export class ClientSession implements BindingHost {
  readonly writer: FrameWriter;
  readonly backend: IpcBackend;
  readonly clock: Clock;
  readonly host: SessionHost;
  readonly datagramPorts = new Set<Port>();
  readonly listeners = new Map<Port, { close(): void }>();
  /** What this client takes of the messages of the node. */
  readonly claims = new Map<string, { close(): void }>();
  client = '';
  readonly #pipe: Pipe;
  readonly #reader = new IpcFrameReader();
  readonly #legacy: LegacyCommands;
  readonly #bindings = new Map<number, StreamBinding>();
  readonly #ends = new Map<number, (reason: StreamEnd) => void>();
  readonly #calls = new Map<number, AbortController>();
  readonly #draining = new Set<StreamBinding>();
  readonly #lifetime = new AbortController();
  #backlog = 0;
  #paused = false;
  #dead = false;

  constructor(pipe: Pipe, backend: IpcBackend, clock: Clock, host: SessionHost) {
    this.#pipe = pipe;
    this.clock = clock;
    this.backend = backend;
    this.host = host;
    this.writer = new FrameWriter(pipe, host.frames);
    this.#legacy = new LegacyCommands(this, this.#lifetime.signal);
    this.writer.onDrain(() => this.#onDrain());
    pipe.onClose(() => this.#onClose());
    pipe.onData((data) => {
      this.#reader.push(data);
      this.#read();
    });
  }

  /** Ends the session from the daemon's side; streams finish in the background. */
  close(): void {
    this.writer.close();
    this.#pipe.end();
    this.#onClose();
  }

  /** The client uses credit and end reasons. */
  get extended(): boolean {
    return this.#reader.piecewise;
  }

  /** It said hello. */
  extend(): void {
    this.#reader.piecewise = true;
  }

  get streamCount(): number {
    return this.#bindings.size;
  }

  owns(conn: number): boolean {
    return this.#bindings.has(conn);
  }

  /** Takes a stream over; nothing flows before `start` of the binding. */
  bind(stream: LocalStream): StreamBinding {
    const binding = new StreamBinding(stream, this);
    if (this.#dead) binding.detach();
    else this.#bindings.set(stream.id, binding);
    return binding;
  }

  binding(conn: number): StreamBinding | undefined {
    return this.#bindings.get(conn);
  }

  /** Calls back when a stream of this client is over. */
  onEnd(conn: number, receiver: (reason: StreamEnd) => void): void {
    this.#ends.set(conn, receiver);
  }

  /** Errors: `unavailable`. */
  checkRoom(): void {
    if (this.#bindings.size < MAX_STREAMS) return;
    throw new PilotError('unavailable', `Cannot open a stream: this program has ${MAX_STREAMS} already`, {
      hint: 'close streams that are no longer needed',
    });
  }

  /** Errors: `port_in_use`. */
  listen(port: Port): void {
    this.listeners.set(
      port,
      this.backend.listen(port, (stream) => this.accept(port, stream)),
    );
  }

  /** Gives a stream that came in to the client. */
  accept(localPort: Port, stream: LocalStream): void {
    if (this.#bindings.size >= MAX_STREAMS || this.#dead) {
      stream.abort();
      return;
    }
    const { address: remote, port: remotePort } = stream.remote;
    const accepted = encodeAccept({ localPort, conn: stream.id, remote, remotePort });
    this.writer.push(encodeIpcFrame(CMD.accept, accepted));
    this.bind(stream).start();
  }

  /** Holds something of the node for this client; let go of when the client leaves. */
  claim(key: string, claimed: { close(): void }): void {
    if (this.#dead) claimed.close();
    else this.claims.set(key, claimed);
  }

  release(key: string): void {
    const claimed = this.claims.get(key);
    this.claims.delete(key);
    claimed?.close();
  }

  /** False when this client does not listen there. */
  unlisten(port: Port): boolean {
    const listener = this.listeners.get(port);
    if (listener === undefined) return false;
    this.listeners.delete(port);
    listener.close();
    return true;
  }

  deliver(datagram: IncomingDatagram): void {
    // Unreliable by contract: a client that does not read loses datagrams, not the daemon its memory.
    this.writer.pushAhead(encodeIpcFrame(CMD.recvFrom, encodeRecvFrom(datagram)));
  }

  sendError(text: string): void {
    this.writer.push(encodeIpcFrame(CMD.error, encodeError(text)));
  }

  waitForDrain(binding: StreamBinding): void {
    this.#draining.add(binding);
  }

  backlogChanged(by: Bytes): void {
    if (this.extended) return;
    this.#backlog += by;
    this.#updatePause();
  }

  gone(binding: StreamBinding, reason: StreamEnd): void {
    const id = binding.stream.id;
    this.#bindings.delete(id);
    this.#draining.delete(binding);
    const told = this.#ends.get(id);
    this.#ends.delete(id);
    told?.(reason);
  }

  /** Old clients are answered one by one: while an answer is outstanding nothing more is read from them. */
  legacyBusyChanged(): void {
    this.#updatePause();
  }

  #read(): void {
    while (!this.#paused && !this.#dead) {
      const frame = this.#reader.next();
      if (frame === undefined) break;
      if (frame.conn === undefined) this.#onFrame(frame.cmd, frame.payload);
      else if (frame.cmd === CMD.send) this.#onData(frame.conn, frame.payload);
      this.#updatePause();
    }
    if (this.#reader.error !== undefined && !this.#dead) {
      this.sendError(`frame too large: the limit is ${IPC_FRAME_LIMIT} bytes`);
      this.close();
    }
  }

  #onFrame(cmd: number, payload: Uint8Array): void {
    switch (cmd) {
      case CMD.send:
        this.#onSend(payload);
        return;
      case CMD.call:
        this.#onCall(payload);
        return;
      case CMD.callCancel: {
        const id = decodeCallCancel(payload);
        if (typeof id === 'number') this.#calls.get(id)?.abort();
        return;
      }
      case CREDIT: {
        const credit = decodeCredit(payload);
        if (credit !== undefined) this.#bindings.get(credit.conn)?.credit(credit.bytes);
        return;
      }
      case ABORT: {
        const conn = decodeConnId(payload);
        if (typeof conn === 'number') this.#bindings.get(conn)?.abort();
        return;
      }
      case CMD.sendTo:
        this.#onSendTo(payload);
        return;
      default:
        this.#legacy.handle(cmd, payload);
    }
  }

  /** Of an old client, or of one that has not said hello yet. */
  #onSend(payload: Uint8Array): void {
    const sent = decodeConnData(payload);
    if (typeof sent === 'string') {
      this.#legacy.sendError('send: missing conn_id');
      return;
    }
    const binding = this.#bindings.get(sent.conn);
    if (binding === undefined || binding.closing) {
      this.#legacy.sendError(
        binding === undefined ? `connection ${sent.conn} not found` : 'send: connection not established',
      );
    } else binding.send(sent.data);
  }

  #onData(conn: number, data: Uint8Array): void {
    const binding = this.#bindings.get(conn);
    if (binding === undefined) {
      // Its owner waits for credit that nobody will give.
      this.writer.push(encodeIpcFrame(ENDED, encodeConnId(conn), utf8('reset')));
    } else if (!binding.closing && !binding.send(data)) {
      this.sendError(`send: connection ${conn} overran its credit`);
      this.close();
    }
  }

  #onSendTo(payload: Uint8Array): void {
    const target = decodeTarget(payload);
    if (typeof target === 'string') {
      this.#legacy.sendError('sendto: missing address/port');
      return;
    }
    this.#legacy.sendTo(target.address, target.port, target.data);
  }

  #onCall(payload: Uint8Array): void {
    const call = decodeCall(payload);
    if (typeof call === 'string') {
      this.sendError(`call: ${call}`);
      return;
    }
    if (this.#calls.has(call.id)) {
      this.sendError(`call: id ${call.id} is in use`);
      return;
    }
    const control = new AbortController();
    this.#calls.set(call.id, control);
    this.#updatePause();
    this.#answer(call.method, call.params, control).then(
      (result) => {
        this.#reply(call.id, encodeCallResult({ id: call.id, result }), CMD.callResult);
        if (call.method === 'dial')
          this.#bindings.get((result as { connection: number }).connection)?.start();
      },
      (thrown: unknown) => {
        const { code, message, hint } = control.signal.aborted
          ? new PilotError('cancelled', `Cancelled: ${call.method}`)
          : asPilotError(thrown);
        this.#reply(call.id, encodeCallError({ id: call.id, code, message, hint }), CMD.callError);
      },
    );
  }

  async #answer(method: string, params: unknown, control: AbortController): Promise<object> {
    const given = (typeof params === 'object' && params !== null ? params : {}) as Record<string, unknown>;
    if (isMessageMethod(method)) return messageCall(this, method, given);
    if (isStreamMethod(method)) return streamCall(this, method, given, control.signal);
    const result = await this.backend.call(method, given, control.signal);
    return method === 'connections' ? this.#markOwn(result as Result<'connections'>) : result;
  }

  #markOwn({ connections, ...rest }: Result<'connections'>): Result<'connections'> {
    return { connections: connections.map((row) => ({ ...row, own: this.owns(row.id) })), ...rest };
  }

  #reply(id: number, payload: Uint8Array, cmd: number): void {
    this.#calls.delete(id);
    if (payload.length >= IPC_FRAME_LIMIT) {
      const error = { id, code: 'too_large', message: 'The answer does not fit one frame', hint: '' };
      this.writer.push(encodeIpcFrame(CMD.callError, encodeCallError(error)));
    } else this.writer.push(encodeIpcFrame(cmd, payload));
    this.#updatePause();
  }

  #updatePause(): void {
    const pause =
      this.#calls.size >= MAX_CALLS ||
      this.#backlog >= MAX_BACKLOG ||
      this.writer.waitingBytes >= MAX_UNREAD ||
      this.#legacy.queueFull;
    if (pause === this.#paused || this.#dead) return;
    this.#paused = pause;
    if (pause) this.#pipe.pause();
    else {
      this.#pipe.resume();
      queueMicrotask(() => this.#read());
    }
  }

  #onDrain(): void {
    this.#updatePause();
    for (const binding of [...this.#draining]) {
      if (this.writer.congested) return;
      this.#draining.delete(binding);
      binding.pump();
    }
  }

  #onClose(): void {
    if (this.#dead) return;
    this.#dead = true;
    this.#lifetime.abort();
    for (const call of this.#calls.values()) call.abort();
    for (const listener of this.listeners.values()) listener.close();
    this.listeners.clear();
    for (const claimed of this.claims.values()) claimed.close();
    this.claims.clear();
    for (const port of this.datagramPorts) this.host.releaseDatagramPort(port);
    for (const binding of this.#bindings.values()) binding.detach();
    this.#bindings.clear();
    this.host.closed(this);
  }
}
