import type { Policy, PolicyError, PolicyRule } from './document.ts';
import { EvaluationError, evaluate, type Facts, newBudget } from './evaluate.ts';
import type { GateFacts } from './events.ts';

export interface PolicyDecision {
  readonly verdict: 'allow' | 'deny';
  /**
   * What decided: a rule; that no rule did, which allows; the list of ports; an error, which denies; or that there is
   * neither policy nor list, which allows.
   */
  readonly by: 'rule' | 'default' | 'ports' | 'error' | 'nothing';
  /** Name of the rule that decided or failed. */
  readonly rule?: string;
  readonly error?: string;
}

/** What a network lets pass: a policy, which replaces the ports; else the ports, where none means all (spec/12 §4). */
export interface NetworkGate {
  readonly ports: readonly number[];
  readonly policy?: Policy | PolicyError | undefined;
}

/** What a network says about one stream or datagram. `onRule` hears of each rule looked at and whether it matched. */
export function decideGate(
  gate: NetworkGate,
  facts: GateFacts,
  onRule?: (rule: PolicyRule, matched: boolean) => void,
): PolicyDecision {
  const { ports, policy } = gate;
  if (policy !== undefined) {
    if (!('error' in policy)) return decidePolicy(policy, facts, onRule);
    return { verdict: 'deny', by: 'error', error: `${policy.at}: ${policy.error}` };
  }
  if (ports.length === 0) return { verdict: 'allow', by: 'nothing' };
  return { verdict: ports.includes(facts.port) ? 'allow' : 'deny', by: 'ports' };
}

/** Rules in order; the first that matches and says allow or deny ends it (spec/12 §6.4). An error denies. */
export function decidePolicy(
  policy: Policy,
  facts: GateFacts,
  onRule?: (rule: PolicyRule, matched: boolean) => void,
): PolicyDecision {
  const budget = newBudget();
  const known = factsOf(facts);
  for (const rule of policy.rules) {
    if (rule.on !== facts.event) continue;
    try {
      const matched = evaluate(rule.condition, known, budget) === true;
      onRule?.(rule, matched);
      if (!matched || rule.verdict === undefined) continue;
    } catch (thrown) {
      if (!(thrown instanceof EvaluationError)) throw thrown;
      return { verdict: 'deny', by: 'error', rule: rule.name, error: thrown.error };
    }
    return { verdict: rule.verdict, by: 'rule', rule: rule.name };
  }
  return { verdict: 'allow', by: 'default' };
}

function factsOf(facts: GateFacts): Facts {
  return {
    peer_id: facts.peer,
    port: facts.port,
    network_id: facts.network,
    peer_age_s: facts.peerAge,
    peer_tags: facts.peerTags,
    local_tags: facts.localTags,
    ...(facts.event === 'datagram' && { size: facts.size, direction: facts.direction }),
  };
}
