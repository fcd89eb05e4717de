import type { Policy } from './document.ts';
import { EvaluationError, evaluate, type Facts, newBudget } from './evaluate.ts';
import type { GateFacts } from './events.ts';

export interface PolicyDecision {
  readonly verdict: 'allow' | 'deny';
  /** What decided: a rule, that no rule did (which allows), or an error (which denies). */
  readonly by: 'rule' | 'default' | 'error';
  /** Name of the rule that decided or failed. */
  readonly rule?: string;
  readonly error?: string;
}

/** Rules in order; the first that matches and says allow or deny ends it (spec/12 §6.4). An error denies. */
export function decidePolicy(policy: Policy, facts: GateFacts): PolicyDecision {
  const budget = newBudget();
  const known = factsOf(facts);
  for (const rule of policy.rules) {
    if (rule.on !== facts.event) continue;
    try {
      if (evaluate(rule.condition, known, budget) !== true || rule.verdict === undefined) continue;
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
