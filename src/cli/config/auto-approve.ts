/** The config key `auto_approve`: rules as people write them, checked, and as the daemon takes them. */
import { z } from 'zod';
import {
  AUTO_APPROVE_COUNT_LIMIT,
  AUTO_APPROVE_LIST_LIMIT,
  AUTO_APPROVE_RULE_LIMIT,
  type AutoApproveRule,
} from '../../api/auto-approve.ts';
import { decodeBase64 } from '../../wire/base64.ts';
import { formatLifetime, lifetime, portList, RATE_LIMIT } from '../terms.ts';
import type { Value } from '../values.ts';

const PERIODS: Readonly<Record<string, number>> = { second: 1, min: 60, minute: 60, hour: 3600, day: 86_400 };
const PERIOD_NAMES = [
  ['day', 86_400],
  ['hour', 3600],
  ['min', 60],
  ['second', 1],
] as const;

/** Text, or a plain number where that reads the same. */
function textOf<T>(value: Value<T>) {
  return z.union([z.string(), z.number()]).transform((input, check) => {
    try {
      return value.parse(String(input));
    } catch (thrown) {
      check.addIssue(thrown instanceof Error ? thrown.message : 'not understood');
      return z.NEVER;
    }
  });
}

const limit: Value<{ count: number; perSeconds: number }> = {
  label: 'limit',
  parse(input) {
    const match = /^(\d{1,5})\s*\/\s*([a-z]+)$/.exec(input.trim());
    const perSeconds = PERIODS[match?.[2] ?? ''];
    const count = Number(match?.[1]);
    if (perSeconds === undefined || !(count >= 1 && count <= AUTO_APPROVE_COUNT_LIMIT)) {
      throw new RangeError(
        `expected a limit such as 10/min or 1000/day, at most ${AUTO_APPROVE_COUNT_LIMIT}`,
      );
    }
    return { count, perSeconds };
  },
};

const key: Value<string> = {
  label: 'key',
  parse(input) {
    const text = input.trim();
    if (/^[a-z2-7]{16}$/i.test(text)) return text.toLowerCase();
    if (decodeBase64(text)?.length === 32) return text;
    throw new RangeError('expected a fingerprint of 16 characters (pilotctl info there) or a base64 key');
  },
};

const network: Value<string> = {
  label: 'network',
  parse(input) {
    const text = input.trim();
    if (text === '' || text.length > 63) throw new RangeError('expected the name or id of a network');
    if (text === '0') throw new RangeError('network 0 is everybody: use "everyone": true');
    return text;
  },
};

const list = <T>(value: Value<T>) => z.array(textOf(value)).min(1).max(AUTO_APPROVE_LIST_LIMIT);
const word = (label: string): Value<string> => ({
  label,
  parse(input) {
    if (!/^[\w.:-]{1,64}$/.test(input))
      throw new RangeError(`expected a ${label} of letters, digits, _ . : -`);
    return input;
  },
});

const ruleSchema = z
  .strictObject({
    name: textOf(word('name')),
    everyone: z.boolean().optional(),
    networks: list(network).optional(),
    tags: list(word('tag')).optional(),
    keys: list(key).optional(),
    ports: textOf(portList).optional(),
    give: textOf(portList).optional(),
    get: textOf(portList).optional(),
    rate: z.int().min(0).max(RATE_LIMIT).optional(),
    expires: textOf(lifetime).optional(),
    renew: z.boolean().optional(),
    limit: textOf(limit).optional(),
  })
  .superRefine((rule, check) => {
    const conditions = [rule.networks, rule.tags, rule.keys].filter((given) => given !== undefined).length;
    if (rule.everyone === true && conditions > 0) {
      check.addIssue(`rule "${rule.name}" is for everyone, so networks, tags and keys have no place in it`);
    } else if (rule.everyone !== true && conditions === 0) {
      check.addIssue(
        `rule "${rule.name}" says nothing about who: give networks, tags, keys or "everyone": true`,
      );
    }
    if (rule.renew === true && rule.expires === undefined) {
      check.addIssue(`rule "${rule.name}" renews what has no end: give expires`);
    }
  })
  .transform(({ ports, expires, give = ports, get = ports, everyone, ...rest }): AutoApproveRule => {
    const rule = {
      ...rest,
      ...(everyone === true && { everyone }),
      ...(give !== undefined && { give }),
      ...(get !== undefined && { get }),
      ...(expires !== undefined && expires !== 0 && { lifetime: expires }),
    };
    return Object.fromEntries(
      Object.entries(rule).filter(([, value]) => value !== undefined),
    ) as unknown as AutoApproveRule;
  });

const rulesSchema = z
  .array(ruleSchema, { error: 'expected a list of rules' })
  .max(AUTO_APPROVE_RULE_LIMIT)
  .superRefine((rules, check) => {
    const names = new Set(rules.map(({ name }) => name));
    if (names.size < rules.length) check.addIssue('two rules have the same name');
  });

/** The value of the key: a list in config.json, its JSON text on the command line and in the environment. */
export const autoApproveSchema: z.ZodType<readonly AutoApproveRule[]> = z
  .unknown()
  .transform((given, check) => {
    let value = given;
    if (typeof given === 'string') {
      try {
        value = JSON.parse(given);
      } catch {
        check.addIssue('expected JSON: a list of rules');
        return z.NEVER;
      }
    }
    const read = rulesSchema.safeParse(value);
    if (read.success) return read.data;
    const issue = read.error.issues[0];
    const where = issue === undefined ? '' : placeOf(issue.path);
    check.addIssue(`${where}${issue?.message ?? 'not understood'}`);
    return z.NEVER;
  });

function placeOf(path: readonly PropertyKey[]): string {
  if (path.length === 0) return '';
  const [index, ...members] = path;
  const rule = `rule ${Number(index) + 1}`;
  return members.length === 0 ? `${rule}: ` : `${rule}, ${members.map(String).join('.')}: `;
}

/** A rule as it is written in config.json. */
export function ruleToFile(rule: AutoApproveRule): Record<string, unknown> {
  const { lifetime: seconds, limit: most, give, get, ...rest } = rule;
  return {
    ...rest,
    ...(give !== undefined && give === get ? { ports: give } : {}),
    ...(give !== undefined && give !== get ? { give } : {}),
    ...(get !== undefined && give !== get ? { get } : {}),
    ...(seconds !== undefined && { expires: formatLifetime(seconds) }),
    ...(most !== undefined && { limit: formatLimit(most) }),
  };
}

export function formatLimit({ count, perSeconds }: { count: number; perSeconds: number }): string {
  const [name] = PERIOD_NAMES.find(([, seconds]) => seconds === perSeconds) ?? [`${perSeconds} s`];
  return `${count}/${name}`;
}

/** The old switch `trust_auto_approve` stands for this rule, after all others. */
export const EVERYONE_RULE: AutoApproveRule = { name: 'everyone', everyone: true };
