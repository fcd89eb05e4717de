import { PilotError } from '../api/errors.ts';
import { moveInto } from '../base/bytes.ts';
import type { Address, Instant, NodeId, Port } from '../base/units.ts';
import type { PilotNode } from '../core/node.ts';
import type { NodeOutput } from '../core/node-types.ts';
import type { ConnId } from '../core/stream/types.ts';
import type { DialRequest, LocalStream, StreamEnd, StreamObserver } from '../ipc/backend.ts';
import { soon } from '../runtime/soon.ts';
import { formatAddress } from '../wire/address.ts';
import { denied } from './denied.ts';

const FIRST_EPHEMERAL_PORT = 49152;
const EPHEMERAL_PORTS = 65536 - FIRST_EPHEMERAL_PORT;
const DEFAULT_DIAL_TIMEOUT = 30_000;

/** What the table needs of the daemon that owns the node. */
export interface StreamTableHost {
  readonly node: PilotNode;
  /** Runs one mutation of the node and drains its outputs. */
  run(mutation: () => void): void;
  now(): Instant;
  /** Errors: `registry_unreachable` while we have no node id. */
  address(): Address;
  /** Why the directory could not say where the peer is. */
  unresolved(peer: NodeId, detail: string | undefined): PilotError;
}

interface Dialing {
  readonly to: Address;
  readonly port: Port;
  resolve(stream: LocalStream): void;
  reject(error: PilotError): void;
}

type StreamOutput = Extract<
  NodeOutput,
  { type: 'connected' | 'dialFailed' | 'incoming' | 'readable' | 'writable' | 'finished' | 'closed' }
>;

/** The streams of the node as objects, for the IPC server and the services inside the daemon. */
export class StreamTable {
  readonly #host: StreamTableHost;
  readonly #streams = new Map<ConnId, NodeStream>();
  readonly #dialing = new Map<ConnId, Dialing>();
  readonly #listeners = new Map<Port, (stream: LocalStream) => void>();
  #events: (() => void)[] = [];
  #nextPort = FIRST_EPHEMERAL_PORT;

  constructor(host: StreamTableHost) {
    this.#host = host;
  }

  get listenerCount(): number {
    return this.#listeners.size;
  }

