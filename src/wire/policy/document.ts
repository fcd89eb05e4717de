/**
 * The policy document of a network (spec/12 §6.1):
 * `{"version":1,"config":{…},"rules":[{"name","on","match","actions":[{"type","params"}]}]}`.
 */

import { utf8 } from '../../base/bytes.ts';
import { isJsonObject, type JsonObject, parseJson } from '../json.ts';
import { actionError, isEffective } from './actions.ts';
import { GATES, type GateEvent, OTHER_EVENTS } from './events.ts';
import { compileExpression } from './expression.ts';
import type { Expression } from './syntax.ts';

/** Bytes of a document, and rules in it. Chosen: far beyond the shipped examples, small enough to send in every list. */
export const MAX_POLICY_BYTES = 16_384;
export const MAX_RULES = 64;
const MAX_NAME = 64;
const MAX_ACTIONS = 16;

export interface PolicyRule {
  readonly name: string;
  readonly on: GateEvent;
  readonly match: string;
  readonly condition: Expression;
  /** Undefined: matches, but decides nothing. */
  readonly verdict: 'allow' | 'deny' | undefined;
}

export interface Policy {
  /** Of the gates, in order. */
  readonly rules: readonly PolicyRule[];
  /** What the document says that has no effect here, for whoever sets it. */
  readonly notes: readonly string[];
}

export interface PolicyError {
  readonly error: string;
  /** Where: `rules[0].match:12` is the thirteenth character of the first rule's expression; '' is the whole. */
  readonly at: string;
}

class Bad {
  readonly error: string;
  readonly at: string;

  constructor(error: string, at: string) {
    this.error = error;
    this.at = at;
  }
}

/** A policy that is not understood in full is not a policy: whoever enforces it denies everything. */
export function parsePolicy(text: string): Policy | PolicyError {
  try {
    return policyOf(text);
  } catch (thrown) {
    if (thrown instanceof Bad) return { error: thrown.error, at: thrown.at };
    throw thrown;
  }
}

function policyOf(text: string): Policy {
  const bytes = utf8(text);
  if (bytes.length > MAX_POLICY_BYTES) {
    throw new Bad(`a policy may have ${MAX_POLICY_BYTES} bytes, this one has ${bytes.length}`, '');
  }
  const parsed = parseJson(bytes);
  if (typeof parsed === 'string') throw new Bad('it is not JSON', '');
  const document = parsed.value;
  if (!isJsonObject(document)) throw new Bad('it is not a JSON object', '');
  if (document.version !== 1) throw new Bad('the version must be 1', 'version');
  const notes = strangers(document, ['version', 'config', 'rules'], 'the document');
  checkConfig(document.config);
  const { rules } = document;
  if (!Array.isArray(rules) || rules.length === 0) throw new Bad('at least one rule is required', 'rules');
  if (rules.length > MAX_RULES) throw new Bad(`there may be ${MAX_RULES} rules`, 'rules');
  const names = new Set<string>();
  const gates = rules.flatMap((entry: unknown, index) => {
    const rule = ruleOf(entry, `rules[${index}]`, notes);
    if (names.has(rule.name)) throw new Bad(`two rules have the name "${rule.name}"`, `rules[${index}].name`);
    names.add(rule.name);
    return rule.gate === undefined ? [] : [rule.gate];
  });
  return { rules: gates, notes };
}

function ruleOf(
  entry: unknown,
  at: string,
  notes: string[],
): { readonly name: string; readonly gate: PolicyRule | undefined } {
  if (!isJsonObject(entry)) throw new Bad('a rule must be an object', at);
  const { name, on, match, actions } = entry;
  if (typeof name !== 'string' || name === '' || name.length > MAX_NAME) {
    throw new Bad(`a rule needs a name of up to ${MAX_NAME} characters`, `${at}.name`);
  }
  notes.push(...strangers(entry, ['name', 'on', 'match', 'actions'], `rule "${name}"`));
  if (typeof match !== 'string' || match.trim() === '')
    throw new Bad('a rule needs a condition', `${at}.match`);
  if (!Array.isArray(actions) || actions.length === 0)
    throw new Bad('a rule needs an action', `${at}.actions`);
  if (actions.length > MAX_ACTIONS) throw new Bad(`a rule may have ${MAX_ACTIONS} actions`, `${at}.actions`);
  if (typeof on === 'string' && OTHER_EVENTS.includes(on)) {
    for (const [index, action] of actions.entries())
      typeOfAction(action, undefined, `${at}.actions[${index}]`);
    notes.push(`rule "${name}" has no effect here: there are no "${on}" events`);
    return { name, gate: undefined };
  }
  if (typeof on !== 'string' || !Object.hasOwn(GATES, on)) {
    throw new Bad(`a rule is about ${Object.keys(GATES).join(', ')}, not ${JSON.stringify(on)}`, `${at}.on`);
  }
  const event = on as GateEvent;
  let verdict: PolicyRule['verdict'];
  for (const [index, action] of actions.entries()) {
    const type = typeOfAction(action, event, `${at}.actions[${index}]`);
    if (type === 'allow' || type === 'deny') verdict ??= type;
    else if (!isEffective(type)) notes.push(`rule "${name}": "${type}" has no effect here`);
  }
  const condition = compileExpression(match, GATES[event]);
  if ('error' in condition) throw new Bad(condition.error, `${at}.match:${condition.at}`);
  return { name, gate: { name, on: event, match, condition, verdict } };
}

function typeOfAction(action: unknown, gate: GateEvent | undefined, at: string): string {
  if (!isJsonObject(action)) throw new Bad('an action must be an object', at);
  const error = actionError(action, gate !== undefined);
  if (error !== undefined) throw new Bad(error, at);
  return action.type as string;
}

/** `cycle` must make sense, though nothing here runs in cycles: old daemons refuse a document in which it does not. */
function checkConfig(config: unknown): void {
  if (config === undefined || config === null) return;
  if (!isJsonObject(config)) throw new Bad('it must be an object', 'config');
  const { cycle } = config;
  if (cycle === undefined || cycle === '') return;
  const length = typeof cycle === 'string' ? durationSeconds(cycle) : undefined;
  if (length === undefined || length < 60)
    throw new Bad('it must be a duration of at least 1m, like 24h', 'config.cycle');
}

const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-9,
  us: 1e-6,
  µs: 1e-6,
  ms: 1e-3,
  s: 1,
  m: 60,
  h: 3600,
};

function durationSeconds(text: string): number | undefined {
  if (text.length > 64 || !/^(?:\d+(?:\.\d*)?(?:ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
  let seconds = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d*)?)(ns|us|µs|ms|s|m|h)/g)) {
    seconds += Number(amount) * UNITS[unit!]!;
  }
  return seconds;
}

function strangers(object: JsonObject, known: readonly string[], where: string): string[] {
  return Object.keys(object)
    .filter((key) => !known.includes(key))
    .map((key) => `${where}: "${key.slice(0, MAX_NAME)}" has no meaning`);
}
