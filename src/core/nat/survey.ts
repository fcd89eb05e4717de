import { sameEndpoint } from '../../base/endpoint.ts';
import type { Endpoint, Millis } from '../../base/units.ts';
import { type Dependence, type NatBehaviour, type PortAllocation, UNKNOWN_NAT } from './behaviour.ts';
import type { Observation } from './observation.ts';

// Chosen.

/** Without an answer for this long while something else gets through, UDP counts as blocked. */
export const BLOCKED_AFTER: Millis = 3_000;
/** Two sightings were of one time when no more than this lies between them. */
const TOGETHER: Millis = 5_000;
/** Questions about the filter that have to stay unanswered. */
const FILTER_TRIES = 3;
/** Ports given one after the other lie this close together; other hosts behind the NAT take ports in between. */
const MAX_STEP = 16;
/** Two ports drawn at random from some thousands hardly ever lie closer. */
const FAR_APART = 64;

export interface Surveyed {
  readonly observations: readonly Observation[];
  /** Endpoints of our interfaces, with the port of the tunnel's socket. */
  readonly own: readonly Endpoint[];
  /** Something gets through that is not UDP. */
  readonly streamsWork: boolean;
}

type Sighting = Observation & { readonly endpoint: Endpoint; readonly since: number; readonly at: number };

/**
 * What is in front of our main socket, from how beacons see it: RFC 4787 behaviour as far as vantage points tell.
 * A mapping counts as endpoint-independent when no two vantage points differ; with one beacon that is two ports of one
 * host, so that a NAT whose ports depend on the address alone is found only with a second beacon. The filter is tested
 * by answers from another port of the same host: what lets these in is at most address-dependent.
 */
export function classify({ observations, own, streamsWork }: Surveyed): NatBehaviour {
  const main = observations.filter(({ via }) => via === 0);
  const seen = telling(main.filter(isSighting));
  if (seen.length === 0) return streamsWork && isSilent(main) ? BLOCKED : UNKNOWN_NAT;
  if (streamsWork && isSilent(main)) return BLOCKED;
  const solicited = seen.filter(({ unsolicited }) => !unsolicited);
  const newest = latest(solicited.length === 0 ? seen : solicited);
  const isOwn = own.some(({ host }) => host === newest.endpoint.host);
  const filtering = filteringOf(main, seen, newest);
  if (isOwn) return { ...OPEN, filtering };
  const current = solicited.filter((one) => comparable(one, newest));
  const mapping = mappingOf(current);
  return { translation: 'nat', mapping, filtering, ...allocationOf(mapping, current, newest, own) };
}

const BLOCKED: NatBehaviour = { ...UNKNOWN_NAT, translation: 'blocked' };
const OPEN: NatBehaviour = {
  translation: 'none',
  mapping: 'endpoint-independent',
  filtering: 'unknown',
  allocation: 'preserving',
  step: 0,
};

function isSighting(one: Observation): one is Sighting {
  return one.endpoint !== undefined && one.since !== undefined && one.at !== undefined;
}

/**
 * What a beacon on our own network sees tells of no NAT, and IPv6 of none as a rule: both count only where nothing else
 * answers. A beacon on this machine tells nothing.
 */
function telling(seen: readonly Sighting[]): readonly Sighting[] {
  let best = seen.filter(({ endpoint }) => !LOOPBACK.test(endpoint.host));
  for (const isLesser of [isLocal, (host: string) => host.includes(':')]) {
    const rest = best.filter(({ endpoint }) => !isLesser(endpoint.host));
    if (rest.length > 0) best = rest;
  }
  return best;
}

const LOOPBACK = /^(?:127\.|::1$)/;
/** True for addresses that mean something else, or nothing, in other networks. */
export function isLocal(host: string): boolean {
  return LOCAL.test(host);
}

const LOCAL = /^(?:10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|169\.254\.|f[cd]|fe[89ab])/i;

