/**
 * The calls of IPC code 0x41: what a client may ask of its daemon, with the JSON shape of parameters and results.
 * Keys are spelled as in spec/20 §4, and are only ever added. A `target` is a hostname, an address or a node id.
 */

/** spec/20 §4.7, plus the additions below the line. */
export interface Info {
  readonly node_id: number;
  readonly address: string;
  readonly hostname: string;
  readonly uptime_secs: number;
  readonly connections: number;
  readonly ports: number;
  readonly peers: number;
  readonly encrypted_peers: number;
  readonly authenticated_peers: number;
  readonly encrypt: boolean;
  readonly identity: boolean;
  readonly public_key: string;
  readonly email: string;
  readonly bytes_sent: number;
  readonly bytes_recv: number;
  readonly pkts_sent: number;
  readonly pkts_recv: number;
  readonly tunnel_encryption_success: number;
  readonly tunnel_encryption_failure: number;
  readonly handshake_pending_count: number;
  readonly version: string;
  readonly networks: readonly { network_id: number; address: string }[] | null;
  readonly peer_list: readonly {
    node_id: number;
    endpoint: string;
    encrypted: boolean;
    authenticated: boolean;
    relay: boolean;
  }[];
  readonly conn_list: readonly ConnectionRow[];

  /** Why the registry did not give us the hostname we want. */
  readonly hostname_error?: string;
  readonly public: boolean;
  /** The registry knows this node under its current endpoint. */
  readonly registered: boolean;
  readonly registry: string;
  readonly registry_connected: boolean;
  readonly beacons: readonly string[];
  /** Own UDP endpoint as the beacon sees it; "" until seen. */
  readonly endpoint: string;
  readonly listen_endpoint: string;
  readonly relay_peer_count: number;
  readonly trusted_count: number;
  readonly inbox_dir: string;
  readonly received_dir: string;
  /** Datagrams and messages dropped, by reason. */
  readonly drops: Readonly<Record<string, number>>;
  readonly features: readonly string[];
  /** How many entries were left out of a list to fit the frame. */
  readonly peer_list_truncated?: number;
  readonly conn_list_truncated?: number;
}

export interface Health {
  readonly status: 'ok';
  readonly uptime_seconds: number;
  readonly connections: number;
  readonly peers: number;
  readonly bytes_sent: number;
  readonly bytes_recv: number;
}

/** One stream; spec/20 §4.7. Sizes in bytes, times in ms. */
export interface ConnectionRow {
  readonly id: number;
  readonly local_port: number;
  readonly remote_addr: string;
  readonly remote_port: number;
  readonly state: string;
  readonly cong_win: number;
  readonly ssthresh: number;
  readonly in_flight: number;
  readonly srtt_ms: number;
  readonly rttvar_ms: number;
  readonly unacked: number;
  readonly ooo_buf: number;
  readonly peer_recv_win: number;
  readonly recv_win: number;
  readonly in_recovery: boolean;
  readonly bytes_sent: number;
  readonly bytes_recv: number;
  readonly segs_sent: number;
  readonly segs_recv: number;
  readonly retransmits: number;
  readonly fast_retx: number;
  readonly sack_recv: number;
  readonly sack_sent: number;
  readonly dup_acks: number;
  /** Opened by the client that asks. */
  readonly own?: boolean;
}

export type PathName = 'lan' | 'direct' | 'relay';

export interface PeerRow {
  readonly node_id: number;
  readonly address: string;
  readonly hostname: string;
  readonly established: boolean;
  readonly trusted: boolean;
  /** The path in use; "" when there is none. */
  readonly path: PathName | '';
  readonly endpoint: string;
  readonly rtt_ms: number | null;
  readonly bytes_sent: number;
  readonly bytes_recv: number;
  readonly paths: readonly {
    readonly kind: PathName;
    readonly endpoint: string;
    readonly rtt_ms: number | null;
    readonly selected: boolean;
  }[];
}

export interface Resolved {
  readonly node_id: number;
  readonly address: string;
  readonly hostname: string;
  /** null when not known: an address needs no look-up. */
  readonly public: boolean | null;
}

/** The registry's record of a node; keys of spec/10 §lookup. */
export interface NodeRecord {
  readonly node_id: number;
  readonly address: string;
  readonly hostname: string;
  readonly public: boolean;
  readonly public_key: string;
  readonly real_addr?: string;
  readonly networks?: readonly number[];
  readonly tags?: readonly string[];
  readonly version?: string;
  readonly [key: string]: unknown;
}

