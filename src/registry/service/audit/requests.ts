/** Reading the audit log: all of it for operators, what concerns a network for its owner and admins. */
import type { AuditEntry } from '../../../wire/audit-entry.ts';
import type { Handler, Reply } from '../call.ts';
import { u32 } from '../fields.ts';
import { BACKBONE, networkField } from '../networks/bounds.ts';
import { acting } from '../networks/standing.ts';
import { operator } from '../operators/demand.ts';
import { rfc3339 } from '../time.ts';

/** Entries in one answer: a whole one stays far below the frame limit. */
const MOST_ENTRIES = 500;
const OLD_DEFAULT = 100;
const OLD_MOST = 1000;

/** Entries in order from `after` on, with where the log begins and ends. */
export const auditLog: Handler = async (call) => {
  operator(call, 'audit:read', 'read the audit log');
  await call.shared.sealer.seal();
  const after = count(call.request.after, 0);
  const limit = Math.min(MOST_ENTRIES, Math.max(1, count(call.request.limit, MOST_ENTRIES)));
  const entries = await call.shared.store.auditEntries({ after, limit });
  const { start, head } = await call.shared.store.auditBounds();
  return { type: 'audit_log_ok', entries, start, head };
};

export const auditHead: Handler = async (call) => {
  operator(call, 'audit:read', 'read the audit log');
  await call.shared.sealer.seal();
  return { type: 'audit_head_ok', ...(await call.shared.store.auditBounds()) };
};

/**
 * What happened in one network, newest first, for its owner, its admins and operators. Network addresses are left out:
 * members do not learn from where others work. Numbers and hashes are those of the whole log.
 */
export const networkAudit: Handler = async (call) => {
  const network = networkField(call);
  await acting(call, network, ['owner', 'admin'], { read: true });
  await call.shared.sealer.seal();
  const before = count(call.request.before, Number.MAX_SAFE_INTEGER);
  const limit = Math.min(MOST_ENTRIES, Math.max(1, count(call.request.limit, OLD_DEFAULT)));
  const entries = await call.shared.store.auditEntries({ after: 0, before, limit, network });
  return {
    type: 'network_audit_ok',
    network_id: network,
    entries: entries.map(({ source: _, prev: __, ...entry }) => entry),
    ...(entries.length < limit ? {} : { cursor: entries.at(-1)?.seq }),
  };
};

/** As operators of old registries ask. spec/12 §9 */
export const getAuditLog: Handler = async (call) => {
  operator(call, 'audit:read', 'read the audit log');
  await call.shared.sealer.seal();
  const network = networkField(call);
  const limit = Math.min(OLD_MOST, u32(call.request.limit) || OLD_DEFAULT);
  const entries = await call.shared.store.auditEntries({
    after: 0,
    before: Number.MAX_SAFE_INTEGER,
    limit,
    ...(network === BACKBONE ? {} : { network }),
  });
  return { type: 'get_audit_log_ok', entries: entries.map((entry) => oldEntry(entry)) };
};

function oldEntry({ at, action, network, node, target, details }: AuditEntry): Reply {
  const said = { ...(target === undefined ? {} : { target }), ...details };
  const text = Object.entries(said)
    .map(([key, value]) => `${key}=${Array.isArray(value) ? value.join('+') : String(value)}`)
    .join(', ');
  return {
    timestamp: rfc3339(at),
    action,
    ...(network === undefined ? {} : { network_id: network }),
    ...(node === undefined ? {} : { node_id: node }),
    ...(text === '' ? {} : { details: text }),
  };
}

function count(value: unknown, fallback: number): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : fallback;
}
