import { isJsonObject, type JsonObject } from '../json.ts';

type Params = Readonly<Record<string, 'number' | 'text' | 'condition'>>;

/**
 * Actions a policy may name (spec/12 §6.5), with the parameters each needs. `allow` and `deny` decide. `log` and
 * `webhook`, and what keeps an old daemon's table of peers, are read and have no effect here: nothing that decides
 * depends on them, as `peer_score` is refused. Nor does a network change whom its members trust.
 */
const ACTIONS: Readonly<Record<string, Params>> = {
  allow: {},
  deny: {},
  score: { delta: 'number' },
  evict: {},
  evict_where: { match: 'condition' },
  prune: { count: 'number' },
  fill: { count: 'number' },
  prune_trust: { percent: 'number', min: 'number' },
  fill_trust: { target: 'number' },
  webhook: { event: 'text' },
  log: { message: 'text' },
};

/** Why an action cannot be accepted; undefined when it can. */
export function actionError(action: JsonObject, inGate: boolean): string | undefined {
  const { type, params } = action;
  if (type === 'tag' && inGate)
    return '"tag" is not supported: the tags of members are set by the admins of the network';
  if (type === 'tag') return undefined;
  if (typeof type !== 'string' || !Object.hasOwn(ACTIONS, type))
    return `there is no action ${JSON.stringify(type)}`;
  const given = params ?? {};
  if (!isJsonObject(given)) return `the parameters of "${type}" must be an object`;
  for (const [name, kind] of Object.entries(ACTIONS[type]!)) {
    const value = given[name];
    const fits = kind === 'number' ? typeof value === 'number' : typeof value === 'string' && value !== '';
    if (!fits) return `"${type}" needs ${name}`;
  }
  return undefined;
}

export function isEffective(type: string): boolean {
  return type === 'allow' || type === 'deny';
}
