import { PilotError } from '../../api/errors.ts';
import { fromUtf8 } from '../../base/bytes.ts';
import { formatEndpoint } from '../../base/endpoint.ts';
import type { Endpoint } from '../../base/units.ts';
import type { Context } from '../context.ts';
import { type Probing, probeRegistry } from '../registry-probe.ts';
import { writeConfigFile } from './file.ts';
import { probingOf } from './proxies.ts';
import type { Resolved } from './settings.ts';

/** One try to reach the registry, ms. */
const TRY = 3000;
const PAUSE = 500;

/**
 * The key the registry must show: configured, or learned at an earlier first contact, or learned now and kept.
 * undefined: the registry is spoken to without TLS, or none is configured.
 * Errors: `registry_unreachable` when there is nothing to go by, `protocol_error` when it has no TLS.
 */
export async function registryPin(
  context: Context,
  { settings, origins }: Resolved,
): Promise<string | undefined> {
  const { registry, registry_tls, registry_fingerprint } = settings;
  if (registry === undefined || !registry_tls || settings.registry_trust === 'system') return undefined;
  if (registry_fingerprint !== undefined) return registry_fingerprint;
  const known = await knownPins(context);
  const name = formatEndpoint(registry);
  const pinned = known[name];
  if (pinned !== undefined) return pinned;
  const learned = await learnPatiently(context, probingOf(context.host, settings), registry);
  context.output.note(
    `first contact with ${name}: its key has the fingerprint ${learned} and is pinned from now on`,
  );
  if (origins.registry === 'file') {
    const raw = await context.rawConfig();
    await writeConfigFile(context.host.files, context.home.config, { ...raw, registry_fingerprint: learned });
  } else {
    await context.host.files.replace(
      context.home.knownRegistries,
      `${JSON.stringify({ ...known, [name]: learned }, null, 2)}\n`,
    );
  }
  return learned;
}

/** The key pinned for the registry, if any; contacts nobody. */
export async function pinnedKey(context: Context, { settings }: Resolved): Promise<string | undefined> {
  const { registry, registry_fingerprint } = settings;
  if (registry === undefined || registry_fingerprint !== undefined) return registry_fingerprint;
  return (await knownPins(context))[formatEndpoint(registry)];
}

/** Machines that start together come up in any order, so a registry that is not there yet is waited for. */
async function learnPatiently(context: Context, probing: Probing, registry: Endpoint): Promise<string> {
  const { clock } = context.host;
  const until = clock.now() + (context.timeLeft ?? 30_000) / 2;
  for (let attempt = 1; ; attempt++) {
    try {
      const facts = await probeRegistry(probing, registry, {
        tls: true,
        timeout: TRY,
        signal: context.signal,
      });
      return facts.fingerprint ?? '';
    } catch (thrown) {
      const retry =
        thrown instanceof PilotError && thrown.code === 'registry_unreachable' && clock.now() < until;
      if (!retry) throw thrown;
      if (attempt === 1) context.output.note(`waiting for the registry at ${formatEndpoint(registry)}...`);
      await clock.sleep(PAUSE, context.signal);
    }
  }
}

async function knownPins(context: Context): Promise<Readonly<Record<string, string>>> {
  const file = context.home.knownRegistries;
  const bytes = await context.host.files.read(file, 1 << 20);
  if (bytes === undefined) return {};
  try {
    return JSON.parse(fromUtf8(bytes)) as Record<string, string>;
  } catch (cause) {
    throw new PilotError('state_corrupt', `Cannot read ${file}: not valid JSON`, {
      hint: `move it away, and compare fingerprints anew: mv ${file} ${file}.bad`,
      cause,
    });
  }
}
