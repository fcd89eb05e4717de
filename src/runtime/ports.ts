/**
 * What shells (daemon, registry, beacon) need from a platform. `platform/` implements these over Node,
 * `sim/` over a virtual internet. Buffers that cross a port belong to the receiver.
 */
import type { LocalLink } from '../base/local-link.ts';
import type { Endpoint, Instant, Millis, UnixMillis } from '../base/units.ts';

/** What ports use of an AbortSignal; every platform's own signal fits. */
export interface Abort {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: 'abort', listener: () => void): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Monotonic. */
  now(): Instant;
  wallNow(): UnixMillis;
  /** Calls back once at or after `when`. */
  at(when: Instant, callback: () => void): Timer;
  /** Resolves after `delay`; rejects with the signal's reason when aborted. */
  sleep(delay: Millis, signal?: Abort): Promise<void>;
}

export interface UdpSocket {
  readonly local: Endpoint;
  /** True when nothing that is sent is ever cut into IP fragments; what is too long for the way is lost or refused. */
  readonly dontFragment: boolean;
  /** Bytes of datagrams that wait to be read before any is lost; undefined when unknown. */
  readonly receiveBuffer?: number | undefined;
  /** `data` is the socket's from now on. */
  send(data: Uint8Array, to: Endpoint): void;
  /**
   * Sends the datagrams of `segment` bytes, the last maybe shorter, that lie one after another in `train`. Its bytes
   * are the caller's again on return.
   */
  sendTrain(train: Uint8Array, segment: number, to: Endpoint): void;
  /** One receiver at a time, this or `onTrain`; `data` is owned by the receiver. */
  onDatagram(receiver: (data: Uint8Array, from: Endpoint) => void): void;
  /**
   * As `onDatagram`, but datagrams of one source and one length may come together: `segment` bytes each, the last
   * maybe shorter, one after another in `train`. Its bytes are lent: they are good until the receiver returns.
   */
  onTrain(receiver: (train: Uint8Array, segment: number, from: Endpoint) => void): void;
  /** One receiver at a time; called when the system refused a datagram of `bytes` as too long for the way to `to`. */
  onTooLong(receiver: (to: Endpoint, bytes: number) => void): void;
  /** One receiver at a time; called when the system knows no way to where a datagram was to go. */
  onUnreachable(receiver: (to: Endpoint) => void): void;
  close(): Promise<void>;
}

/** A reliable byte pipe: TCP, TLS, or a local socket. */
export interface Pipe {
  readonly remote: Endpoint;
  readonly local: Endpoint;
  /** True when the bytes are encrypted and the server's key was checked (client) or TLS is on (server). */
  readonly secure: boolean;
  /** Returns false when the writer should wait for `drained()`. Never throws after close. */
  write(data: Uint8Array): boolean;
  /** Bytes that were written and wait here. At 0 nothing that was written is read any more: its memory is free again. */
  readonly queued: number;
  drained(): Promise<void>;
  /** One receiver at a time; data arriving before it is set is kept. */
  onData(receiver: (data: Uint8Array) => void): void;
  /** Called once, when the pipe is closed by either side or by an error. */
  onClose(receiver: (error?: Error) => void): void;
  pause(): void;
  resume(): void;
  /** Sends what is queued, then closes. */
  end(): void;
  /** Closes at once. */
  destroy(): void;
}

/** A two-way sequence of whole messages over TCP: a WebSocket. */
export interface MessagePipe {
  readonly remote: Endpoint;
  /** Bytes that wait here because the other side, or the way there, takes no more. */
  readonly queued: number;
  /** Text is sent as a text message, bytes as a binary one. Dropped after close; never throws. */
  send(message: string | Uint8Array): void;
  /** One receiver at a time. Bytes belong to the receiver. */
  onMessage(receiver: (message: string | Uint8Array) => void): void;
  /** Asks for a sign of life, which the other side gives by itself. */
  ping(): void;
  /** A sign of life of the other side: its answer to a ping, or a ping. */
  onSign(receiver: () => void): void;
  /** Called once, with what the other side or the system gave as reason; "" when nothing was given. */
  onClose(receiver: (reason: string) => void): void;
  /** Stops reading, and goes on. */
  pause(): void;
  resume(): void;
  /** Says goodbye with a reason of at most 123 bytes; what does not answer in time is cut. */
  close(reason?: string): void;
  /** Closes at once. */
  destroy(): void;
}

/** A proxy that opens connections for others by HTTP CONNECT. */
export interface HttpProxy {
  readonly host: string;
  readonly port: number;
  /** Speak TLS to the proxy itself, trusting the system's authorities. */
  readonly tls: boolean;
  /** Value of Proxy-Authorization. Never logged. */
  readonly authorization?: string | undefined;
}

/** How a server proves who it is: by a pinned certificate, or to the system's authorities. */
export interface TlsClientOptions {
  /** SHA-256 of the leaf certificate, lower-case hex. */
  readonly fingerprint?: string;
  /** Check the certificate and its name with the system's authorities. */
  readonly system?: boolean;
}

export interface ConnectOptions {
  readonly tls?: TlsClientOptions;
  readonly timeout?: Millis;
  readonly signal?: Abort;
  /** Connect through this proxy; the name is left for it to resolve. */
  readonly proxy?: HttpProxy;
}

