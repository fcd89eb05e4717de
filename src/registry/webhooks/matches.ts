import { AUDIT_ACTIONS } from '../../api/audit-actions.ts';
import type { AuditEntry } from '../../wire/audit-entry.ts';
import type { Webhook } from '../store/store.ts';

/** `trust.*` and the like. */
export const AUDIT_FAMILIES: ReadonlySet<string> = new Set(
  Object.keys(AUDIT_ACTIONS).map((action) => `${action.slice(0, action.indexOf('.'))}.*`),
);

/** True when an entry is to be told to a webhook. */
export function matches({ id, events }: Webhook, { action, details }: AuditEntry): boolean {
  if (action === 'webhook.test') return details?.webhook === id;
  const family = `${action.slice(0, action.indexOf('.'))}.*`;
  return events.includes('*') || events.includes(action) || events.includes(family);
}
