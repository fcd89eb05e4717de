type Seconds = number;

export type JoinRuleName = 'open' | 'token' | 'invite';
export type RoleName = 'owner' | 'admin' | 'member';

/** A network of which we are a member. */
export interface NetworkRow {
  readonly network_id: number;
  readonly name: string;
  /** Ours in it. */
  readonly address: string;
  readonly role: RoleName;
  readonly join_rule: string;
  /** How many. */
  readonly members: number;
  /** Our member tags. */
  readonly tags: readonly string[];
  /** What decides what passes: `all`, `ports` or `expression`. */
  readonly policy: 'all' | 'ports' | 'expression';
  /** The expression policy is not understood, so nothing passes. */
  readonly policy_error?: string;
  readonly description: string;
  /** Unix seconds; 0 when the registry does not say. */
  readonly since: Seconds;
}

/** A network that the registry lists: one anybody may join, or one of ours. */
export interface ListedNetworkRow {
  readonly network_id: number;
  readonly name: string;
  readonly join_rule: string;
  readonly members: number;
  /** Unix seconds. */
  readonly created: Seconds;
  readonly joined: boolean;
}

export interface MemberRow {
  readonly node_id: number;
  /** In the network. */
  readonly address: string;
  readonly hostname: string;
  readonly role: RoleName;
  readonly tags: readonly string[];
  readonly public: boolean;
  readonly online: boolean;
  /** Unix seconds; 0 when the registry does not say. */
  readonly since: Seconds;
}

export interface InviteRow {
  readonly network_id: number;
  /** "" when the registry does not say. */
  readonly name: string;
  readonly inviter_id: number;
  readonly inviter: string;
  /** Unix seconds. */
  readonly timestamp: Seconds;
  readonly expires: Seconds;
}

export interface NetworkPolicyRow {
  readonly network_id: number;
  readonly name: string;
  /** Ports that may be reached; empty for all. An expression policy replaces them. */
  readonly allowed_ports: readonly number[];
  /** 0 for no limit of the network's own. */
  readonly max_members: number;
  readonly description: string;
  readonly expr_policy: Readonly<Record<string, unknown>> | null;
  /** Our member tags: `local_tags` in expressions. */
  readonly tags: readonly string[];
}

/** A change of a policy; what is left out stays. */
export interface PolicyParam {
  readonly allowed_ports?: readonly number[];
  readonly max_members?: number;
  readonly description?: string;
  /** The document, or null to remove it. */
  readonly expr_policy?: object | null;
}

type About<Result> = [{ network: string; target: string }, Result & { network_id: number; node_id: number }];

/** `network` is the number or the name of a network; a page goes on with `after` set to the `cursor` before it. */
export interface NetworkMethods {
  network_create: [
    /** `operator_token`: where only the operator of the registry makes networks. */
    { name: string; join_rule?: JoinRuleName; token?: string; expr_policy?: object; operator_token?: string },
    { network_id: number; name: string; address: string; join_rule: JoinRuleName; token?: string },
  ];
  /** Networks of which we are a member, from the registry, else as last known. */
  network_own: [Record<string, never>, { networks: readonly NetworkRow[] }];
  network_list: [
    { after?: number; limit?: number },
    { networks: readonly ListedNetworkRow[]; cursor?: number },
  ];
  network_join: [{ network: string; token?: string }, { network_id: number; name: string; address: string }];
  network_leave: [{ network: string }, { network_id: number }];
  network_members: [
    { network: string; after?: number; limit?: number },
    { network_id: number; members: readonly MemberRow[]; cursor?: number },
  ];
  network_invite: About<{ status: 'invited' | 'already_invited' }>;
  network_invites: [Record<string, never>, { invites: readonly InviteRow[] }];
  network_respond: [{ network: string; accept: boolean }, { network_id: number; accepted: boolean }];
  network_kick: About<{ status: 'removed' }>;
  network_promote: About<{ role: 'admin' }>;
  network_demote: About<{ role: 'member' }>;
  network_transfer: About<{ role: 'owner' }>;
  network_rename: [{ network: string; name: string }, { network_id: number; name: string }];
  network_delete: [{ network: string }, { network_id: number }];
  /** Reads the member tags, and with `tags` sets them. */
  network_tags: [
    { network: string; target: string; tags?: readonly string[] },
    { network_id: number; node_id: number; tags: readonly string[] },
  ];
  network_policy: [{ network: string }, NetworkPolicyRow];
  /** `notes`: what the expression policy says that has no effect. */
  network_set_policy: [
    { network: string } & PolicyParam,
    NetworkPolicyRow & { readonly notes: readonly string[] },
  ];
  /** What a peer is in a network that it shares with us; tags and age are what expressions see. */
  network_peer: [
    { network: string; target: string },
    { network_id: number; node_id: number; tags: readonly string[]; role: RoleName; since: Seconds },
  ];
  network_rotate_token: [{ network: string; token?: string }, { network_id: number; token: string }];
}