export interface PendingRow {
  readonly node_id: number;
  readonly address: string;
  readonly hostname: string;
  readonly public_key: string;
  readonly justification: string;
  /** Unix seconds. */
  readonly received_at: number;
}

export interface TrustedRow {
  readonly node_id: number;
  readonly address: string;
  readonly hostname: string;
  readonly public_key: string;
  /** Unix seconds. */
  readonly approved_at: number;
  readonly mutual: boolean;
  readonly network: number;
}

export interface OutgoingRow {
  /** Absent while asked by a hostname that has not answered. */
  readonly node_id?: number;
  readonly address: string;
  readonly hostname: string;
  readonly justification: string;
  /** Unix seconds. */
  readonly created_at: number;
  readonly expires_at: number;
}

export interface HandshakeResult {
  /** `approved`: the peer had already asked us, so trust is mutual now. */
  readonly status: 'sent' | 'already_trusted' | 'approved';
  /** Absent when a private node was asked by name. */
  readonly node_id?: number;
  readonly hostname?: string;
}

export interface PingReply {
  readonly node_id: number;
  readonly address: string;
  readonly rtt_ms: number;
  readonly path: PathName | '';
  readonly endpoint: string;
}

export interface DialResult {
  readonly connection: number;
  readonly local_port: number;
  readonly remote_addr: string;
  readonly remote_port: number;
}

/** Name → [parameters, result]. Errors are those of the catalogue in api/errors.ts. */
export interface Methods {
  /** Switches this client to the extended mode: credit per stream, end reasons, datagrams only where asked for. */
  hello: [
    { client?: string },
    { version: string; features: readonly string[]; node_id: number; address: string; credit: number },
  ];
  info: [Record<string, never>, Info];
  health: [Record<string, never>, Health];
  resolve: [{ target: string }, Resolved];
  find: [{ hostname: string }, Resolved];
  lookup: [{ target: string }, NodeRecord];
  /** An empty hostname clears it. */
  set_hostname: [{ hostname: string }, { hostname: string; node_id: number }];
  set_visibility: [{ public: boolean }, { node_id: number; visibility: 'public' | 'private' }];
  set_tags: [{ tags: readonly string[] }, { node_id: number; tags: readonly string[] }];
  deregister: [Record<string, never>, { node_id: number }];
  handshake: [{ target: string; justification?: string }, HandshakeResult];
  pending: [Record<string, never>, { pending: readonly PendingRow[] }];
  trusted: [Record<string, never>, { trusted: readonly TrustedRow[] }];
  outgoing: [Record<string, never>, { outgoing: readonly OutgoingRow[] }];
  approve: [{ target: string }, { status: 'approved'; node_id: number }];
  reject: [{ target: string; reason?: string }, { status: 'rejected'; node_id: number }];
  untrust: [{ target: string }, { status: 'revoked'; node_id: number }];
  /** Resolves once the peer is trusted, or says that it is not when the time is up. */
  trust_wait: [{ target: string; timeout_ms: number }, { node_id: number; trusted: boolean }];
  /** `truncated`: how many rows were left out to fit the frame. */
  peers: [Record<string, never>, { peers: readonly PeerRow[]; truncated?: number }];
  connections: [Record<string, never>, { connections: readonly ConnectionRow[]; truncated?: number }];
  /** Resets any stream of the daemon, whoever opened it. */
  disconnect: [{ connection: number }, { connection: number }];
  ping: [{ target: string; timeout_ms?: number }, PingReply];
  /** Data of the stream then travels in Send, Recv and the credit frames. */
  dial: [{ target: string; port: number; timeout_ms?: number; no_delay?: boolean }, DialResult];
  /** Port 0 chooses a free one. */
  listen: [{ port: number }, { port: number }];
  unlisten: [{ port: number }, { port: number }];
  /** Resolves when the peer has acknowledged everything. */
  close: [{ connection: number }, { connection: number }];
  send_datagram: [{ target: string; port: number; from_port?: number; data_b64: string }, { bytes: number }];
  /** Datagrams to this port are pushed to this client from now on. */
  listen_datagrams: [{ port: number }, { port: number }];
  unlisten_datagrams: [{ port: number }, { port: number }];
}

export type Method = keyof Methods;
export type Params<M extends Method> = Methods[M][0];
export type Result<M extends Method> = Methods[M][1];
