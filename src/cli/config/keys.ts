import { z } from 'zod';
import { ACCELERATOR_SETTINGS } from '../../api/acceleration.ts';
import type { AutoApproveRule } from '../../api/auto-approve.ts';
import { CONGESTION_CONTROLLERS } from '../../api/congestion.ts';
import { formatEndpoint } from '../../base/endpoint.ts';
import type { Endpoint } from '../../base/units.ts';
import { parseCarrierUrl } from '../../wire/compat.ts';
import { maskedProxyUrl, parseProxyUrl } from '../../wire/proxy-url.ts';
import { fingerprint, hostname, hostPort, hostPorts, tunnelAddress, type Value } from '../values.ts';
import { autoApproveSchema, ruleToFile } from './auto-approve.ts';

/** Ports an old or unnamed registry and beacon are expected on. spec/22 §3 */
export const REGISTRY_PORT = 9000;
export const BEACON_PORT = 9001;

/** A value as config.json holds it. */
export type FileValue = string | number | boolean | readonly object[];

/** A key of config.json: how its value is read from the file, the environment or a flag, and what it is for. */
interface Key<T> {
  /** Accepts the JSON value of the file as well as text. */
  readonly schema: z.ZodType<T>;
  readonly wants: string;
  readonly summary: string;
  /** In the same form as in the file; absent: there is none. */
  readonly fallback?: string | number | boolean;
  /** How a read value looks in config.json. */
  toFile(value: T): FileValue;
  /** How it is shown, when not so: without credentials. */
  shown?(text: string): string;
}

function textKey<T>(
  value: Value<T>,
  wants: string,
  summary: string,
  options: { fallback?: string; toFile?: (read: T) => string } = {},
): Key<T> {
  const schema = z.string({ error: `expected ${wants}` }).transform((input, check) => {
    try {
      return value.parse(input);
    } catch (thrown) {
      check.addIssue(thrown instanceof Error ? thrown.message : `expected ${wants}`);
      return z.NEVER;
    }
  });
  return { schema, wants, summary, toFile: options.toFile ?? String, ...withFallback(options.fallback) };
}

function withFallback<T>(fallback: T | undefined): { fallback?: T } {
  return fallback === undefined ? {} : { fallback };
}

function switchKey(summary: string, fallback: boolean): Key<boolean> {
  const schema = z.union([z.boolean(), z.enum(['true', 'false']).transform((word) => word === 'true')], {
    error: 'expected true or false',
  });
  return { schema, wants: 'true or false', summary, fallback, toFile: (read) => read };
}

function numberKey(least: number, most: number, summary: string, fallback: number): Key<number> {
  const wants = `a whole number of ${least} to ${most}`;
  const error = `expected ${wants}`;
  const schema = z
    .union([z.int(), z.string().regex(/^\d+$/).transform(Number)], { error })
    .pipe(z.int().min(least, { error }).max(most, { error }));
  return { schema, wants, summary, fallback, toFile: (read) => read };
}

function choiceKey<const Choice extends string>(
  choices: readonly [Choice, ...Choice[]],
  summary: string,
  fallback: Choice,
): Key<Choice> {
  const wants = `one of ${choices.join(', ')}`;
  return {
    schema: z.enum(choices, { error: `expected ${wants}` }) as unknown as z.ZodType<Choice>,
    wants,
    summary,
    fallback,
    toFile: String,
  };
}

/** A link of less carries no IPv6. */
const LEAST_MTU = 1_280;

function pathMtuKey(summary: string): Key<'auto' | 'off' | number> {
  const wants = `auto, off or a whole number of ${LEAST_MTU} to 65535`;
  const error = `expected ${wants}`;
  const bytes = z
    .union([z.int(), z.string().regex(/^\d+$/).transform(Number)])
    .pipe(z.int().min(LEAST_MTU).max(65_535));
  const schema = z.union([z.enum(['auto', 'off']), bytes], { error });
  return { schema, wants, summary, fallback: 'auto', toFile: (read) => read };
}

const absolutePath: Value<string> = {
  label: 'path',
  parse(input) {
    if (!input.startsWith('/')) throw new RangeError('expected an absolute path');
    return input;
  },
};
const emailAddress: Value<string> = {
  label: 'email',
  parse(input) {
    if (!/^[^@\s]+@[^@\s]+\.[^@\s.]+$/.test(input)) throw new RangeError('expected an e-mail address');
    return input;
  },
};

