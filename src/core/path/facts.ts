/** What is known about the ways to one peer: the ground of every explanation. */
import type { Bytes, Endpoint, Instant, Millis } from '../../base/units.ts';
import type { NatBehaviour } from '../nat/behaviour.ts';
import type { PathKind } from '../tunnel/types.ts';
import type { PathOrigin, PathPhase } from './path.ts';
import type { SizePhase } from './path-size.ts';

/** One candidate: what was tried on it and what came of it. */
export interface CandidateFacts {
  readonly kind: PathKind;
  readonly endpoint: Endpoint;
  readonly origin: PathOrigin;
  readonly phase: PathPhase;
  readonly selected: boolean;
  readonly addedAt: Instant;
  /** Frames sent to prove it. */
  readonly probes: number;
  readonly firstProbeAt: Instant | undefined;
  /** When an authenticated frame of the peer last came by it. */
  readonly heardAt: Instant | undefined;
  readonly provenAt: Instant | undefined;
  readonly rtt: Millis | undefined;
  /** Share of recent probes without an answer, 0 to 1; undefined before there were enough. */
  readonly loss: number | undefined;
  /** UDP payload that its datagrams may have, and whether larger ones are still looked for. */
  readonly size: Bytes;
  readonly sizePhase: SizePhase;
}

/** What the last attempt to open a direct path did. */
export interface PunchFacts {
  readonly strategy: 'simple' | 'prediction' | 'birthday';
  readonly at: Instant;
  /** Packets spent and the most it might have spent. */
  readonly packets: number;
  readonly budget: number;
  readonly outcome: 'running' | 'direct' | 'no_answer' | 'refused' | 'over_budget';
}

export interface PathFacts {
  readonly established: boolean;
  readonly candidates: readonly CandidateFacts[];
  /** Why the selected path is the selected one: as in `tunnel.path_changed`. */
  readonly reason: string | undefined;
  readonly changedAt: Instant | undefined;
  /** Since the session began: the first frame out, the first proven path, the first direct one. */
  readonly startedAt: Instant | undefined;
  readonly firstProvenAt: Instant | undefined;
  readonly firstDirectAt: Instant | undefined;
  readonly own: NatBehaviour;
  /** As the peer measured itself and told us; undefined for an old peer. */
  readonly peer: NatBehaviour | undefined;
  /** It takes part in the exchange of candidates; undefined while that is not known. */
  readonly ours?: boolean | undefined;
  readonly punch: PunchFacts | undefined;
}
