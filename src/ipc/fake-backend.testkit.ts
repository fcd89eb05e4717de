import { PilotError } from '../api/errors.ts';
import { moveInto } from '../base/bytes.ts';
import type { Address, Port } from '../base/units.ts';
import { parseAddress } from '../wire/address.ts';
import type {
  DatagramOptions,
  DatagramSent,
  DialRequest,
  IncomingDatagram,
  IpcBackend,
  LocalStream,
  StreamEnd,
  StreamObserver,
} from './backend.ts';

/** Nodes joined by streams in memory, each direction bounded by `window` bytes. */
export class FakeNetwork {
  readonly nodes = new Map<number, FakeBackend>();
  readonly window: number;

  constructor(window = 64 * 1024) {
    this.window = window;
  }

  node(id: number): FakeBackend {
    const backend = new FakeBackend(this, id);
    this.nodes.set(id, backend);
    return backend;
  }
}

export class FakeBackend implements IpcBackend {
  readonly version = 'test';
  readonly network: FakeNetwork;
  readonly id: number;
  readonly listeners = new Map<Port, (stream: LocalStream) => void>();
  readonly streams = new Map<number, FakeStream>();
  readonly datagrams: (IncomingDatagram & { to: Address })[] = [];
  /** Answers of `call`, by method. */
  methods: Record<string, (params: Readonly<Record<string, unknown>>, signal: AbortSignal) => unknown> = {};
  /** Dials wait for this. */
  dialGate: Promise<void> = Promise.resolve();
  #nextStream = 1;

  constructor(network: FakeNetwork, id: number) {
    this.network = network;
    this.id = id;
  }

  address(): Address {
    return { network: 0, node: this.id };
  }

  resolveTarget(target: string): Promise<Address> {
    const parsed = parseAddress(target);
    if (typeof parsed !== 'string') return Promise.resolve(parsed);
    if (/^\d+$/.test(target)) return Promise.resolve({ network: 0, node: Number(target) });
    return Promise.reject(new PilotError('not_found', `Cannot find "${target}"`));
  }

  async dial(to: Address, port: Port, options: DialRequest): Promise<LocalStream> {
    await Promise.race([
      this.dialGate,
      new Promise((_, reject) => {
        options.signal?.addEventListener('abort', () =>
          reject(new PilotError('cancelled', 'Cancelled: dial')),
        );
      }),
    ]);
    const peer = this.network.nodes.get(to.node);
    if (peer === undefined) throw new PilotError('not_found', `Cannot dial node ${to.node}: unknown`);
    const accept = peer.listeners.get(port);
    if (accept === undefined) throw new PilotError('connection_refused', 'Refused');
    const mine = this.#stream(peer, port);
    const theirs = peer.#stream(this, mine.local.port, port);
    mine.join(theirs);
    accept(theirs);
    return mine;
  }

  listen(port: Port, onStream: (stream: LocalStream) => void): { close(): void } {
    if (this.listeners.has(port) || port === 7) throw new PilotError('port_in_use', `Port ${port} is in use`);
    this.listeners.set(port, onStream);
    return { close: () => this.listeners.delete(port) };
  }

  freePort(): Port {
    let port = 49152;
    while (this.listeners.has(port)) port++;
    return port;
  }

  sendDatagram(
    to: Address,
    port: Port,
    data: Uint8Array,
    { fromPort = 50000 }: DatagramOptions = {},
  ): Promise<DatagramSent> {
    if (!this.network.nodes.has(to.node)) return Promise.reject(new PilotError('not_found', 'unknown'));
    this.datagrams.push({ to, source: this.address(), sourcePort: fromPort, destinationPort: port, data });
    return Promise.resolve({ recipients: 1, skipped: 0 });
  }

  async call(
    method: string,
    params: Readonly<Record<string, unknown>>,
    signal: AbortSignal,
  ): Promise<object> {
    const answer = this.methods[method];
    if (answer === undefined) throw new PilotError('invalid_argument', `Unknown method: ${method}`);
    return (await answer(params, signal)) as object;
  }

  #stream(peer: FakeBackend, remotePort: Port, localPort = 49152 + this.#nextStream): FakeStream {
    const stream = new FakeStream(
      this.#nextStream++,
      { address: this.address(), port: localPort },
      { address: peer.address(), port: remotePort },
      this.network.window,
    );
    this.streams.set(stream.id, stream);
    return stream;
  }
}

export class FakeStream implements LocalStream {
  readonly id: number;
  readonly local: LocalStream['local'];
  readonly remote: LocalStream['remote'];
  readonly #window: number;
  #peer!: FakeStream;
  #incoming: Uint8Array[] = [];
  #incomingBytes = 0;
  #observer: StreamObserver | undefined;
  #finished = false;
  #closing = false;
  #over: StreamEnd | undefined;
  #starved = false;

  constructor(id: number, local: LocalStream['local'], remote: LocalStream['remote'], window: number) {
    this.id = id;
    this.local = local;
    this.remote = remote;
    this.#window = window;
  }

  join(peer: FakeStream): void {
    this.#peer = peer;
    peer.#peer = this;
  }

  get over(): StreamEnd | undefined {
    return this.#over;
  }

  get unread(): number {
    return this.#incomingBytes;
  }

  observe(observer: StreamObserver): void {
    this.#observer = observer;
    queueMicrotask(() => {
      observer.readable();
      if (this.#over !== undefined) observer.closed(this.#over);
    });
  }

  read(limit: number): Uint8Array[] {
    const out: Uint8Array[] = [];
    let length = 0;
    while (length < limit) {
      const chunk = this.#incoming.shift();
      if (chunk === undefined) break;
      out.push(chunk);
      length += chunk.length;
    }
    this.#incomingBytes -= length;
    if (length > 0) this.#peer.#room();
    return out;
  }

  readInto(out: Uint8Array, at: number, limit: number): number {
    const length = moveInto(this.#incoming, out, at, limit);
    this.#incomingBytes -= length;
    if (length > 0) this.#peer.#room();
    return length;
  }

  get atEnd(): boolean {
    return this.#incoming.length === 0 && this.#peer.#finished;
  }

  write(data: Uint8Array): number {
    if (this.#finished || this.#over !== undefined) return 0;
    const accepted = Math.min(data.length, Math.max(0, this.#window - this.#peer.#incomingBytes));
    if (accepted > 0 && !this.#peer.#closing) {
      this.#peer.#incoming.push(data.slice(0, accepted));
      this.#peer.#incomingBytes += accepted;
      this.#peer.#notify('readable');
    }
    this.#starved ||= accepted < data.length;
    return accepted;
  }

  endWriting(): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#peer.#notify('readable');
  }

  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.endWriting();
    this.#incoming = [];
    this.#incomingBytes = 0;
    this.#peer.#room();
    this.#checkOver();
  }

  abort(): void {
    this.end('aborted');
    this.#peer.end('reset');
  }

  end(reason: StreamEnd): void {
    if (this.#over !== undefined) return;
    this.#over = reason;
    queueMicrotask(() => {
      if (reason === 'finished') this.#observer?.finished();
      this.#observer?.closed(reason);
    });
  }

  #checkOver(): void {
    if (this.#closing && this.#peer.#incomingBytes === 0) this.end('finished');
  }

  /** The peer read: there is room, and what we sent may be acknowledged. */
  #room(): void {
    this.#checkOver();
    if (!this.#starved) return;
    this.#starved = false;
    this.#notify('writable');
  }

  #notify(event: 'readable' | 'writable'): void {
    queueMicrotask(() => this.#observer?.[event]());
  }
}
