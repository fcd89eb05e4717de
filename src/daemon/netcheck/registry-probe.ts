import { asPilotError } from '../../api/errors.ts';
import { formatEndpoint } from '../../base/endpoint.ts';
import type { Endpoint, Millis } from '../../base/units.ts';
import type { RegistryRow } from '../../ipc/methods.ts';
import type { Abort, Clock, Net, Pipe } from '../../runtime/ports.ts';
import { encodeJsonFrame, JsonFrameReader } from '../../wire/registry-frame.ts';
import { REFUSED } from './findings.ts';

const CONNECT: Millis = 4_000;
const ANSWER: Millis = 3_000;
const LARGEST_ANSWER = 65_536;

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
    return { row: { ...base, state: STATES[code] ?? 'unreachable', problem: inWords(message) }, beacons: [] };
  }
  const connected = clock.now();
  const wall = clock.wallNow();
  try {
    const reply = await challenge(pipe, clock);
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

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: REFUSED,
  ENOTFOUND: 'there is no host of that name',
  EAI_AGAIN: 'the name of the host can’t be looked up',
  EHOSTUNREACH: 'there is no way to that host',
  ENETUNREACH: 'there is no way to that network',
  ETIMEDOUT: 'no answer',
};

/** The system's word for what went wrong stands at the end of the message. */
function inWords(message: string): string {
  const word = message.split(': ').at(-1) ?? '';
  return WORDS[word] ?? (message.includes('no answer') ? 'no answer' : message);
}

/** Any JSON object is an answer; undefined when there is none. */
function challenge(pipe: Pipe, clock: Clock): Promise<Record<string, unknown> | undefined> {
  return new Promise((resolve) => {
    const reader = new JsonFrameReader(LARGEST_ANSWER);
    const timer = clock.at(clock.now() + ANSWER, () => resolve(undefined));
    const finish = (reply: Record<string, unknown> | undefined): void => {
      timer.cancel();
      resolve(reply);
    };
    pipe.onClose(() => finish(undefined));
    pipe.onData((data) => {
      reader.push(data);
      const reply = reader.next();
      if (reply !== undefined) finish(reply as Record<string, unknown>);
      else if (reader.error !== undefined) finish(undefined);
    });
    pipe.write(encodeJsonFrame({ type: 'challenge' }));
  });
}

function rounded(millis: Millis): number {
  return Math.round(millis * 100) / 100;
}
