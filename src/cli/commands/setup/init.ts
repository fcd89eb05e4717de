import { PilotError } from '../../../api/errors.ts';
import { formatEndpoint, sameEndpoint } from '../../../base/endpoint.ts';
import type { Endpoint } from '../../../base/units.ts';
import { runningDaemon } from '../../background/run-file.ts';
import { defineCommand } from '../../command.ts';
import { checkConfigFile, type RawConfig, readKey, writeConfigFile } from '../../config/file.ts';
import { BEACON_PORT, REGISTRY_PORT } from '../../config/keys.ts';
import { probingOf } from '../../config/proxies.ts';
import type { Context } from '../../context.ts';
import { probeRegistry, type RegistryFacts } from '../../registry-probe.ts';
import { formatFields } from '../../text.ts';
import { fingerprint, hostname, hostPort, hostPorts, path, text } from '../../values.ts';

/** One contact with the registry, ms. */
const CONTACT = 8000;

export const init = defineCommand({
  name: 'init',
  group: 'Set-up',
  summary: 'Choose the registry to join, and the name of this node',
  details:
    'The key of the registry is learned at this first contact and pinned; give --fingerprint, as shown by `pilotctl ' +
    'rendezvous start`, to check it at once. Settings already made stay unless named. Without a registry, the daemon ' +
    'joins or hosts one for this machine only.',
  flags: {
    registry: {
      value: hostPorts('host', REGISTRY_PORT),
      summary: `registry to join, HOST or HOST:PORT (port ${REGISTRY_PORT}); its other instances after commas`,
    },
    beacon: {
      value: hostPort('host', BEACON_PORT),
      summary: 'beacon; by default the one the registry names, or its host',
    },
    fingerprint: {
      value: fingerprint,
      summary: 'SHA-256 of the registry’s certificate, to be checked and pinned',
    },
    tls: { summary: 'speak plaintext, to old registries only', negated: true },
    hostname: { value: hostname, summary: 'name of this node' },
    socket: { value: path, summary: 'local socket of the daemon' },
    email: { value: text, summary: 'owner told to the registry; optional' },
  },
  timeout: '30s',
  returns: '{config_path, registry, beacon, fingerprint, tls, socket, hostname}',
  examples: [
    {
      line: 'pilotctl init --registry 203.0.113.1 --hostname node-a',
      about: 'Join the network of that registry as node-a',
    },
    {
      line: 'pilotctl init --registry old.example.net --no-tls',
      about: 'Join an old network that has no TLS',
    },
  ],
  async run(context, { flags }) {
    const before = await context.rawConfig();
    checkConfigFile(before, context.home.config);
    const raw: Record<string, unknown> = { ...before };
    let facts: RegistryFacts | undefined;
    if (flags.registry !== undefined) {
      facts = await chooseRegistry(context, raw, flags.registry, flags);
    } else if (flags.fingerprint !== undefined || !flags.tls) {
      throw new PilotError('invalid_argument', 'A key or --no-tls needs the registry it belongs to', {
        hint: 'give --registry HOST as well',
      });
    }
    if (flags.beacon !== undefined) raw.beacon = formatEndpoint(flags.beacon);
    if (flags.hostname !== undefined) raw.hostname = flags.hostname;
    if (flags.socket !== undefined) raw.socket = context.host.absolute(flags.socket);
    if (flags.email !== undefined) {
      readKey('email', flags.email, 'on the command line');
      raw.email = flags.email;
    }
    await writeConfigFile(context.host.files, context.home.config, raw);
    const { settings } = await context.settings();
    const beacon = settings.beacon ?? facts?.beacons[0];
    const data = {
      config_path: context.home.config,
      registry: settings.registry === undefined ? '' : formatEndpoint(settings.registry),
      beacon: beacon === undefined ? '' : formatEndpoint(beacon),
      fingerprint: settings.registry_fingerprint ?? '',
      tls: settings.registry_tls,
      socket: settings.socket,
      hostname: settings.hostname ?? '',
    };
    const learned = flags.registry !== undefined && flags.tls && flags.fingerprint === undefined;
    return {
      data,
      human: await report(context, data, learned && before.registry_fingerprint !== raw.registry_fingerprint),
    };
  },
});

