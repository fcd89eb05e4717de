import { sameEndpoint } from '../../base/endpoint.ts';
import type { Endpoint, Instant, Millis, NodeId } from '../../base/units.ts';
import type { DiscoverProof } from '../../wire/beacon-extension.ts';

// Chosen.

/** Registrations without an answer after which a beacon counts as lost. */
export const LOST_AFTER = 3;
/** Pauses before the first repetitions of an unanswered registration. */
const REPEAT: readonly Millis[] = [300, 700, 1_000];
/** While no beacon answers at all: this often at first, and after so many times. */
const SEARCH: Millis = 2_000;
const SEARCHES = 30;
const LATE_SEARCH: Millis = 2_500;
/** While others answer, a lost one is asked less and less often. */
const LONGEST_PAUSE: Millis = 120_000;
/** Weight of a new round trip. */
const SMOOTHING = 0.25;
/** Another beacon becomes the best when it is faster by this factor and this much. */
const FASTER = 0.7;
const FASTER_BY: Millis = 10;

/** Beacons we are registered at; the rest is measured now and then and steps in when these fail. */
export const MAX_HOMES = 4;
/** A visit ends when it was not used for this long, or not answered so many times. */
const VISIT_LIFETIME: Millis = 600_000;
const VISIT_TRIES = 8;

/** What we know of one beacon, and the registration we keep there. */
export interface Registration {
  readonly endpoint: Endpoint;
  /** Not a beacon of ours: we are there for a peer, and were last at this time. */
  visitedAt: Instant | undefined;
  /** The relay of a peer, which offered it: visited for as long as that holds. */
  offeredBy: NodeId | undefined;
  observed: Endpoint | undefined;
  /** Smoothed round trip. */
  rtt: Millis | undefined;
  lost: boolean;
  unanswered: number;
  /** When the first registration was sent that is not answered yet. */
  askedAt: Instant | undefined;
  proofs: number;
  /** It repeats our tokens: nothing without one is believed. */
  repeatsTokens: boolean;
  /** By what it tells itself apart from other beacons. */
  mark: Uint8Array | undefined;
  alternatePort: number;
  /** Proof for the last challenge, until the beacon needs none. */
  signed: (DiscoverProof & { readonly named: boolean }) | undefined;
  sentAt: Instant;
  nextAt: Instant;
  /** Next step of the survey, when it began, and the fresh socket it tests the filter with; 0: none. */
  step: number;
  surveyAt: Instant;
  filterVia: number;
}

export function registrationAt(endpoint: Endpoint, now: Instant): Registration {
  return {
    endpoint,
    visitedAt: undefined,
    offeredBy: undefined,
    observed: undefined,
    rtt: undefined,
    lost: false,
    unanswered: 0,
    askedAt: undefined,
    proofs: 0,
    repeatsTokens: false,
    mark: undefined,
    alternatePort: 0,
    signed: undefined,
    sentAt: Number.NEGATIVE_INFINITY,
    nextAt: now,
    step: Number.POSITIVE_INFINITY,
    surveyAt: 0,
    filterVia: 0,
  };
}

/** As every beacon sees us, each endpoint once. */
export function observedBy(all: readonly Registration[]): Endpoint[] {
  const found: Endpoint[] = [];
  for (const { observed, lost } of all) {
    if (observed === undefined || lost) continue;
    if (!found.some((one) => sameEndpoint(one, observed))) found.push(observed);
  }
  return found;
}

/** It answered the last time it was asked. */
export function answers(one: Registration): boolean {
  return one.observed !== undefined && !one.lost;
}

/** The pause before the next repetition of a registration that was sent `unanswered` times. */
export function repeatAfter(unanswered: number, othersAnswer: boolean): Millis {
  const first = REPEAT[unanswered - 1];
  if (first !== undefined) return first;
  if (othersAnswer) return Math.min(SEARCH * 2 ** Math.min(unanswered - REPEAT.length, 10), LONGEST_PAUSE);
  return unanswered <= SEARCHES ? SEARCH : LATE_SEARCH;
}

export function measured(one: Registration, rtt: Millis | undefined): void {
  if (rtt === undefined) return;
  one.rtt = one.rtt === undefined ? rtt : one.rtt + SMOOTHING * (rtt - one.rtt);
}

/**
 * Beacons by measured round trip, the best first. The best so far stays until another is clearly faster; those not
 * measured come last, in the order given. Of equals one over IPv4 is better: its mapping has to be kept open anyway,
 * and its headers are smaller.
 */
export function ranked(all: readonly Registration[], best: Endpoint | undefined): Registration[] {
  const sorted = [...all].sort((a, b) => cost(a) - cost(b));
  const kept = sorted.find((one) => best !== undefined && sameEndpoint(one.endpoint, best));
  const first = sorted[0];
  if (kept === undefined || first === undefined || kept === first) return sorted;
  const faster =
    first.rtt !== undefined &&
    (kept.rtt === undefined ||
      (first.rtt < kept.rtt * FASTER && first.rtt < kept.rtt - FASTER_BY) ||
      (isIpv6(kept) && !isIpv6(first)));
  return faster ? sorted : [kept, ...sorted.filter((one) => one !== kept)];
}

function cost(one: Registration): Millis {
  return one.rtt === undefined ? Number.MAX_VALUE : one.rtt + (isIpv6(one) ? FASTER_BY : 0);
}

function isIpv6({ endpoint }: Registration): boolean {
  return endpoint.host.includes(':');
}

/**
 * Where we are registered. The first beacon of the list as long as it answers: old peers know no other. The rest are
 * those with the shortest way.
 */
export function homesOf(all: readonly Registration[], best: Endpoint | undefined): Registration[] {
  const homes = ranked(
    all.filter((one) => !one.lost),
    best,
  ).slice(0, MAX_HOMES);
  const first = all[0];
  if (first !== undefined && !first.lost && !homes.includes(first)) homes[MAX_HOMES - 1] = first;
  return homes;
}

/** A visit that is of no use any more. */
export function isOver(one: Registration, now: Instant): boolean {
  if (one.visitedAt === undefined) return false;
  return (
    (one.offeredBy === undefined && now - one.visitedAt >= VISIT_LIFETIME) || one.unanswered >= VISIT_TRIES
  );
}
