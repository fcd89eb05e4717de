/** What a registry's HTTP answers to its own page, as JSON. Times are Unix milliseconds unless a name says otherwise. */

/** A count by name, the largest first. */
export type Tally = readonly (readonly [name: string, count: number])[];

/** `GET /api/overview`, and what `GET /api/events` sends again whenever it is new. */
export interface Overview {
  readonly at: number;
  readonly version: string;
  readonly started_at: number;
  readonly nodes: {
    /** Ever made. */
    readonly records: number;
    readonly registered: number;
    readonly online: number;
    readonly public: number;
    readonly executors: number;
  };
  readonly trust: {
    readonly links: number;
    /** Nodes by how many peers they trust: '0', '1', '2', '3-4', '5-8', … */
    readonly degrees: Tally;
  };
  readonly networks: { readonly count: number; readonly open: number };
  readonly requests: { readonly total: number; readonly per_second: number };
  readonly connections: number;
  readonly versions: Tally;
  /** Of public nodes. */
  readonly tags: Tally;
  /** When the counts that need a walk over all nodes were taken; 0 before the first. */
  readonly census_at: number;
}

export type HistorySpan = 'hour' | 'day' | 'month';

/** `GET /api/history?span=`. Columns of equal length, oldest first; -1 where nothing is known. */
export interface History {
  readonly span: HistorySpan;
  /** Unix seconds. */
  readonly at: readonly number[];
  readonly online: readonly number[];
  readonly registered: readonly number[];
  readonly links: readonly number[];
  readonly requests_per_second: readonly number[];
}

export interface BeaconRow {
  /** `host:port`; the host is missing where nodes take the one of the registry. */
  readonly address: string;
  /** In the same process as the registry. */
  readonly own: boolean;
  /** Nodes that are to be reached there. */
  readonly nodes: number;
  /** Milliseconds; undefined while it does not answer. */
  readonly rtt_ms?: number;
  /** Of the own one. */
  readonly relayed_bytes_per_second?: number;
  readonly relayed_frames_per_second?: number;
}

/** `GET /api/beacons` */
export interface Beacons {
  readonly beacons: readonly BeaconRow[];
}

export interface NetworkRow {
  readonly id: number;
  readonly name: string;
  readonly join_rule: string;
  readonly members: number;
  readonly policy: boolean;
  readonly description: string;
}

/** `GET /api/networks`: the largest first. The public view has open networks only. */
export interface Networks {
  readonly networks: readonly NetworkRow[];
  /** Those not shown. */
  readonly others: { readonly count: number; readonly members: number };
}

export interface ServiceRow {
  readonly name: string;
  readonly port: number;
  readonly description: string;
}

/** A node as everybody may see it; of public ones only. */
export interface NodeRow {
  readonly id: number;
  readonly address: string;
  readonly hostname: string;
  readonly tags: readonly string[];
  readonly online: boolean;
  readonly services: readonly ServiceRow[];
  readonly public: boolean;
}

/** `GET /api/nodes?q=&tag=&after=&limit=` */
export interface NodePage {
  readonly nodes: readonly NodeRow[];
  /** There may be more above this id. */
  readonly cursor?: number;
}

/** `GET /api/nodes/ID` */
export interface NodeDetails extends NodeRow {
  readonly version: string;
  readonly public_key: string;
  readonly key_rotations: number;
  readonly task_executor: boolean;
  /** Only for operators. */
  readonly operator?: {
    readonly endpoint: string;
    readonly lan: readonly string[];
    readonly beacons: readonly string[];
    readonly owner: string;
    readonly registered: boolean;
    readonly proven: boolean;
    readonly relay_only: boolean;
    readonly last_seen: number;
    readonly key_created_at: number;
    readonly key_expires_at?: number;
    readonly networks: readonly { readonly id: number; readonly name: string; readonly role: string }[];
    readonly peers: readonly number[];
    readonly more_peers: boolean;
  };
}

/** `GET /api/trust?node=`: for operators. Without a node, the surroundings of those with the most peers. */
export interface TrustGraph {
  readonly nodes: readonly {
    readonly id: number;
    readonly name: string;
    readonly online: boolean;
    readonly peers: number;
  }[];
  readonly links: readonly (readonly [a: number, b: number])[];
  readonly truncated: boolean;
}

/** `GET /api/session` */
export interface SessionInfo {
  readonly operator: string | null;
  readonly scopes: readonly string[];
}
