import { type ErrorCode, PilotError } from '../../../api/errors.ts';

/** SQLSTATEs after which the same transaction may well succeed: conflicts, deadlocks, a name taken meanwhile. */
const CONFLICTS: ReadonlySet<string> = new Set(['40001', '40P01', '23505']);

export function isConflict(thrown: unknown): boolean {
  return CONFLICTS.has(codeOf(thrown));
}

/** True when the connection or the server went away; what was under way may or may not have happened. */
export function isLost(thrown: unknown): boolean {
  const code = codeOf(thrown);
  return /^(CONNECTION_|CONNECT_TIMEOUT|E[A-Z]+$)/.test(code) || /^(08|57P0)/.test(code) || code === '25P03';
}

/** What a failing statement means to callers; the text of the server never shows a password. */
export function databaseError(thrown: unknown, name: string): PilotError {
  if (thrown instanceof PilotError) return thrown;
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return new PilotError(meaningOf(thrown), `Cannot use the registry's database ${name}: ${text}`, {
    cause: thrown,
  });
}

function meaningOf(thrown: unknown): ErrorCode {
  const code = codeOf(thrown);
  if (code === '53100') return 'disk_full';
  if (code.startsWith('XX') || code.startsWith('58')) return 'io_error';
  if (code === '28P01' || code === '28000' || code === '42501') return 'permission_denied';
  // Also time-outs, too many connections, and a database that is missing.
  if (isLost(thrown) || isConflict(thrown) || /^(57|53|55|3D)/.test(code)) return 'unavailable';
  return 'internal';
}

function codeOf(thrown: unknown): string {
  const code = (thrown as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : '';
}
