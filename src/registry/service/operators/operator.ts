import { isScope, SCOPES, type Scope } from '../../../api/scopes.ts';
import type { NetworkId } from '../../../base/units.ts';
import type { AdminToken } from '../../store/store.ts';

/** On whose behalf a request is made that carries an admin token, or comes from the registry's own machine. */
export interface Operator {
  /** As in audit entries: `operator`, `token:ID` or `local`. */
  readonly name: string;
  readonly scopes: ReadonlySet<Scope>;
  /** The networks that `networks:…` is for; empty for all. */
  readonly networks: readonly NetworkId[];
}

const ALL: ReadonlySet<Scope> = new Set(Object.keys(SCOPES) as Scope[]);

/** Who has the token that the registry was started with. */
export const THE_OPERATOR: Operator = { name: 'operator', scopes: ALL, networks: [] };
/** Whoever may use the registry's own files. */
export const LOCAL_OPERATOR: Operator = { name: 'local', scopes: ALL, networks: [] };

export function operatorOf({ id, scopes, networks }: AdminToken): Operator {
  return { name: `token:${id}`, scopes: new Set(scopes.filter(isScope)), networks };
}

/** Without a network: for all of them. */
export function allows(operator: Operator | undefined, scope: Scope, network?: NetworkId): boolean {
  if (operator === undefined || !operator.scopes.has(scope)) return false;
  if (operator.networks.length === 0 || !scope.startsWith('networks:')) return true;
  return network !== undefined && operator.networks.includes(network);
}