  dial(to: Address, port: Port, options: DialRequest): Promise<LocalStream> {
    const { node } = this.#host;
    const timeout = options.timeout ?? DEFAULT_DIAL_TIMEOUT;
    return new Promise<LocalStream>((resolve, reject) => {
      this.#host.address();
      if (options.signal?.aborted) throw cancelled(to);
      let conn: ConnId | undefined;
      const abort = (): void => {
        if (conn !== undefined && this.#dialing.delete(conn)) {
          this.#host.run(() => node.abort(conn!, this.#host.now()));
        }
        reject(cancelled(to));
      };
      const done = (): void => options.signal?.removeEventListener('abort', abort);
      options.signal?.addEventListener('abort', abort);
      this.#host.run(() => {
        const { noDelay = false, priority = 'normal' } = options;
        conn = node.dial(to, port, this.#host.now(), { timeout, noDelay, priority });
        this.#dialing.set(conn, {
          to,
          port,
          resolve: (stream) => {
            done();
            resolve(stream);
          },
          reject: (error) => {
            done();
            reject(error);
          },
        });
      });
    });
  }

  /** Errors: `port_in_use`. */
  listen(port: Port, onStream: (stream: LocalStream) => void): { close(): void } {
    if (this.#listeners.has(port) || !this.#host.node.listen(port)) {
      throw new PilotError('port_in_use', `Cannot listen on port ${port}: it is in use`);
    }
    this.#listeners.set(port, onStream);
    return {
      close: () => {
        if (this.#listeners.get(port) !== onStream) return;
        this.#listeners.delete(port);
        this.#host.run(() => this.#host.node.unlisten(port));
      },
    };
  }

  /** A port of the ephemeral range without a listener. Errors: `port_in_use` when there is none. */
  freePort(): Port {
    for (let tried = 0; tried < EPHEMERAL_PORTS; tried++) {
      const port = this.#nextPort;
      this.#nextPort = port === 65535 ? FIRST_EPHEMERAL_PORT : port + 1;
      if (!this.#listeners.has(port)) return port;
    }
    throw new PilotError('port_in_use', 'Cannot choose a port: all of 49152 to 65535 are in use');
  }

  /** Streams whose data has not all been acknowledged. */
  get unfinishedCount(): number {
    let count = 0;
    for (const stream of this.#streams.values()) if (!stream.isFinished) count++;
    return count;
  }

  /** Resets every stream that has not finished. */
  abortAll(): void {
    for (const stream of [...this.#streams.values()]) if (!stream.isFinished) stream.abort();
  }

  /** Resets a stream whoever owns it. False when there is none. */
  disconnect(conn: ConnId): boolean {
    const stream = this.#streams.get(conn);
    stream?.abort();
    return stream !== undefined;
  }

  /** Called within the node's drain: observers hear of it in a turn of their own. */
  onOutput(output: StreamOutput): void {
    switch (output.type) {
      case 'connected': {
        const dialing = this.#dialing.get(output.conn);
        if (dialing === undefined) return;
        this.#dialing.delete(output.conn);
        const localPort = this.#host.node.connection(output.conn)?.localPort ?? 0;
        dialing.resolve(this.#open(output.conn, localPort, dialing.to, dialing.port));
        return;
      }
      case 'dialFailed': {
        const dialing = this.#dialing.get(output.conn);
        this.#dialing.delete(output.conn);
        if (dialing === undefined) return;
        const { reason, detail, denial = 'scope' } = output;
        dialing.reject(
          reason === 'denied'
            ? denied('connect', dialing.to, dialing.port, denial)
            : this.#dialError(dialing, reason, detail),
        );
        return;
      }
      case 'incoming': {
        const stream = this.#open(output.conn, output.port, output.remote, output.remotePort);
        const accept = this.#listeners.get(output.port);
        this.#later(() => (accept === undefined ? stream.abort() : accept(stream)));
        return;
      }
      case 'readable':
      case 'writable':
      case 'finished': {
        const stream = this.#streams.get(output.conn);
        if (stream === undefined) return;
        if (output.type === 'finished') stream.isFinished = true;
        this.#later(() => stream.notify(output.type));
        return;
      }
      case 'closed': {
        const dialing = this.#dialing.get(output.conn);
        if (dialing !== undefined) {
          this.#dialing.delete(output.conn);
          dialing.reject(this.#dialError(dialing, output.reason, undefined));
          return;
        }
        const stream = this.#streams.get(output.conn);
        if (stream === undefined) return;
        this.#streams.delete(output.conn);
        stream.over(output.reason);
        this.#later(() => stream.notify('closed'));
        return;
      }
      default:
        output satisfies never;
    }
  }

  #open(conn: ConnId, localPort: Port, remote: Address, remotePort: Port): NodeStream {
    // Both ends of a stream are on one network.
    const { node } = this.#host.address();
    const local = { address: { network: remote.network, node }, port: localPort };
    const stream = new NodeStream(this.#host, conn, local, { address: remote, port: remotePort });
    this.#streams.set(conn, stream);
    return stream;
  }

  #later(event: () => void): void {
    this.#events.push(event);
    if (this.#events.length === 1) soon(this.#runEvents);
  }

  readonly #runEvents = (): void => {
    const events = this.#events;
    this.#events = [];
    for (const run of events) run();
  };

  #dialError(dialing: Dialing, reason: StreamEnd | 'unresolved', detail: string | undefined): PilotError {
    const { to, port } = dialing;
    const name = formatAddress(to);
    switch (reason) {
      case 'unresolved':
        return this.#host.unresolved(to.node, detail);
      case 'refused':
      case 'reset':
        return new PilotError(
          'connection_refused',
          `Cannot connect to ${name} port ${port}: nothing listens there`,
        );
      case 'untrusted':
        return new PilotError(
          'untrusted',
          `Cannot connect to ${name} port ${port}: what allowed it ended meanwhile`,
        );
      case 'timeout':
        return this.#host.node.isTrusted(to.node)
          ? new PilotError('timeout', `Cannot connect to ${name} port ${port}: no answer`, {
              hint: `check that it is reachable: pilotctl ping ${name}`,
            })
          : new PilotError(
              'timeout',
              `Cannot connect to ${name} port ${port}: no answer, and no mutual trust`,
              {
                hint: `a private node answers only those it trusts: pilotctl handshake ${name}`,
              },
            );
      default:
        return new PilotError('connection_failed', `Cannot connect to ${name} port ${port}: ${reason}`);
    }
  }
}

/** One stream. Bytes the peer sent before the end stay readable after it. */
class NodeStream implements LocalStream {
  readonly id: ConnId;
  readonly local: LocalStream['local'];
  readonly remote: LocalStream['remote'];
  readonly #host: StreamTableHost;
  #observer: StreamObserver | undefined;
  #rest: Uint8Array[] = [];
  #over: StreamEnd | undefined;
  #sawEnd = false;
  #writesEnded = false;
  #closing = false;
  /** The peer has acknowledged everything we wrote, and our end. */
  isFinished = false;

  constructor(host: StreamTableHost, id: ConnId, local: LocalStream['local'], remote: LocalStream['remote']) {
    this.#host = host;
    this.id = id;
    this.local = local;
    this.remote = remote;
  }

  observe(observer: StreamObserver): void {
    this.#observer = observer;
    queueMicrotask(() => {
      if (this.#observer !== observer) return;
      observer.readable();
      if (this.#over !== undefined) observer.closed(this.#over);
    });
  }

  read(limit: number): Uint8Array[] {
    const chunks: Uint8Array[] = [];
    let length = 0;
    const take = (next: () => Uint8Array | undefined): void => {
      while (length < limit) {
        const chunk = next();
        if (chunk === undefined) return;
        chunks.push(chunk);
        length += chunk.length;
      }
    };
    if (this.#over !== undefined) take(() => this.#rest.shift());
    else {
      const { node } = this.#host;
      const now = this.#host.now();
      this.#host.run(() => take(() => node.read(this.id, now)));
    }
    return chunks;
  }

  get unread(): number {
    if (this.#over === undefined) return this.#host.node.unread(this.id);
    return this.#rest.reduce((sum, chunk) => sum + chunk.length, 0);
  }

  readInto(out: Uint8Array, at: number, limit: number): number {
    if (this.#over !== undefined) return moveInto(this.#rest, out, at, limit);
    const { node } = this.#host;
    let length = 0;
    this.#host.run(() => {
      length = node.readInto(this.id, out, at, limit, this.#host.now());
    });
    return length;
  }

  get atEnd(): boolean {
    if (this.#over === undefined) return this.#host.node.atEnd(this.id);
    return this.#rest.length === 0 && (this.#sawEnd || this.#over === 'finished');
  }

  write(data: Uint8Array): number {
    if (this.#over !== undefined || this.#writesEnded) return 0;
    let accepted = 0;
    this.#host.run(() => {
      accepted = this.#host.node.write(this.id, data, this.#host.now());
    });
    return accepted;
  }

  endWriting(): void {
    if (this.#writesEnded || this.#over !== undefined) return;
    this.#writesEnded = true;
    this.#host.run(() => this.#host.node.close(this.id, this.#host.now(), true));
  }

  close(): void {
    if (this.#closing || this.#over !== undefined) return;
    this.#closing = true;
    this.#writesEnded = true;
    this.#host.run(() => this.#host.node.close(this.id, this.#host.now()));
    this.#discard();
  }

  abort(): void {
    if (this.#over === undefined) this.#host.run(() => this.#host.node.abort(this.id, this.#host.now()));
  }

  notify(event: 'readable' | 'writable' | 'finished' | 'closed'): void {
    if (event === 'closed') this.#observer?.closed(this.#over!);
    else if (event === 'readable' && this.#closing) this.#discard();
    else this.#observer?.[event]();
  }

  /** Called within the node's drain, while the id still answers. */
  over(reason: StreamEnd): void {
    const { node } = this.#host;
    const now = this.#host.now();
    if (!this.#closing) {
      for (let chunk = node.read(this.id, now); chunk !== undefined; chunk = node.read(this.id, now)) {
        this.#rest.push(chunk);
      }
      this.#sawEnd = node.atEnd(this.id);
    }
    this.#over = reason;
  }

  /** Nobody reads any more; unread bytes would keep the peer from finishing. */
  #discard(): void {
    while (this.#over === undefined && this.read(256 * 1024).length > 0);
  }
}

function cancelled(to: Address): PilotError {
  return new PilotError('cancelled', `Cancelled: dial ${formatAddress(to)}`);
}
