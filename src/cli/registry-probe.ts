import { PilotError } from '../api/errors.ts';
import { formatEndpoint, parseHostPort } from '../base/endpoint.ts';
import type { Endpoint, Millis } from '../base/units.ts';
import { askChallenge, connectFailure } from '../directory/probe.ts';
import type { Abort, Net, Pipe } from '../runtime/ports.ts';
import type { Host } from './host.ts';

/** What a registry says of itself before anyone registers. */
export interface RegistryFacts {
  readonly endpoint: Endpoint;
  /** Lower-case hex; undefined when spoken to without TLS. */
  readonly fingerprint: string | undefined;
  /** Beacons it announces; empty for old registries. */
  readonly beacons: readonly Endpoint[];
  /** Empty for old registries. */
  readonly features: readonly string[];
}

export type Probing = Pick<Host, 'net' | 'clock' | 'fingerprintOf'>;

interface ProbeOptions {
  readonly tls: boolean;
  /** Accept only this key. */
  readonly fingerprint?: string | undefined;
  readonly timeout: Millis;
  readonly signal?: Abort;
}

/**
 * Asks a server for its key (with TLS) and for a challenge, which changes nothing there.
 * Errors: `registry_unreachable`, `fingerprint_mismatch`, `protocol_error` (not a registry, or it has no TLS).
 */
export async function probeRegistry(
  host: Probing,
  endpoint: Endpoint,
  options: ProbeOptions,
): Promise<RegistryFacts> {
  const name = formatEndpoint(endpoint);
  const pinned = options.tls ? (options.fingerprint ?? (await learn(host, endpoint, options))) : undefined;
  let pipe: Pipe;
  try {
    pipe = await host.net.connect(endpoint, {
      timeout: options.timeout,
      ...(pinned === undefined ? {} : { tls: { fingerprint: pinned } }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
  } catch (thrown) {
    if (thrown instanceof PilotError && thrown.code === 'fingerprint_mismatch') throw mismatch(name, thrown);
    throw unreachable(name, thrown);
  }
  try {
    const reply = await askChallenge(pipe, host.clock, options.timeout);
    if (reply === undefined) {
      throw new PilotError('protocol_error', `${name} answers, but not as a Pilot registry`, {
        hint: 'check host and port of the registry with its operator',
      });
    }
    return {
      endpoint,
      fingerprint: pinned,
      beacons: endpointsOf(reply.beacons, endpoint),
      features: textsOf(reply.features),
    };
  } finally {
    pipe.destroy();
  }
}

async function learn(host: Probing, endpoint: Endpoint, options: ProbeOptions): Promise<string> {
  try {
    return await host.fingerprintOf(endpoint, options.timeout, {
      ...(options.signal && { signal: options.signal }),
    });
  } catch (thrown) {
    const name = formatEndpoint(endpoint);
    if (thrown instanceof PilotError && thrown.code === 'protocol_error') {
      throw new PilotError('protocol_error', `The registry at ${name} has no TLS`, {
        hint: `for an old registry that has none: pilotctl init --registry ${name} --no-tls`,
        cause: thrown,
      });
    }
    throw unreachable(name, thrown);
  }
}

function unreachable(name: string, cause: unknown): PilotError {
  // What a proxy says comes with its own advice.
  if (cause instanceof PilotError && (cause.code === 'cancelled' || cause.code.startsWith('proxy_')))
    return cause;
  return new PilotError('registry_unreachable', `Cannot reach the registry at ${name}${reasonOf(cause)}`, {
    hint: `check that it runs there and that no firewall is in between; on that machine: pilotctl rendezvous status`,
    cause,
  });
}

function reasonOf(cause: unknown): string {
  const reason = cause instanceof Error ? connectFailure(cause.message) : undefined;
  return reason === undefined ? '' : `: ${reason}`;
}

function mismatch(name: string, cause: PilotError): PilotError {
  return new PilotError(
    'fingerprint_mismatch',
    `The key of the registry at ${name} is not the one pinned here`,
    {
      hint: `someone may be in between. When its operator confirms a new key: pilotctl init --registry ${name} --fingerprint HEX`,
      cause,
    },
  );
}

/** A wildcard host means: the host you reached me at. */
function endpointsOf(value: unknown, registry: Endpoint): Endpoint[] {
  return textsOf(value).flatMap((entry) => {
    const endpoint = parseHostPort(entry.startsWith(':') ? `0.0.0.0${entry}` : entry);
    if (endpoint === undefined || endpoint.port === 0) return [];
    return [isWildcard(endpoint.host) ? { host: registry.host, port: endpoint.port } : endpoint];
  });
}

export function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::' || host === '';
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((entry): entry is string => typeof entry === 'string') : [];
}

/** True when something accepts connections there. */
export async function accepts(net: Net, endpoint: Endpoint, timeout: Millis): Promise<boolean> {
  try {
    (await net.connect(endpoint, { timeout })).destroy();
    return true;
  } catch {
    return false;
  }
}
