import { type ErrorCode, PilotError } from '../api/errors.ts';

const CODES: Readonly<Record<string, ErrorCode>> = {
  EADDRINUSE: 'port_in_use',
  ENOSPC: 'disk_full',
  EDQUOT: 'disk_full',
};

/** The `code` of a Node system error (`ENOENT` and the like), or undefined. */
export function systemCode(thrown: unknown): string | undefined {
  const code = (thrown as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}

/**
 * Turns a Node system error into a PilotError. `action` completes the sentence "Cannot …".
 * Codes that have no meaning of their own here become `fallback`.
 */
export function systemError(thrown: unknown, action: string, fallback: ErrorCode = 'io_error'): PilotError {
  if (thrown instanceof PilotError) return thrown;
  const system = systemCode(thrown);
  const why = system ?? (thrown instanceof Error ? thrown.message : String(thrown));
  const code = (system === undefined ? undefined : CODES[system]) ?? fallback;
  return new PilotError(code, `Cannot ${action}: ${why}`, { cause: thrown });
}
