import { type ErrorCode, PilotError } from '../../api/errors.ts';
import type { NodeId } from '../../base/units.ts';

/** What a registry answers when it won't: the message is the exact text old clients know. spec/10 §5 */
export class Refusal extends PilotError {}

export function refusal(code: ErrorCode, message: string, hint?: string): Refusal {
  return new Refusal(code, message, hint === undefined ? {} : { hint });
}

export function noSuchNode(node: NodeId): Refusal {
  return refusal('not_found', `node ${node}: node not found`);
}

/** Texts that old registries let through; everything else reads `request failed`. spec/10 §2.3 */
const VISIBLE = [
  'rate limited',
  'enterprise feature',
  'expired',
  'already',
  'not a member',
  'cannot',
  'too many',
  'too long',
  'not found',
  'invalid',
  'required',
];

export function masked(message: string): string {
  return VISIBLE.some((part) => message.includes(part)) ? message : 'request failed';
}
