export interface Resolved {
  readonly node_id: number;
  readonly address: string;
  readonly hostname: string;
  /** null when not known: an address needs no look-up. */
  readonly public: boolean | null;
}

/** A node as the registry and its own signed record describe it; keys of spec/10 §lookup, then ours. */
export interface NodeRecord {
  readonly node_id: number;
  readonly address: string;
  readonly hostname: string;
  readonly public: boolean;
  /** As the registry presents it. */
  readonly public_key: string;
  readonly real_addr?: string;
  readonly networks?: readonly number[];
  readonly tags?: readonly string[];
  readonly version?: string;
  /** Of `public_key`. */
  readonly fingerprint: string;
  /**
   * `pinned`: the key is the one this node holds for it; `unpinned`: there is only the registry's word;
   * `changed`: the registry presents another key than the pinned one, without proof; `own`: this node.
   */
  readonly identity: 'pinned' | 'unpinned' | 'changed' | 'own';
  /** The key that counts here, when one is pinned, and why it is. */
  readonly pinned?: {
    readonly fingerprint: string;
    readonly by: 'trust' | 'use' | 'fingerprint';
    /** Unix seconds. */
    readonly since: number;
  };
  /** Rotations of the key so far. */
  readonly epoch: number;
  /** Those whose signatures hold, oldest first; `at` in unix seconds. */
  readonly rotations: readonly RotationRow[];
  /** What the node says of itself, verified; null when there is no record that verifies. */
  readonly record: SignedRecord | null;
  readonly [key: string]: unknown;
}

export interface RotationRow {
  readonly epoch: number;
  readonly at: number;
  readonly from: string;
  readonly to: string;
}

export interface SignedRecord {
  readonly seq: number;
  readonly epoch: number;
  readonly hostname: string;
  readonly public: boolean;
  readonly tags: readonly string[];
  readonly features: readonly string[];
  readonly suites: readonly string[];
  readonly services: readonly ServiceRow[];
  /** Unix seconds. */
  readonly issued: number;
  readonly expires: number;
  readonly expired: boolean;
}

/** A service in a signed record. */
export interface ServiceRow {
  readonly name: string;
  readonly port: number;
  readonly description: string;
}

/** What to look for; a node has to match all of it. */
export interface FindQuery {
  readonly tag?: string;
  readonly service?: string;
  /** Whole words of hostname, tags, service names and descriptions. */
  readonly text?: string;
  /** 0, the default: public nodes; otherwise members of this network of ours. */
  readonly network?: number;
  /** `cursor` of the page before. */
  readonly cursor?: number;
  /** At most 200. @default 100 */
  readonly limit?: number;
}

export interface FoundRow {
  readonly node_id: number;
  readonly address: string;
  readonly hostname: string;
  readonly public: boolean;
  readonly online: boolean;
  readonly tags: readonly string[];
  /** Of a verified record; empty without one. */
  readonly services: readonly ServiceRow[];
  /** Of the record's key; "" without one. */
  readonly fingerprint: string;
  /**
   * `pinned`: signed by the key pinned here; `signed`: by the key it names; `expired`: signed, but out of date;
   * `changed`: signed by another key than the pinned one; `unsigned`: there is only the registry's word.
   */
  readonly verified: 'pinned' | 'signed' | 'expired' | 'changed' | 'unsigned';
}

export interface FoundPage {
  readonly nodes: readonly FoundRow[];
  /** Rows left out because their record does not bear its signature. */
  readonly refused: number;
  /** Absent on the last page. */
  readonly cursor?: number;
}

export interface NameMethods {
  resolve: [{ target: string }, Resolved];
  find: [{ hostname: string }, Resolved];
  find_nodes: [FindQuery, FoundPage];
  lookup: [{ target: string }, NodeRecord];
  /** An empty hostname clears it. */
  set_hostname: [{ hostname: string }, { hostname: string; node_id: number }];
  set_visibility: [{ public: boolean }, { node_id: number; visibility: 'public' | 'private' }];
  set_tags: [{ tags: readonly string[] }, { node_id: number; tags: readonly string[] }];
  /** Replaces a service of the same name. */
  add_service: [ServiceRow, { node_id: number; services: readonly ServiceRow[] }];
  remove_service: [{ name: string }, { node_id: number; services: readonly ServiceRow[] }];
}
