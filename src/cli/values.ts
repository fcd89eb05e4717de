import { parseHostPort } from '../base/endpoint.ts';
import type { Endpoint } from '../base/units.ts';

/** A kind of value a flag or argument takes: how it is shown in usage, and how its text is read. */
export interface Value<T> {
  /** Shown between angle brackets in usage. */
  readonly label: string;
  /** Throws RangeError whose message says what is wanted, without naming the flag. */
  parse(text: string): T;
}

function value<T>(label: string, parse: (text: string) => T): Value<T> {
  return { label, parse };
}

export const text = value('text', (input) => input);
export const path = value('path', (input) => {
  if (input === '') throw new RangeError('expected a path');
  return input;
});
/** True for the URL of a database, where a store may also be a directory. */
export function isPostgresUrl(place: string): boolean {
  return /^postgres(ql)?:\/\//.test(place);
}
/** Hostname, address or node id; the daemon resolves it. */
export const peer = value('peer', (input) => {
  if (input.trim() === '') throw new RangeError('expected a hostname, an address or a node id');
  return input.trim();
});

export function wholeNumber(label: string, least: number, most: number): Value<number> {
  return value(label, (input) => {
    const number = Number(input);
    if (!/^\d+$/.test(input) || number < least || number > most) {
      throw new RangeError(`expected a whole number of ${least} to ${most}`);
    }
    return number;
  });
}

export const port = wholeNumber('port', 0, 65535);

const DURATION_UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds from `500ms`, `30s`, `2m`, `1h30m` or a plain number of seconds; undefined when it is none of these. */
export function parseDuration(input: string): number | undefined {
  if (/^\d+(\.\d+)?$/.test(input)) return Math.round(Number(input) * 1000);
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(input)) return undefined;
  let total = 0;
  for (const [, amount, unit] of input.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) {
    total += Number(amount) * (DURATION_UNITS[unit ?? ''] ?? 0);
  }
  return Math.round(total);
}

/** Milliseconds, more than 0 and at most 7 days. */
export const duration = value('duration', (input) => {
  const millis = parseDuration(input);
  if (millis === undefined || millis <= 0 || millis > 7 * 24 * 3_600_000) {
    throw new RangeError('expected a duration such as 500ms, 30s or 2m');
  }
  return millis;
});

/** `HOST:PORT`, or `HOST` when a default port is given. IPv6 literals need brackets when a port follows. */
export function parseHost(input: string, defaultPort?: number): Endpoint | undefined {
  const whole = parseHostPort(input);
  if (whole !== undefined) return whole;
  if (defaultPort === undefined) return undefined;
  const bare = input.startsWith('[') && input.endsWith(']') ? input.slice(1, -1) : input;
  const isName = /^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(bare);
  const isIpv6 = /^[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%[\w.]+)?$/.test(bare);
  return isName || isIpv6 ? { host: bare, port: defaultPort } : undefined;
}

export function hostPort(label: string, defaultPort?: number): Value<Endpoint> {
  const shape = defaultPort === undefined ? 'HOST:PORT' : 'HOST or HOST:PORT';
  return value(label, (input) => {
    const endpoint = parseHost(input, defaultPort);
    if (endpoint === undefined || endpoint.port === 0) throw new RangeError(`expected ${shape}`);
    return endpoint;
  });
}

/** The same, several of them with commas between, best first. */
export function hostPorts(label: string, defaultPort: number): Value<readonly Endpoint[]> {
  const each = hostPort(label, defaultPort);
  return value(label, (input) => input.split(',').map((part) => each.parse(part.trim())));
}

/** An address to bind: `HOST:PORT` or `:PORT` (all interfaces); port 0 lets the system choose. */
export const bindAddress = value('address', (input) => {
  const endpoint = parseHostPort(input.startsWith(':') ? `0.0.0.0${input}` : input);
  if (endpoint === undefined) throw new RangeError('expected HOST:PORT or :PORT');
  return endpoint;
});

/** Where HTTP is bound: without a host, for programs of this machine. */
export const httpAddress = value('address', (input) => {
  const endpoint = parseHostPort(input.startsWith(':') ? `127.0.0.1${input}` : input);
  if (endpoint === undefined) throw new RangeError('expected HOST:PORT or :PORT');
  return endpoint;
});

/** Where the tunnel is bound: without a host, at every address of both families. */
export const tunnelAddress = value('address', (input) => {
  const endpoint = parseHostPort(input.startsWith(':') ? `[::]${input}` : input);
  if (endpoint === undefined) throw new RangeError('expected HOST:PORT or :PORT');
  return endpoint;
});

/** SHA-256 in hex, 64 digits; colons between bytes are allowed. Result is lower case without colons. */
export const fingerprint = value('hex', (input) => {
  const hex = input.replaceAll(':', '').toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(hex)) throw new RangeError('expected a SHA-256 fingerprint of 64 hex digits');
  return hex;
});

/** spec/20 §4.10 */
export const hostname = value('hostname', (input) => {
  if (!/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(input)) {
    throw new RangeError(
      'expected 1 to 63 lower-case letters, digits and hyphens, starting and ending with a letter or digit',
    );
  }
  return input;
});

export function oneOf<const Choice extends string>(label: string, choices: readonly Choice[]): Value<Choice> {
  return value(label, (input) => {
    const found = choices.find((choice) => choice === input);
    if (found === undefined) throw new RangeError(`expected one of ${choices.join(', ')}`);
    return found;
  });
}
