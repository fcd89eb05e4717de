import { PilotError } from '../../api/errors.ts';
import type { JoinRuleName } from '../../ipc/methods.ts';
import { textParam } from '../../ipc/params.ts';
import type { Given } from './context.ts';

/** Limits of the registry (spec/12 §3); it checks the rest. */
const MAX_TAGS = 10;
const MAX_PORTS = 100;

/** Errors: `invalid_argument`. */
export function joinRuleParam(params: Given): JoinRuleName {
  const rule = textParam(params, 'join_rule', 'open');
  if (rule === 'open' || rule === 'token' || rule === 'invite') return rule;
  throw new PilotError(
    'invalid_argument',
    `Parameter join_rule must be open, token or invite, not "${rule}"`,
  );
}

/** Undefined when not given. Errors: `invalid_argument`. */
export function tagsParam(params: Given): readonly string[] | undefined {
  const { tags } = params;
  if (tags === undefined || tags === null) return undefined;
  if (Array.isArray(tags) && tags.length <= MAX_TAGS && tags.every((tag) => typeof tag === 'string'))
    return tags;
  throw new PilotError('invalid_argument', `Parameter tags must be a list of at most ${MAX_TAGS} strings`);
}

/** Undefined when not given. Errors: `invalid_argument`. */
export function portsParam(params: Given): readonly number[] | undefined {
  const { allowed_ports: ports } = params;
  if (ports === undefined || ports === null) return undefined;
  const isPort = (port: unknown): boolean =>
    Number.isInteger(port) && Number(port) >= 1 && Number(port) <= 0xffff;
  if (Array.isArray(ports) && ports.length <= MAX_PORTS && ports.every(isPort)) return ports;
  throw new PilotError(
    'invalid_argument',
    `Parameter allowed_ports must be a list of at most ${MAX_PORTS} ports`,
  );
}

/** Member tags as old clients send them, in JSON. Errors: `invalid_argument` with the text of spec/20 §8. */
export function memberTags(text: string): readonly string[] {
  let tags: unknown;
  try {
    tags = JSON.parse(text);
  } catch (thrown) {
    throw new PilotError(
      'invalid_argument',
      `member-tags set: invalid tags JSON: ${(thrown as Error).message}`,
    );
  }
  return tagsParam({ tags }) ?? [];
}
