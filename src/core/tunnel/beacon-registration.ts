import { sameEndpoint } from '../../base/endpoint.ts';
import type { Endpoint, Instant, Millis } from '../../base/units.ts';
import type { DiscoverProof } from '../../wire/beacon-extension.ts';

// Chosen.

/** Registrations without an answer after which a beacon counts as lost. */
export const LOST_AFTER = 3;
/** Pauses before the first repetitions of an unanswered registration. */
const REPEAT: readonly Millis[] = [300, 700, 1_000];
/** While no beacon answers at all: this often at first, and after so many times. */
const SEARCH: Millis = 2_000;
const SEARCHES = 30;
const LATE_SEARCH: Millis = 5_000;
/** While others answer, a lost one is asked less and less often. */
const LONGEST_PAUSE: Millis = 120_000;
/** Weight of a new round trip. */
const SMOOTHING = 0.25;
/** Another beacon becomes the best when it is faster by this factor and this much. */
const FASTER = 0.7;
const FASTER_BY: Millis = 10;

/** What we know of one beacon, and the registration we keep there. */
export interface Registration {
  readonly endpoint: Endpoint;
  /** Not a beacon of ours: we are there for a peer, and were last at this time. */
  visitedAt: Instant | undefined;
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
 * measured come last, in the order given.
 */
export function ranked(all: readonly Registration[], best: Endpoint | undefined): Registration[] {
  const sorted = [...all].sort((a, b) => (a.rtt ?? Number.MAX_VALUE) - (b.rtt ?? Number.MAX_VALUE));
  const kept = sorted.find((one) => best !== undefined && sameEndpoint(one.endpoint, best));
  const first = sorted[0];
  if (kept === undefined || first === undefined || kept === first) return sorted;
  const faster =
    first.rtt !== undefined &&
    (kept.rtt === undefined || (first.rtt < kept.rtt * FASTER && first.rtt < kept.rtt - FASTER_BY));
  return faster ? sorted : [kept, ...sorted.filter((one) => one !== kept)];
}
