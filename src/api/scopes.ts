/** What an admin token may be made for. A test compares it with docs/audit.md. */
export const SCOPES = {
  'nodes:read': 'See every node and list all of them, as the operator does',
  'nodes:write': 'Change names, tags, visibility, scores and key expiry of any node, and deregister it',
  'networks:read': 'See every network, its members and its policy',
  'networks:write': 'Create, change and delete networks, their members and roles',
  'beacons:write': 'Announce beacons at addresses other than one’s own',
  'metrics:read': 'Read the metrics of the registry',
  'audit:read': 'Read the audit log, in which names and network addresses of all nodes appear',
  'webhooks:write': 'Add, change and remove webhooks, and see what they failed to deliver',
  'tokens:write': 'Create tokens of the same or less power, list and revoke tokens',
} as const satisfies Readonly<Record<string, string>>;

export type Scope = keyof typeof SCOPES;

export function isScope(text: string): text is Scope {
  return Object.hasOwn(SCOPES, text);
}
