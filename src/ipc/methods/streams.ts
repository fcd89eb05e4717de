import type { StreamPriority } from '../../api/priority.ts';
export interface DialResult {
  readonly connection: number;
  readonly local_port: number;
  readonly remote_addr: string;
  readonly remote_port: number;
}

/** What a client does with its own streams and datagrams. */
export interface StreamMethods {
  /** Switches this client to the extended mode: credit per stream, end reasons, datagrams only where asked for. */
  hello: [
    { client?: string },
    { version: string; features: readonly string[]; node_id: number; address: string; credit: number },
  ];
  /** Data of the stream then travels in Send, Recv and the credit frames. */
  dial: [
    {
      target: string;
      port: number;
      timeout_ms?: number;
      no_delay?: boolean;
      priority?: StreamPriority;
      /** Id of a message: where its sender still listens on the stream of it, the answer goes there. */
      answers?: string;
    },
    DialResult,
  ];
  /** Port 0 chooses a free one. */
  listen: [{ port: number }, { port: number }];
  unlisten: [{ port: number }, { port: number }];
  /** Ends our direction; the peer's goes on. */
  end_writing: [{ connection: number }, { connection: number }];
  /** Resolves when the peer has acknowledged everything. */
  close: [{ connection: number }, { connection: number }];
  /** With `confirm`, answered once it has left under a proven key. A broadcast skips whom the policy leaves out. */
  send_datagram: [
    { target: string; port: number; from_port?: number; data_b64: string; confirm?: boolean },
    { bytes: number; recipients: number; skipped: number },
  ];
  /** Datagrams to this port are pushed to this client from now on. */
  listen_datagrams: [{ port: number }, { port: number }];
  unlisten_datagrams: [{ port: number }, { port: number }];
}
