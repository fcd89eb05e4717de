import type { AutoApproveRule } from '../api/auto-approve.ts';
import { parseFingerprint } from '../wire/fingerprint.ts';
import { intersectPorts, parsePorts } from '../wire/ports.ts';

/** Who asks, as far as the rules want to know it. */
export interface AskerFacts {
  /** Base64. */
  readonly key: string;
  readonly fingerprint: string;
  /** Networks the asker shares with us; undefined: not known. */
  readonly networks?: readonly {
    readonly id: number;
    readonly name: string;
    readonly tags: readonly string[];
  }[];
  /** Tags of its own record, signed with this key; undefined: not known. */
  readonly tags?: readonly string[];
}

/** A grant is what one side lets the other reach; see the terms of a request. */
export interface AskedGrants {
  readonly give: { readonly ports: string };
  readonly get: { readonly ports: string };
}

/** `unknown`: an earlier rule may or may not match, so nobody can say which one is the first. */
export type RuleChoice = AutoApproveRule | 'unknown' | undefined;

/** What has to be asked of the registry before the rules can be read for a stranger. */
export function neededFacts(rules: readonly AutoApproveRule[]): { networks: boolean; record: boolean } {
  return {
    networks: rules.some((rule) => rule.networks !== undefined),
    record: rules.some((rule) => rule.tags !== undefined && rule.networks === undefined),
  };
}

/** The first rule whose conditions all hold. */
export function firstMatch(rules: readonly AutoApproveRule[], facts: AskerFacts): RuleChoice {
  for (const rule of rules) {
    const matches = matchesRule(rule, facts);
    if (matches === 'unknown') return 'unknown';
    if (matches) return rule;
  }
  return undefined;
}

function matchesRule(rule: AutoApproveRule, facts: AskerFacts): boolean | 'unknown' {
  if (rule.everyone === true) return true;
  const conditions = [keyHolds(rule, facts), networkHolds(rule, facts), tagHolds(rule, facts)];
  const given = conditions.filter((condition) => condition !== undefined);
  // A condition that fails settles the matter whatever the unknown ones would say.
  if (given.length === 0 || given.includes(false)) return false;
  return given.includes('unknown') ? 'unknown' : true;
}

type Condition = boolean | 'unknown' | undefined;

function keyHolds({ keys }: AutoApproveRule, { key, fingerprint }: AskerFacts): Condition {
  return keys?.some((wanted) => (parseFingerprint(wanted) ?? wanted) === fingerprint || wanted === key);
}

/** Tags of members count in the network that gave them only. */
function networkHolds({ networks, tags }: AutoApproveRule, facts: AskerFacts): Condition {
  if (networks === undefined) return undefined;
  if (facts.networks === undefined) return 'unknown';
  const holds = (isMeant: (network: { id: number; name: string }, wanted: string) => boolean): boolean =>
    facts.networks?.some(
      (network) =>
        networks.some((wanted) => isMeant(network, wanted)) &&
        (tags === undefined || tags.some((tag) => network.tags.includes(tag))),
    ) === true;
  if (holds(({ id, name }, wanted) => wanted === String(id) || (name !== '' && wanted === name))) return true;
  // A network whose name we have not learned yet may be the one that is meant.
  return holds(({ name }, wanted) => name === '' && !/^\d+$/.test(wanted)) ? 'unknown' : false;
}

function tagHolds({ networks, tags }: AutoApproveRule, facts: AskerFacts): Condition {
  if (tags === undefined || networks !== undefined) return undefined;
  if (facts.tags === undefined) return 'unknown';
  return tags.some((tag) => facts.tags?.includes(tag));
}

/** False when the rule leaves nothing of what is asked, in either direction. */
export function leavesAnything(rule: AutoApproveRule, asked: AskedGrants): boolean {
  return (
    !isEmpty(rule.give ?? '*', asked.give.ports) ||
    !isEmpty(rule.get ?? '*', asked.get.ports) ||
    (asked.give.ports === '' && asked.get.ports === '')
  );
}

function isEmpty(allowed: string, asked: string): boolean {
  const [outer, inner] = [parsePorts(allowed), parsePorts(asked)];
  return outer === undefined || inner === undefined || intersectPorts(outer, inner).ranges.length === 0;
}

/** Counts what a rule approved within its period, exactly. Memory is bounded by the limit itself. */
export class RuleLimit {
  readonly #count: number;
  readonly #period: number;
  #times: number[] = [];

  constructor(limit: { readonly count: number; readonly perSeconds: number }) {
    this.#count = limit.count;
    this.#period = limit.perSeconds * 1000;
  }

  /** Approvals still possible at this time, unix ms. */
  left(wall: number): number {
    this.#forget(wall);
    return Math.max(0, this.#count - this.#times.length);
  }

  /** When the next approval becomes possible; `wall` when one is possible now. */
  opensAt(wall: number): number {
    if (this.left(wall) > 0) return wall;
    return this.#times[this.#times.length - this.#count]! + this.#period;
  }

  take(wall: number): void {
    this.#forget(wall);
    this.#times.push(wall);
    if (this.#times.length > this.#count) this.#times = this.#times.slice(-this.#count);
  }

  /** A time in the future comes from a clock that was wrong: it must not close the rule for longer than a period. */
  #forget(wall: number): void {
    const fresh = this.#times.filter((time) => time > wall - this.#period && time <= wall + this.#period);
    if (fresh.length < this.#times.length) this.#times = fresh;
  }
}

/** A rule in words, for lists. */
export function describeRule(rule: AutoApproveRule): string {
  if (rule.everyone === true) return 'everyone';
  const parts = [
    rule.keys && `key ${some(rule.keys)}`,
    rule.networks && `member of ${some(rule.networks)}`,
    rule.tags && `tag ${some(rule.tags)}`,
  ];
  return parts.filter((part) => part !== undefined).join(' and ');
}

function some(names: readonly string[]): string {
  const shown = names.slice(0, 3).join(' or ');
  return names.length > 3 ? `${shown} or ${names.length - 3} more` : shown;
}
