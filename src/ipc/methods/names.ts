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

export interface NameMethods {
  resolve: [{ target: string }, Resolved];
  find: [{ hostname: string }, Resolved];
  lookup: [{ target: string }, NodeRecord];
  /** An empty hostname clears it. */
  set_hostname: [{ hostname: string }, { hostname: string; node_id: number }];
  set_visibility: [{ public: boolean }, { node_id: number; visibility: 'public' | 'private' }];
  set_tags: [{ tags: readonly string[] }, { node_id: number; tags: readonly string[] }];
}
