import type { Address, Port } from '../base/units.ts';

/** A reliable, ordered byte stream between two nodes, as services and applications see it. */
export interface Conn {
  readonly local: { readonly address: Address; readonly port: Port };
  /** Authenticated by the tunnel: the node really is who it says. */
  readonly remote: { readonly address: Address; readonly port: Port };
  /** Next chunk in order, or undefined at end of stream. Errors: `connection_failed` (reset), `timeout`. */
  read(): Promise<Uint8Array | undefined>;
  /** Resolves once the data is queued within the send buffer's bound (back-pressure). Errors: `connection_failed`. */
  write(data: Uint8Array): Promise<void>;
  /**
   * Ends our direction: what is queued still arrives, and then the peer reads the end of the stream. Reading goes on.
   * Peers that know no half-closed streams see the end only at `close`. Errors: `connection_failed`.
   */
  endWriting(): Promise<void>;
  /** Sends what is queued, then closes both directions: what comes in is discarded; resolves when the peer has acknowledged everything. */
  close(): Promise<void>;
  /** Resets at once. */
  abort(): void;
}

export interface Listener {
  readonly port: Port;
  /** Next incoming stream, or undefined once closed. */
  accept(): Promise<Conn | undefined>;
  close(): void;
}

/** What a built-in service needs from the node that hosts it. */
export interface StreamHost {
  listen(port: Port): Listener;
  dial(to: Address, port: Port, options?: { timeout?: number }): Promise<Conn>;
}
