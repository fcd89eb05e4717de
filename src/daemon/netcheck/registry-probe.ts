import { asPilotError } from '../../api/errors.ts';
import { formatEndpoint } from '../../base/endpoint.ts';
import type { Endpoint, Millis } from '../../base/units.ts';
import { askChallenge, connectFailure } from '../../directory/probe.ts';
import type { RegistryRow } from '../../ipc/methods.ts';
import type { Abort, Clock, Net, Pipe } from '../../runtime/ports.ts';

const CONNECT: Millis = 4_000;
const ANSWER: Millis = 3_000;

export interface ProbedRegistry {
  readonly row: RegistryRow;
  /** That it announces. */
  readonly beacons: readonly string[];
}

/** Connects to the registry and asks for a challenge, which changes nothing there. Never fails. */
export async function probeRegistry(
  { net, clock }: { readonly net: Net; readonly clock: Clock },
  registry: Endpoint,
  tls: { readonly fingerprint?: string } | undefined,
  signal: Abort,
): Promise<ProbedRegistry> {
  const base: RegistryRow = {
    registry: formatEndpoint(registry),
    state: 'unreachable',
    secure: false,
    ...{ connect_ms: null, rtt_ms: null, clock_ahead_ms: null, problem: '' },
  };
  const started = clock.now();
  let pipe: Pipe;
  try {
    pipe = await net.connect(registry, { timeout: CONNECT, signal, ...(tls !== undefined && { tls }) });
  } catch (thrown) {
    const { code, message } = asPilotError(thrown);
    if (signal.aborted) throw thrown;
    return {
      row: { ...base, state: STATES[code] ?? 'unreachable', problem: connectFailure(message) ?? message },
      beacons: [],
    };
  }
  const connected = clock.now();
  const wall = clock.wallNow();
  try {
    const reply = await askChallenge(pipe, clock, ANSWER);
    const rtt = clock.now() - connected;
    const facts = { secure: pipe.secure, connect_ms: rounded(connected - started), rtt_ms: rounded(rtt) };
    if (reply === undefined) {
      const problem = 'it answers, but not as a registry';
      return { row: { ...base, ...facts, state: 'not_a_registry', rtt_ms: null, problem }, beacons: [] };
    }
    const time = typeof reply.time === 'number' ? reply.time : undefined;
    const ahead = time === undefined ? null : Math.round(wall + rtt / 2 - time);
    const beacons = Array.isArray(reply.beacons)
      ? reply.beacons.filter((one) => typeof one === 'string')
      : [];
    return { row: { ...base, ...facts, state: 'answers', clock_ahead_ms: ahead }, beacons };
  } finally {
    pipe.destroy();
  }
}

const STATES: Readonly<Record<string, RegistryRow['state']>> = {
  fingerprint_mismatch: 'fingerprint_mismatch',
  proxy_auth_required: 'proxy_auth_failed',
};

function rounded(millis: Millis): number {
  return Math.round(millis * 100) / 100;
}
