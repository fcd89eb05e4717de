import type { Scope } from '../../../api/scopes.ts';
import type { NetworkId } from '../../../base/units.ts';
import type { Call } from '../call.ts';
import { refusal } from '../refusal.ts';
import { allows, type Operator } from './operator.ts';

export type { Operator } from './operator.ts';

/** True when the request comes from an operator who may do this, in this network where one is named. */
export function operates(call: Call, scope: Scope, network?: NetworkId): boolean {
  return allows(call.operator, scope, network);
}

/** The operator who asks to do `what`. Throws `permission_denied` unless it is one with the scope. */
export function operator(call: Call, scope: Scope, what: string): Operator {
  if (call.operator?.scopes.has(scope)) return call.operator;
  throw refusal(
    'permission_denied',
    call.operator === undefined ? `admin token required to ${what}` : `the admin token has no scope ${scope}`,
    `use a token with the scope ${scope}; see: pilotctl registry token --help`,
  );
}
