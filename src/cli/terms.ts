/** Terms of trust as people write and read them. */
import type { GrantRow, TermsParam } from '../sdk/index.ts';
import { formatPorts, parsePorts } from '../wire/ports.ts';
import { formatSpan } from './text.ts';
import { parseDuration, type Value, wholeNumber } from './values.ts';

/** Names that stand for the ports of services. */
export const SERVICE_PORTS: Readonly<Record<string, number>> = {
  echo: 7,
  text: 1000,
  messages: 1001,
  events: 1002,
};
const NAME_OF_PORT: ReadonlyMap<number, string> = new Map(
  Object.entries(SERVICE_PORTS).map(([name, port]) => [port, name]),
);

const DAY = 86_400;
/** Chosen: longer grants are grants without an end. */
const LONGEST_LIFETIME = 3650 * DAY;
/** New streams and flows a minute. */
export const RATE_LIMIT = 1_000_000;

/** `80,1001,7000-7010`, service names, `all` or `none`, as normalized text of wire/ports.ts. */
export const portList: Value<string> = {
  label: 'ports',
  parse(input) {
    const text = input.trim().toLowerCase();
    if (text === 'all' || text === '*') return '*';
    if (text === 'none' || text === '') return '';
    const numbers = text
      .split(',')
      .map((part) => part.trim())
      .map((part) => (Object.hasOwn(SERVICE_PORTS, part) ? String(SERVICE_PORTS[part]) : part))
      .join(',');
    const ports = parsePorts(numbers);
    if (ports === undefined) {
      throw new RangeError(
        `expected ports such as 80,1001,7000-7010, services (${Object.keys(SERVICE_PORTS).join(', ')}), all or none`,
      );
    }
    return formatPorts(ports);
  },
};

/** Whole seconds from `30m`, `24h`, `7d`, `12w` or a plain number of seconds; 0 for `never`. */
export const lifetime: Value<number> = {
  label: 'lifetime',
  parse(input) {
    if (input === 'never') return 0;
    const seconds = parseLifetime(input);
    if (seconds === undefined || seconds < 1 || seconds > LONGEST_LIFETIME) {
      throw new RangeError('expected a time such as 30m, 24h, 7d or 12w, or never');
    }
    return seconds;
  },
};

export const rate = wholeNumber('per-minute', 0, RATE_LIMIT);

function parseLifetime(input: string): number | undefined {
  const days = /^(\d{1,4}(?:\.\d+)?)(d|w)(.*)$/.exec(input);
  if (days === null) {
    const millis = parseDuration(input);
    return millis === undefined ? undefined : Math.round(millis / 1000);
  }
  const whole = Number(days[1]) * (days[2] === 'w' ? 7 * DAY : DAY);
  const rest = days[3] === '' ? 0 : parseLifetime(days[3]!);
  return rest === undefined ? undefined : Math.round(whole + rest);
}

/** The shortest text `lifetime` reads back. */
export function formatLifetime(seconds: number): string {
  for (const [unit, length] of [
    ['d', DAY],
    ['h', 3600],
    ['m', 60],
  ] as const) {
    if (seconds % length === 0) return `${seconds / length}${unit}`;
  }
  return `${seconds}s`;
}

/** What the peer is to be allowed, and we there: flags of `handshake` and `approve`. */
export const TERMS_FLAGS = {
  ports: { value: portList, summary: 'ports and services either side may reach at the other' },
  give: { value: portList, summary: 'what the peer may reach here' },
  get: { value: portList, summary: 'what this node may reach there' },
  rate: { value: rate, summary: 'new streams a minute the peer may open here' },
  expires: { value: lifetime, summary: 'how long the trust lasts: 30m, 24h, 7d, never' },
  renew: { summary: 'renew it before it ends, while the peer agrees' },
} as const;

interface TermsFlags {
  readonly ports: string | undefined;
  readonly give: string | undefined;
  readonly get: string | undefined;
  readonly rate: number | undefined;
  readonly expires: number | undefined;
  readonly renew: boolean;
}

/** Undefined when no flag says anything. */
export function termsOf(flags: TermsFlags): TermsParam | undefined {
  const give = flags.give ?? flags.ports;
  const get = flags.get ?? flags.ports;
  const { rate: opens, expires, renew } = flags;
  const terms: TermsParam = {
    ...((give !== undefined || opens !== undefined) && {
      give: { ...(give !== undefined && { ports: give }), ...(opens !== undefined && { opens }) },
    }),
    ...(get !== undefined && { get: { ports: get } }),
    ...(expires !== undefined && { lifetime: expires, renew }),
    ...(renew && { renew }),
  };
  return Object.keys(terms).length === 0 ? undefined : terms;
}

/** `all`, `none`, `7 (echo), 80, 1001 (messages) at 10/min`. */
export function describeGrant(grant: GrantRow): string {
  const limit = grant.opens === undefined ? '' : ` at ${grant.opens}/min`;
  return `${describePorts(grant.ports)}${limit}`;
}

function describePorts(ports: string): string {
  if (ports === '*') return 'all';
  if (ports === '') return 'none';
  return ports
    .split(',')
    .map((range) => {
      const name = NAME_OF_PORT.get(Number(range));
      return name === undefined ? range : `${range} (${name})`;
    })
    .join(', ');
}

/** Short, for a column of a table. */
export function briefGrant(grant: GrantRow): string {
  const ports = grant.ports === '*' ? 'all' : grant.ports === '' ? 'none' : grant.ports;
  return grant.opens === undefined ? ports : `${ports} ${grant.opens}/min`;
}

/** `in 3h 4m`, `5m ago`, `never`. */
export function describeEnd(seconds: number | undefined, wall: number): string {
  if (seconds === undefined) return 'never';
  const left = seconds * 1000 - wall;
  return left > 0 ? `in ${formatSpan(left)}` : `${formatSpan(-left)} ago`;
}
