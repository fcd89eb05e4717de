/**
 * The error catalogue: every code an operation can fail with, its exit status, whether trying again can help,
 * and the command a reader can run next. A test compares it with docs/errors.md.
 */

interface ErrorSpec {
  readonly exit: number;
  readonly retryable: boolean;
  /** Default hint; `{}` is replaced by the subject given where the error is made. */
  readonly hint: string;
}

export const ERRORS = {
  invalid_argument: { exit: 1, retryable: false, hint: 'see: pilotctl --help' },
  not_found: { exit: 1, retryable: false, hint: 'see: pilotctl find <hostname>' },
  already_exists: { exit: 1, retryable: false, hint: 'see: pilotctl daemon status' },
  not_running: { exit: 1, retryable: true, hint: 'start the daemon with: pilotctl daemon start' },
  connection_failed: { exit: 1, retryable: true, hint: 'see: pilotctl daemon status' },
  connection_refused: { exit: 1, retryable: false, hint: 'nothing listens on that port at the peer' },
  registry_unreachable: { exit: 1, retryable: true, hint: 'see: pilotctl config' },
  timeout: { exit: 1, retryable: true, hint: 'check that the peer is reachable: pilotctl ping <peer>' },
  untrusted: { exit: 1, retryable: false, hint: 'ask for trust with: pilotctl handshake <peer>' },
  permission_denied: { exit: 1, retryable: false, hint: 'see: pilotctl trust' },
  scope_denied: { exit: 1, retryable: false, hint: 'see what is granted: pilotctl trust show <peer>' },
  policy_denied: { exit: 1, retryable: false, hint: 'see the policy: pilotctl network policy <network>' },
  identity_changed: {
    exit: 1,
    retryable: false,
    hint: 'compare fingerprints with the owner: pilotctl info there, pilotctl lookup <peer> here',
  },
  certificate_invalid: {
    exit: 1,
    retryable: false,
    hint: 'ask for a fresh copy: pilotctl trust export <peer>',
  },
  certificate_expired: { exit: 1, retryable: false, hint: 'ask for trust anew: pilotctl handshake <peer>' },
  certificate_revoked: { exit: 1, retryable: false, hint: 'ask for trust anew: pilotctl handshake <peer>' },
  port_in_use: { exit: 1, retryable: false, hint: 'choose another port, or stop the program that holds it' },
  socket_in_use: { exit: 1, retryable: false, hint: 'see: pilotctl daemon status' },
  fingerprint_mismatch: {
    exit: 1,
    retryable: false,
    hint: 'check the key with the operator, then: pilotctl init --registry HOST --fingerprint HEX',
  },
  server_untrusted: {
    exit: 1,
    retryable: false,
    hint: 'for a certificate no authority vouches for, pin it: pilotctl init --registry HOST --fingerprint HEX',
  },
  proxy_unreachable: {
    exit: 1,
    retryable: true,
    hint: 'check its address, or go without: pilotctl config --set proxy=off',
  },
  proxy_auth_required: {
    exit: 1,
    retryable: false,
    hint: 'give credentials in HTTPS_PROXY or PILOT_PROXY, or a command that prints them: pilotctl config --set proxy_cmd=COMMAND',
  },
  proxy_refused: {
    exit: 1,
    retryable: true,
    hint: 'ask whoever runs the proxy to allow CONNECT to that host and port',
  },
  identity_invalid: {
    exit: 1,
    retryable: false,
    hint: 'restore identity.json from a backup, or move it away to start with a new identity',
  },
  state_corrupt: { exit: 1, retryable: false, hint: 'restore the file from a backup, or move it away' },
  too_large: { exit: 1, retryable: false, hint: 'send less at once' },
  rate_limited: { exit: 1, retryable: true, hint: 'wait a moment, then try again' },
  transfer_failed: {
    exit: 1,
    retryable: true,
    hint: 'run the same command again: it resumes where it stopped',
  },
  disk_full: { exit: 1, retryable: true, hint: 'free some space, then try again' },
  io_error: { exit: 1, retryable: false, hint: 'check the path and its permissions' },
  unavailable: { exit: 1, retryable: true, hint: 'see: pilotctl daemon status' },
  cancelled: { exit: 1, retryable: true, hint: 'run the command again' },
  protocol_error: { exit: 1, retryable: false, hint: 'see: pilotctl version' },
  internal: { exit: 1, retryable: false, hint: 'see the log: pilotctl daemon status' },
} as const satisfies Record<string, ErrorSpec>;

export type ErrorCode = keyof typeof ERRORS;

/** An operation that failed. Match on `code`; `message` states the action and the value, `hint` is a command to run. */
export class PilotError extends Error {
  readonly code: ErrorCode;
  readonly hint: string;

  constructor(code: ErrorCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'PilotError';
    this.code = code;
    this.hint = options.hint ?? ERRORS[code].hint;
  }
}

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(ERRORS, text);
}

/** Turns anything thrown into a PilotError, keeping the original as cause. */
export function asPilotError(thrown: unknown): PilotError {
  if (thrown instanceof PilotError) return thrown;
  return new PilotError('internal', thrown instanceof Error ? thrown.message : String(thrown), {
    cause: thrown,
  });
}