/** WebSockets on a port that also serves something else: told apart by the first byte of a connection. */
export interface WebSocketServerOptions {
  /** Path of the only resource; a plain GET there is answered 426. */
  readonly path: string;
  /** Longest message, bytes; a longer one ends the connection. */
  readonly maxMessage: number;
  readonly onOpen: (pipe: MessagePipe) => void;
}

export interface PipeServer {
  readonly local: Endpoint;
  close(): Promise<void>;
}

export interface TlsServerOptions {
  /** PEM. */
  readonly certificate: string;
  /** PEM. */
  readonly privateKey: string;
}

export interface Net {
  /** Binds a UDP socket. `host` may be a wildcard. Errors: `port_in_use`, `io_error`. */
  udp(bind: Endpoint): Promise<UdpSocket>;
  /**
   * Listens for TCP. With `tls`, the first byte decides per connection: 0x16 starts TLS, anything else is plaintext.
   * With `webSocket`, the first byte of what is then said decides again: a connection that begins like an HTTP request
   * is served as such and never becomes a pipe. `onPipe` is called once a connection (and its TLS handshake) is ready.
   */
  listen(
    bind: Endpoint,
    onPipe: (pipe: Pipe) => void,
    options?: { tls?: TlsServerOptions; webSocket?: WebSocketServerOptions },
  ): Promise<PipeServer>;
  /**
   * Connects TCP; with `tls`, speaks TLS and demands what it names. `host` may be a name. Errors: `connection_failed`,
   * `fingerprint_mismatch`, and those of the proxy: `proxy_unreachable`, `proxy_auth_required`, `proxy_refused`.
   */
  connect(to: Endpoint, options?: ConnectOptions): Promise<Pipe>;
  /** Opens a WebSocket; `url` begins with `wss://` or `ws://`. Errors: those of `connect`, `protocol_error`. */
  webSocket(url: string, options: ConnectOptions & { readonly maxMessage: number }): Promise<MessagePipe>;
  /** Listens on an owner-only local socket (Unix path). Errors: `socket_in_use`, `io_error`. */
  listenLocal(path: string, onPipe: (pipe: Pipe) => void): Promise<PipeServer>;
  connectLocal(path: string): Promise<Pipe>;
  /** Resolves a host name to IP literals; IP literals pass through. */
  resolve(host: string): Promise<string[]>;
  /** IP literals of the interfaces that are up, loopback excluded. */
  localAddresses(): string[];
  /** All of our own addresses, loopback included, and the links behind them. */
  links(): LocalLink[];
  /** The default routers, best first. */
  gateways(): Gateway[];
  /**
   * Calls back when addresses or default routers have changed, within about a second, and when the machine was
   * asleep.
   */
  watchNetworks(onChange: (change: NetworkChange) => void): Timer;
}

export type NetworkChange = 'changed' | 'slept';

/** A router to the rest of the world. */
export interface Gateway {
  /** IP literal; IPv6 link-local addresses carry their interface: `fe80::1%eth0`. */
  readonly host: string;
  /** Our own address on its network. */
  readonly local: string;
}

/** Files of one directory tree. Paths are relative and use `/`. */
export interface Storage {
  /** undefined when absent. */
  read(path: string): Promise<Uint8Array | undefined>;
  /** Atomic and durable: temp file, fsync, rename, fsync of the directory. Mode 0600, directories 0700. */
  replace(path: string, data: Uint8Array): Promise<void>;
  remove(path: string): Promise<void>;
  list(directory: string): Promise<{ name: string; bytes: number; modified: UnixMillis }[]>;
  /** Opens (creates) for random-access writing; used by partial file transfers. */
  openPartial(path: string): Promise<PartialFile>;
  /** Renames within the tree; never overwrites: false when `to` exists. */
  moveExclusive(from: string, to: string): Promise<boolean>;
  /** Free bytes on the file system that holds the tree. */
  freeBytes(): Promise<number>;
  /** Absolute path for people, when there is one. */
  describe(path: string): string;
}

export interface PartialFile {
  readonly size: number;
  append(data: Uint8Array): Promise<void>;
  /** Streams the current content from the start. */
  readAll(onChunk: (chunk: Uint8Array) => void): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Posts to a URL that somebody else chose. Follows no redirects, and asks no place inside unless that is allowed: with
 * `public`, only addresses that the whole Internet can reach, by TLS; with `anywhere`, others too, and those also
 * without TLS. The answer's body is not read. Errors: `connection_failed`, `timeout`, `permission_denied` (the name
 * leads to an address that is not allowed).
 */
export type HttpPost = (
  url: string,
  request: {
    readonly headers: Readonly<Record<string, string>>;
    readonly body: string;
    readonly timeout: Millis;
    readonly reach: 'public' | 'anywhere';
  },
) => Promise<{
  readonly status: number;
  /** Header `Retry-After`, or "". */
  readonly retryAfter: string;
}>;

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';

/** Events, not sentences: a stable dotted name and fields. */
export interface Log {
  event(level: LogLevel, name: string, fields?: Readonly<Record<string, unknown>>): void;
}