type Choice = {
  readonly fingerprint: string | undefined;
  readonly tls: boolean;
  readonly beacon: Endpoint | undefined;
};

/** Checks the registry and puts it into the configuration, in place of another and what belonged to it. */
async function chooseRegistry(
  context: Context,
  raw: Record<string, unknown>,
  [registry, ...fallbacks]: readonly Endpoint[],
  choice: Choice,
): Promise<RegistryFacts | undefined> {
  if (registry === undefined) throw new RangeError('a registry');
  const same = raw.registry !== undefined && sameEndpoint(readKey('registry', raw.registry, ''), registry);
  const pinned = same && choice.tls ? pinIn(raw) : undefined;
  for (const key of [
    'registry_fingerprint',
    'registry_tls',
    ...(same ? [] : ['beacon', 'registry_fallbacks']),
  ])
    delete raw[key];
  const wanted = choice.fingerprint ?? pinned;
  const facts = await contact(context, [registry, ...fallbacks], { ...choice, fingerprint: wanted });
  raw.registry = formatEndpoint(registry);
  if (fallbacks.length > 0) raw.registry_fallbacks = fallbacks.map(formatEndpoint).join(', ');
  if (!choice.tls) raw.registry_tls = false;
  const key = facts?.fingerprint ?? wanted;
  if (choice.tls && key !== undefined) raw.registry_fingerprint = key;
  // An old registry does not name its beacon.
  if (facts !== undefined && facts.beacons.length === 0)
    raw.beacon ??= formatEndpoint({ host: registry.host, port: BEACON_PORT });
  return facts;
}

function pinIn(raw: RawConfig): string | undefined {
  return raw.registry_fingerprint === undefined
    ? undefined
    : readKey('registry_fingerprint', raw.registry_fingerprint, '');
}

/** With its key given, a registry that is away can be configured all the same. */
async function contact(
  context: Context,
  [registry, ...others]: readonly Endpoint[],
  choice: Choice,
): Promise<RegistryFacts | undefined> {
  if (registry === undefined) throw new RangeError('a registry');
  try {
    return await probeRegistry(probingOf(context.host, (await context.settings()).settings), registry, {
      tls: choice.tls,
      fingerprint: choice.fingerprint,
      timeout: CONTACT,
      signal: context.signal,
    });
  } catch (thrown) {
    const away = thrown instanceof PilotError && thrown.code === 'registry_unreachable';
    if (!away) throw thrown;
    if (others.length > 0) return contact(context, others, choice);
    if (choice.fingerprint === undefined && choice.tls) {
      throw new PilotError(
        'registry_unreachable',
        `${thrown.message}, so its key cannot be learned; nothing was saved`,
        {
          hint: `start it there with: pilotctl rendezvous start, or give its key: --fingerprint HEX`,
          cause: thrown,
        },
      );
    }
    context.output.note(
      `warning: cannot reach the registry at ${formatEndpoint(registry)} now; the daemon will keep trying`,
    );
    return undefined;
  }
}

async function report(
  context: Context,
  data: {
    config_path: string;
    registry: string;
    beacon: string;
    fingerprint: string;
    tls: boolean;
    hostname: string;
  },
  learned: boolean,
): Promise<string> {
  const running = await runningDaemon(context.host, context.home);
  return [
    `saved ${data.config_path}`,
    formatFields(
      [
        [
          'Registry',
          data.registry === '' ? 'none: the daemon joins or hosts one for this machine' : data.registry,
        ],
        ['Beacon', data.beacon === '' ? undefined : data.beacon],
        ['Fingerprint', data.fingerprint === '' ? undefined : data.fingerprint],
        ['Encryption', data.tls ? undefined : 'none to this registry (--no-tls)'],
        ['Hostname', data.hostname === '' ? undefined : data.hostname],
      ],
      '  ',
    ),
    ...(learned
      ? [
          'This key was learned now and is pinned. Compare it with what `pilotctl rendezvous status` shows there.',
        ]
      : []),
    running === undefined ? 'next: pilotctl daemon start' : 'apply it with: pilotctl daemon restart',
  ].join('\n');
}
