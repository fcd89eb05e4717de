import type { Cause, Verdict } from '../../api/causes.ts';
import type { PathName } from './diagnostics.ts';

/** How the translator in front of a node treats UDP, in the terms of RFC 4787. */
export interface NatRow {
  /** Customary: `full cone`, `port-restricted`, `symmetric, random ports`, `no NAT`, `UDP blocked`, `unknown`, … */
  readonly name: string;
  readonly translation: 'none' | 'nat' | 'blocked' | 'unknown';
  readonly mapping: string;
  readonly filtering: string;
  readonly allocation: string;
  /** Between two ports given one after the other; 0 unless `allocation` is `sequential`. */
  readonly step: number;
}

/** One way to a peer that was tried. Times in ms. */
export interface CandidateRow {
  readonly kind: PathName;
  readonly endpoint: string;
  /** How it became known: `registered`, `lan`, `beacon`, `heard`, `commanded`, `exchange`, … */
  readonly origin: string;
  readonly state: 'unproven' | 'proven' | 'failed';
  readonly selected: boolean;
  readonly probes: number;
  /** Since a probe on it was last answered; null while none was. */
  readonly proven_ago_ms: number | null;
  /** Since an authenticated frame of the peer last came by it; null when none did. */
  readonly heard_ago_ms: number | null;
  readonly rtt_ms: number | null;
  /** 0 to 1; null before there were enough probes. */
  readonly loss: number | null;
}

export interface PunchRow {
  readonly strategy: 'simple' | 'prediction' | 'birthday';
  readonly outcome: 'running' | 'direct' | 'no_answer' | 'refused' | 'over_budget';
  readonly ago_ms: number;
  readonly packets: number;
  readonly budget: number;
}

export interface CauseRow {
  readonly cause: Cause;
  readonly meaning: string;
}

/** Why a peer is reached as it is: docs/connectivity.md. */
export interface WhyReport {
  readonly node_id: number;
  readonly address: string;
  /** As this node knows it; "" when it does not. */
  readonly hostname: string;
  readonly verdict: Verdict;
  readonly cause: Cause;
  /** For people. */
  readonly sentence: string;
  /** The one thing that would help; null when nothing is wrong. */
  readonly help: string | null;
  /** What else is true and worth knowing. */
  readonly remarks: readonly CauseRow[];
  /** The path in use; "" when there is none. */
  readonly path: PathName | '';
  readonly endpoint: string;
  readonly rtt_ms: number | null;
  readonly nat_here: NatRow;
  /** As the peer measured it; null when it did not say. */
  readonly nat_there: NatRow | null;
  readonly candidates: readonly CandidateRow[];
  readonly punch: PunchRow | null;
  /** Why the path in use was chosen; "" when there is none. */
  readonly reason: string;
  /** From the first frame to the first path that was proven, and to the first direct one; null while there was none. */
  readonly first_path_ms: number | null;
  readonly first_direct_ms: number | null;
  /** Since the path in use was chosen. */
  readonly changed_ago_ms: number | null;
}

export interface PathMethods {
  /** Looks for paths, waits at most `wait_ms` for a settled answer, and explains. Errors: `not_found`, `registry_unreachable`, `invalid_argument`. */
  why: [{ target: string; wait_ms?: number }, WhyReport];
}
