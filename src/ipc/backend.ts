import type { StreamPriority } from '../api/priority.ts';
import type { Address, NodeId, Port } from '../base/units.ts';
import type { Abort } from '../runtime/ports.ts';

/** Why a stream is over: `finished` is a clean end of both directions. */
export type StreamEnd = 'finished' | 'reset' | 'timeout' | 'refused' | 'aborted' | 'untrusted' | 'shutdown';

export interface StreamObserver {
  /** Data or the end of stream can be read. */
  readable(): void;
  /** `write` accepts bytes again after it had accepted less than offered. */
  writable(): void;
  /** After `close`: the peer has acknowledged everything. */
  finished(): void;
  /** The stream is dead; what had arrived before can still be read. */
  closed(reason: StreamEnd): void;
}

/** One stream of the node, without promises: bulk data passes here. */
export interface LocalStream {
  readonly id: number;
  readonly local: { readonly address: Address; readonly port: Port };
  readonly remote: { readonly address: Address; readonly port: Port };
  /** Calls the observer from now on, at once when something is already waiting. Never within a call to this stream. */
  observe(observer: StreamObserver): void;
  /** Chunks that are here, in order, together at least `limit` bytes unless fewer are here. */
  read(limit: number): Uint8Array[];
  /** Bytes that are here. */
  readonly unread: number;
  /** Writes at most `limit` of the bytes that are here to `out` at `at`; returns how many. */
  readInto(out: Uint8Array, at: number, limit: number): number;
  /** The peer finished and everything was read. */
  readonly atEnd: boolean;
  /** Copies what it accepts; returns how many bytes that were. */
  write(data: Uint8Array): number;
  /** Writes no more: what was written still arrives, and then the peer's reader sees the end. Reading goes on. */
  endWriting(): void;
  /** Finishes: what was written still arrives, what comes in is discarded. `finished` or `closed` follows. */
  close(): void;
  /** Resets at once. */
  abort(): void;
}

export interface DialRequest {
  readonly timeout?: number;
  readonly noDelay?: boolean;
  readonly priority?: StreamPriority;
  readonly signal?: Abort;
}

export interface DatagramOptions {
  /** @default one of the ephemeral range, at random */
  readonly fromPort?: Port | undefined;
  /**
   * Resolves once it has left, sealed under a key the peer has proven; until there is one it waits at most 10 s.
   * Whether it arrives only the peer's application can say. Members of a broadcast are not waited for. @default false
   */
  readonly confirm?: boolean;
  readonly signal?: Abort;
}

/** To how many nodes a datagram went or waits to go, and how many of a broadcast our rules left out. */
export interface DatagramSent {
  readonly recipients: number;
  readonly skipped: number;
}

export interface IncomingDatagram {
  readonly source: Address;
  readonly sourcePort: Port;
  readonly destinationPort: Port;
  readonly data: Uint8Array;
}

/** Programs and the messages of the node. docs/decisions/0015 */
export interface MessageBackend {
  /** From now on each question comes as a stream. Errors: `port_in_use`, `unavailable`. */
  serve(onStream: (stream: LocalStream) => void): { readonly port: Port; close(): void };
  /** A stream to a node that waits for the answer to this message of it; undefined when it does not. */
  answer(node: NodeId, messageId: string): LocalStream | undefined;
  /** From now on each message stored from this node comes as a stream. Errors: `unavailable`. */
  watch(
    node: NodeId,
    onStream: (stream: LocalStream) => void,
  ): Promise<{ readonly isKnown: boolean; readonly echoes: boolean; close(): void }>;
}

/** What the server needs of the node behind it. Failures are thrown as PilotError. */
export interface IpcBackend {
  readonly version: string;
  /** Node 0 until the node is registered. */
  address(): Address;
  /** Hostname, address text or decimal node id. Errors: `not_found`, `registry_unreachable`. */
  resolveTarget(target: string, signal?: Abort): Promise<Address>;
  /** Errors: `not_found`, `untrusted`, `connection_refused`, `timeout`, `cancelled`. */
  dial(to: Address, port: Port, options: DialRequest): Promise<LocalStream>;
  /** Port 0 is literal here. Errors: `port_in_use`. */
  listen(port: Port, onStream: (stream: LocalStream) => void): { close(): void };
  /** A port of the ephemeral range that nobody listens on. */
  freePort(): Port;
  /** Errors: `too_large`, `invalid_argument`, `not_found`; `timeout` of a confirmed one. */
  sendDatagram(to: Address, port: Port, data: Uint8Array, options?: DatagramOptions): Promise<DatagramSent>;
  readonly messages?: MessageBackend;
  /** Every method of `Methods` that is not about a client's own streams. */
  call(method: string, params: Readonly<Record<string, unknown>>, signal: Abort): Promise<object>;
}