/** Every beacon was asked, the longest for a while, and none has answered since. */
function isSilent(main: readonly Observation[]): boolean {
  const asked = main.filter(({ unsolicited, alternate }) => !unsolicited && !alternate);
  if (asked.length === 0 || asked.some(({ unanswered }) => unanswered < 2)) return false;
  return Math.max(...asked.map(({ askedAt, firstAskedAt }) => askedAt - firstAskedAt)) >= BLOCKED_AFTER;
}

function latest(seen: readonly Sighting[]): Sighting {
  return seen.reduce((best, one) => (one.at > best.at ? one : best));
}

/** Both held at one time: what was seen before and after a move between networks must not be compared. */
function comparable(a: Sighting, b: Sighting): boolean {
  return Math.max(a.since, b.since) - Math.min(a.at, b.at) < TOGETHER;
}

function mappingOf(seen: readonly Sighting[]): Dependence {
  let compared = false;
  let byAddress = false;
  for (const [a, b] of pairs(seen)) {
    if (!comparable(a, b)) continue;
    compared = true;
    if (sameEndpoint(a.endpoint, b.endpoint)) continue;
    if (a.beacon.host === b.beacon.host && a.beacon.port === b.beacon.port)
      return 'address-and-port-dependent';
    byAddress = true;
  }
  if (!compared) return 'unknown';
  if (!byAddress) return 'endpoint-independent';
  // Two beacons see different ports. Only where both ports of one host see the same it depends on the address alone.
  const samePorts = pairs(seen).some(
    ([a, b]) => a.beacon.host === b.beacon.host && a.alternate !== b.alternate && comparable(a, b),
  );
  return samePorts ? 'address-dependent' : 'address-and-port-dependent';
}

function filteringOf(main: readonly Observation[], seen: readonly Sighting[], newest: Sighting): Dependence {
  for (const test of main.filter(({ unsolicited }) => unsolicited)) {
    if (test.at !== undefined && test.at > newest.since - TOGETHER) return 'address-dependent';
    // The second port has answered since, so that it is there, and an answer from it would have come by now.
    const isThere = seen.some(
      ({ alternate, unsolicited, beacon, at }) =>
        alternate && !unsolicited && sameEndpoint(beacon, test.beacon) && at > test.askedAt,
    );
    if (test.unanswered >= FILTER_TRIES && isThere) return 'address-and-port-dependent';
  }
  return 'unknown';
}

function allocationOf(
  mapping: Dependence,
  seen: readonly Sighting[],
  newest: Sighting,
  own: readonly Endpoint[],
): { readonly allocation: PortAllocation; readonly step: number } {
  if (mapping === 'endpoint-independent' || mapping === 'unknown') {
    const kept = own.some(({ port }) => port === newest.endpoint.port);
    return { allocation: kept ? 'preserving' : 'unknown', step: 0 };
  }
  const ports = distinctPorts(seen);
  const steps = ports.slice(1).map((port, at) => port - ports[at]!);
  if (steps.length === 0) return { allocation: 'unknown', step: 0 };
  const [first = 0] = steps;
  if (steps.every((step) => Math.abs(step) <= MAX_STEP && Math.sign(step) === Math.sign(first))) {
    return { allocation: 'sequential', step: steps.reduce((a, b) => (Math.abs(b) < Math.abs(a) ? b : a)) };
  }
  const random = steps.some((step) => Math.abs(step) > FAR_APART);
  return { allocation: random ? 'random' : 'unknown', step: 0 };
}

/** In the order in which the mappings were made. */
function distinctPorts(seen: readonly Sighting[]): number[] {
  const ordered = [...seen].sort((a, b) => a.since - b.since).map(({ endpoint }) => endpoint.port);
  return ordered.filter((port, at) => ordered.indexOf(port) === at);
}

function pairs<Item>(items: readonly Item[]): [Item, Item][] {
  return items.flatMap((a, at) => items.slice(at + 1).map((b): [Item, Item] => [a, b]));
}
