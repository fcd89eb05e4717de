/**
 * What shells (daemon, registry, beacon) need from a platform. `platform/` implements these over Node,
 * `sim/` over a virtual internet. Buffers that cross a port belong to the receiver.
 */
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
  send(data: Uint8Array, to: Endpoint): void;
  /** One receiver at a time; `data` is owned by the receiver. */
  onDatagram(receiver: (data: Uint8Array, from: Endpoint) => void): void;
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
   * `onPipe` is called once a connection (and its TLS handshake) is ready.
   */
  listen(
    bind: Endpoint,
    onPipe: (pipe: Pipe) => void,
    options?: { tls?: TlsServerOptions },
  ): Promise<PipeServer>;
  /**
   * Connects TCP; with `tls.fingerprint`, speaks TLS and demands that the SHA-256 of the server's leaf
   * certificate (lower-case hex) equals it. `host` may be a name. Errors: `connection_failed`, `fingerprint_mismatch`.
   */
  connect(
    to: Endpoint,
    options?: { tls?: { fingerprint?: string }; timeout?: Millis; signal?: Abort },
  ): Promise<Pipe>;
  /** Listens on an owner-only local socket (Unix path). Errors: `socket_in_use`, `io_error`. */
  listenLocal(path: string, onPipe: (pipe: Pipe) => void): Promise<PipeServer>;
  connectLocal(path: string): Promise<Pipe>;
  /** Resolves a host name to IP literals; IP literals pass through. */
  resolve(host: string): Promise<string[]>;
  /** IP literals of the interfaces that are up, loopback excluded. */
  localAddresses(): string[];
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

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';

/** Events, not sentences: a stable dotted name and fields. */
export interface Log {
  event(level: LogLevel, name: string, fields?: Readonly<Record<string, unknown>>): void;
}
