import type { Acceleration } from '../../api/acceleration.ts';
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
  /** Those of which we are a member; null when there is none. */
  readonly networks: readonly { network_id: number; address: string; name: string; role: string }[] | null;
  readonly peer_list: readonly {
    node_id: number;
    endpoint: string;
    encrypted: boolean;
    authenticated: boolean;
    relay: boolean;
  }[];
  readonly conn_list: readonly ConnectionRow[];

  /** Of the identity key. */
  readonly fingerprint: string;
  /** Name (or address) and fingerprint, as another node can use it for this one. */
  readonly verified_name: string;
  /** Rotations of the identity key so far. */
  readonly key_epoch: number;
  /** A rotation was interrupted, and the registry has not said yet which key is ours. */
  readonly key_rotation_open: boolean;
  /** Number of the signed record the registry has of us; null when it has none. */
  readonly record_seq: number | null;
  readonly tags: readonly string[];
  readonly services: readonly { name: string; port: number; description: string }[];
  /** What the user should know of, newest first; `at` in unix seconds. */
  readonly warnings: readonly InfoWarning[];
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
  /** Customary name of the NAT in front of this node, as in `netcheck`. */
  readonly nat: string;
  /** As configured: `udp`, `compat` or `auto`; what carries datagrams now: `udp`, `compat` or `none`. */
  readonly transport: string;
  readonly transport_in_use: string;
  /** URL of the beacon's WebSocket in use; "" without one. */
  readonly carrier: string;
  /** `host:port` of the HTTP proxy in use; "" without one. */
  readonly proxy: string;
  /** Who seals packets and how they are sent. */
  readonly acceleration: Acceleration;
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

export interface InfoWarning {
  /** Stable; also the name of the event in the log. */
  readonly code: string;
  readonly message: string;
  readonly at: number;
  readonly count: number;
  readonly node_id?: number;
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
  /** Of the key pinned for the peer; "" when none is. */
  readonly fingerprint: string;
  /** The registry presents the peer with another key. */
  readonly identity_changed: boolean;
  /** The path in use; "" when there is none. */
  readonly path: PathName | '';
  readonly endpoint: string;
  readonly rtt_ms: number | null;
  readonly bytes_sent: number;
  readonly bytes_recv: number;
  /** UDP payload that a datagram on the path in use may have; null when there is none. */
  readonly datagram_size: number | null;
  readonly paths: readonly {
    readonly kind: PathName;
    readonly endpoint: string;
    readonly rtt_ms: number | null;
    readonly selected: boolean;
    readonly datagram_size: number;
  }[];
}

export interface PingReply {
  readonly node_id: number;
  readonly address: string;
  readonly rtt_ms: number;
  readonly path: PathName | '';
  readonly endpoint: string;
}

export interface DiagnosticMethods {
  info: [Record<string, never>, Info];
  health: [Record<string, never>, Health];
  /** `truncated`: how many rows were left out to fit the frame. */
  peers: [Record<string, never>, { peers: readonly PeerRow[]; truncated?: number }];
  connections: [Record<string, never>, { connections: readonly ConnectionRow[]; truncated?: number }];
  /** Resets any stream of the daemon, whoever opened it. */
  disconnect: [{ connection: number }, { connection: number }];
  ping: [{ target: string; timeout_ms?: number }, PingReply];
}
