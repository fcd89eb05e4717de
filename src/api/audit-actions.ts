/**
 * The catalogue of what the registry writes into its audit log, which is also what its webhooks tell. A test compares
 * it with docs/audit.md and with the actions the sources record. Names are stable, details are only ever added.
 */

interface AuditSpec {
  /** Names of the details an entry may have. */
  readonly details: readonly string[];
  readonly meaning: string;
}

export const AUDIT_ACTIONS = {
  'node.registered': { details: ['proven'], meaning: 'A key that was not known has a node now' },
  'node.proven': {
    details: [],
    meaning: 'A node of an old daemon proved its key; nothing unproven is accepted for it any more',
  },
  'node.deregistered': { details: [], meaning: 'The node is hidden until it registers again' },
  'key.rotated': { details: ['epoch'], meaning: 'The node has another key' },
  'key.expiry_set': { details: ['expires'], meaning: 'The key of the node ends at a time, unix ms' },
  'key.expiry_cleared': { details: [], meaning: 'The key of the node has no end any more' },
  'hostname.changed': { details: ['hostname', 'before'], meaning: 'The node has another name, or none' },
  'visibility.changed': { details: ['public'], meaning: 'The node became public or private' },
  'tags.changed': { details: ['tags'], meaning: 'The node has other tags' },
  'task_exec.changed': { details: ['enabled'], meaning: 'The node takes tasks, or does not any more' },
  'polo_score.set': { details: ['score'], meaning: 'An operator changed the score of the node' },
  'trust.created': {
    details: ['serial'],
    meaning: 'The two nodes trust each other: by a certificate with a serial, or by the word of both',
  },
  'trust.renewed': { details: ['serial'], meaning: 'The trust of the two has another certificate' },
  'trust.revoked': {
    details: ['serial'],
    meaning: 'The node took its trust in the target back; certificates up to the serial count no more',
  },
  'network.created': {
    details: ['name', 'join_rule'],
    meaning: 'There is a new network; the node is its owner',
  },
  'network.renamed': { details: ['name', 'before'], meaning: 'The network has another name' },
  'network.deleted': { details: ['name'], meaning: 'The network is gone' },
  'network.token_rotated': { details: [], meaning: 'The network has another join token' },
  'network.joined': { details: [], meaning: 'The node became a member' },
  'network.left': { details: [], meaning: 'The node is no member any more, by its own wish' },
  'network.ownership_transferred': { details: ['before'], meaning: 'The target owns the network now' },
  'network.policy_changed': {
    details: ['max_members', 'ports'],
    meaning: 'The network has another list of ports or another limit of members',
  },
  'network.expr_policy_set': {
    details: ['sha256'],
    meaning: 'The network has another expression policy; SHA-256 of its canonical text',
  },
  'network.expr_policy_cleared': { details: [], meaning: 'The network has no expression policy any more' },
  'member.kicked': { details: [], meaning: 'The target was removed from the network' },
  'member.promoted': { details: [], meaning: 'The target is an admin of the network' },
  'member.demoted': { details: [], meaning: 'The target is an ordinary member of the network' },
  'member_tags.changed': { details: ['tags'], meaning: 'The target has other tags in the network' },
  'invite.created': { details: [], meaning: 'The target was invited to the network' },
  'invite.responded': { details: ['accepted'], meaning: 'The node answered an invitation' },
  'token.created': {
    details: ['token', 'name', 'scopes', 'networks', 'expires'],
    meaning: 'There is a new admin token',
  },
  'token.revoked': { details: ['token', 'name'], meaning: 'The admin token counts no more' },
  'webhook.created': { details: ['webhook', 'host', 'events'], meaning: 'Events go to a new place' },
  'webhook.changed': { details: ['webhook', 'host', 'events', 'enabled'], meaning: 'A webhook was changed' },
  'webhook.removed': { details: ['webhook', 'host'], meaning: 'Events do not go there any more' },
  'webhook.test': { details: ['webhook'], meaning: 'An operator asked for a trial delivery to this webhook' },
  'audit.pruned': {
    details: ['first', 'last', 'hash'],
    meaning: 'The oldest entries, up to the one with this hash, were dropped to keep within the limit',
  },
} as const satisfies Readonly<Record<string, AuditSpec>>;

export type AuditAction = keyof typeof AUDIT_ACTIONS;

export function isAuditAction(text: string): text is AuditAction {
  return Object.hasOwn(AUDIT_ACTIONS, text);
}