export const carrierAddress: Value<string> = {
  label: 'url',
  parse(input) {
    const url = parseCarrierUrl(input);
    if (url === undefined) throw new RangeError('expected a URL such as wss://beacon.example.net');
    return url.text;
  },
};
const NO_PROXY_WORDS: ReadonlySet<string> = new Set(['off', 'none', 'no', 'false', 'direct']);
export const proxyAddress: Value<string> = {
  label: 'proxy',
  parse(input) {
    const word = input.trim().toLowerCase();
    if (word === 'auto') return word;
    if (NO_PROXY_WORDS.has(word)) return 'off';
    if (!/^https?:\/\//.test(word) || parseProxyUrl(input) === undefined)
      throw new RangeError('expected auto, off, or http://USER:PASSWORD@HOST:PORT');
    return input.trim();
  },
};

/** Every key of config.json. A test compares it with docs/config.md. */
export const KEYS = {
  registry: textKey<Endpoint>(
    hostPort('host', REGISTRY_PORT),
    'HOST or HOST:PORT',
    'Registry to join. Without one, the daemon joins or hosts a registry for this machine only',
    {
      toFile: formatEndpoint,
    },
  ),
  registry_fallbacks: textKey<readonly Endpoint[]>(
    hostPorts('hosts', REGISTRY_PORT),
    'HOST or HOST:PORT, several with commas between',
    'Other instances of the same registry, with the same certificate, for when it cannot be reached',
    { toFile: (read) => read.map(formatEndpoint).join(', ') },
  ),
  registry_fingerprint: textKey(
    fingerprint,
    '64 hex digits',
    'SHA-256 of the registry’s certificate. Learned at the first contact; a change is refused',
  ),
  registry_tls: switchKey('Speak TLS to the registry. `false` only for old registries that have none', true),
  beacon: textKey<Endpoint>(
    hostPort('host', BEACON_PORT),
    'HOST or HOST:PORT',
    'Beacon to use. By default what the registry announces, else port 9001 of its host',
    {
      toFile: formatEndpoint,
    },
  ),
  registry_trust: choiceKey(
    ['pinned', 'system'],
    'Know the registry by its pinned certificate, or by the authorities this system trusts (SSL_CERT_FILE names more of them)',
    'pinned',
  ),
  transport: choiceKey(
    ['auto', 'udp', 'compat'],
    'How beacons are reached: over UDP, by WebSocket on TCP (compat: peers then only through beacons), or auto: over UDP, and by WebSocket while no beacon answers there',
    'auto',
  ),
  compat_beacon: textKey(
    carrierAddress,
    'a URL, wss://HOST[:PORT]',
    'WebSocket of the beacon to use. By default those the registry announces',
  ),
  compat_fingerprint: textKey(
    fingerprint,
    '64 hex digits',
    'SHA-256 of the certificate at `compat_beacon`. By default the authorities this system trusts vouch for it',
  ),
  proxy: {
    ...textKey(
      proxyAddress,
      'auto, off, or http://[USER:PASSWORD@]HOST:PORT',
      'HTTP proxy for connections to registry and beacon: `auto` takes HTTPS_PROXY or ALL_PROXY, heeds NO_PROXY, and prefers the direct way where there is one',
      { fallback: 'auto' },
    ),
    shown: (text: string) => (text === 'auto' || text === 'off' ? text : maskedProxyUrl(text)),
  },
  proxy_cmd: textKey(
    { label: 'command', parse: (input) => input },
    'a shell command',
    'Prints the URL of the proxy, in place of HTTPS_PROXY; run at the start, after a minute, and when the proxy refuses. For credentials that change',
  ),
  socket: textKey(
    absolutePath,
    'an absolute path',
    'Local socket of the daemon. By default `pilot.sock` in the home directory of the node',
  ),
  hostname: textKey(hostname, 'a hostname', 'Name under which trusted peers find this node'),
  email: textKey(emailAddress, 'an e-mail address', 'Owner told to the registry; optional'),
  listen: textKey<Endpoint>(
    tunnelAddress,
    'HOST:PORT or :PORT',
    'UDP address of the daemon; port 0 lets the system choose, `[::]` is every address of both families, `0.0.0.0` of IPv4 only',
    {
      fallback: '[::]:0',
      toFile: formatEndpoint,
    },
  ),
  public: switchKey('Let anyone on the network connect, not only trusted peers', false),
  relay_only: switchKey('Never use a direct path: peers see only the beacon', false),
  relay_for_peers: switchKey(
    'Relay for trusted peers that cannot reach each other directly. Never with `relay_only`',
    false,
  ),
  relay_for_peers_rate: numberKey(
    1_000,
    1_000_000_000,
    'Bytes a second that are relayed for all peers together',
    1_000_000,
  ),
  port_mapping: choiceKey(
    ['auto', 'off'],
    'Ask the router for a port that leads to this node, by PCP, NAT-PMP or UPnP; given back when the daemon stops. Never with `relay_only` or on a network of this machine only',
    'auto',
  ),
  accelerator: choiceKey(
    ACCELERATOR_SETTINGS,
    'What seals packets and sends them: `auto` takes the addon where it is built, `segmented` plain sockets whose packets the kernel cuts, `off` Node alone; `pilotctl info` shows what is in use',
    'auto',
  ),
  path_mtu: pathMtuKey(
    'Measure how large a packet each path carries, and send packets as large; a number: IP packets of at most so many bytes; off: those that every path carries',
  ),
  congestion: choiceKey(
    CONGESTION_CONTROLLERS,
    'Who decides how much of a stream is on the way: `tolerant` is CUBIC that takes loss without a queue for noise, `bbr` a model of rate and round trip with shorter queues, `cubic` RFC 9438 as it is',
    'tolerant',
  ),
  trust_auto_approve: switchKey(
    'Approve every request for trust, without limits: anyone who knows the name of this node becomes trusted. Prefer `auto_approve`',
    false,
  ),
  auto_approve: {
    schema: autoApproveSchema,
    wants: 'a list of rules (JSON)',
    summary:
      'Which requests for trust are approved without asking, and on what terms; see [trust.md](trust.md)',
    fallback: '[]',
    toFile: (rules) => rules.map(ruleToFile),
  } satisfies Key<readonly AutoApproveRule[]> as Key<readonly AutoApproveRule[]>,
  log_level: choiceKey(
    ['trace', 'debug', 'info', 'warn', 'error'],
    'How much the daemon writes to its log',
    'info',
  ),
  log_max_size: numberKey(1, 10_000, 'Size in MB at which the log is moved aside', 10),
  log_max_backups: numberKey(0, 100, 'How many old logs are kept', 3),
  local_registry_port: numberKey(
    1,
    65535,
    'Port of the registry that is hosted when none is configured',
    REGISTRY_PORT,
  ),
  local_beacon_port: numberKey(
    1,
    65535,
    'Port of the beacon that is hosted when none is configured',
    BEACON_PORT,
  ),
} as const satisfies Record<
  string,
  | Key<never>
  | Key<string>
  | Key<number>
  | Key<'auto' | 'off' | number>
  | Key<boolean>
  | Key<Endpoint>
  | Key<readonly Endpoint[]>
  | Key<readonly AutoApproveRule[]>
>;

export type KeyName = keyof typeof KEYS;
export const KEY_NAMES = Object.keys(KEYS) as KeyName[];

export function isKeyName(text: string): text is KeyName {
  return Object.hasOwn(KEYS, text);
}

/** The environment variable that sets a key. */
export function variableOf(key: KeyName): string {
  return `PILOT_${key.toUpperCase()}`;
}

/**
 * Keys other Pilot daemons write to the same file (spec/22 §4.1, spec/23 §4). They are kept and have no effect here,
 * so that a home directory can be taken over as it is.
 */
export const FOREIGN_KEYS: ReadonlySet<string> = new Set(
  (
    'admin_token advertise_endpoint endpoint identity log_format motd_feed_url networks owner ' +
    'rekey_whitelist reply_whitelist sandbox_dir security_profile syn_whitelist telemetry_url ' +
    'tls_trust webhook webhook_secret beacon_rtt_probe dataexchange_b64 encrypt no_addr_watch ' +
    'no_dataexchange no_echo no_eventstream no_path_watch no_rx_watchdog no_skillinject sandbox ' +
    'strict_dataplane_trust max_conns_per_port max_conns_total syn_rate_limit idle_timeout keepalive motd_interval ' +
    'time_wait skill_inject'
  ).split(' '),
);
