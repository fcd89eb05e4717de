import { type ErrorCode, isErrorCode, PilotError } from '../api/errors.ts';
import type { JsonObject } from '../wire/json.ts';

/** Texts of old registries and what they mean; the first match counts. spec/10 §2.3 */
const MEANINGS: readonly (readonly [RegExp, ErrorCode])[] = [
  [/not found/, 'not_found'],
  [/rate limited|too many|inbox full/, 'rate_limited'],
  [/already/, 'already_exists'],
  [/signature|denied|token|not a member|expired/, 'permission_denied'],
  [/too large|too long/, 'too_large'],
  [/invalid|required|cannot/, 'invalid_argument'],
  // Old registries hide most refusals behind this text; nearly all of them concern permission.
  [/request failed/, 'permission_denied'],
];

/** The error a reply stands for, or undefined when it is a success. */
export function refusedBy(reply: JsonObject, action: string): PilotError | undefined {
  const { error } = reply;
  if (reply.type !== 'error' && typeof error !== 'string') return undefined;
  const text = typeof error === 'string' ? error : 'request failed';
  const stated = reply.code;
  const code =
    typeof stated === 'string' && isErrorCode(stated)
      ? stated
      : (MEANINGS.find(([pattern]) => pattern.test(text))?.[1] ?? 'protocol_error');
  const hint = typeof reply.hint === 'string' ? { hint: reply.hint } : {};
  return new PilotError(code, `Cannot ${action}: ${text}`, hint);
}
