import type { NatBehaviour } from '../nat/behaviour.ts';

export type Strategy = 'simple' | 'prediction' | 'birthday';

/** What one side does in an attempt. */
export type Role =
  /** Has one endpoint, known to everybody. */
  | 'fixed'
  /** Gets the next port for each destination. */
  | 'sequential'
  /** Gets any port for each destination: opens many sockets. */
  | 'random';

export interface PunchPlan {
  /** `none`: no attempt of ours can help. */
  readonly strategy: Strategy | 'none';
  readonly own: Role;
  readonly peer: Role;
  /** True where simple punching may well do, and gets some time before. */
  readonly patient: boolean;
}

/** The endpoint others see is the one they can send to. */
export function roleOf(nat: NatBehaviour): Role | undefined {
  if (nat.translation === 'blocked') return undefined;
  if (nat.translation === 'none' || nat.mapping === 'endpoint-independent') return 'fixed';
  if (nat.mapping === 'unknown') return undefined;
  if (nat.allocation === 'preserving') return 'fixed';
  return nat.allocation === 'sequential' && nat.step !== 0 ? 'sequential' : 'random';
}

/**
 * How to get through both translators (RFC 5128 §3.3). Frames of a side whose port nobody foresees pass where the other
 * side filters by address at most; where it filters by port, the port has to be foreseen or met by chance.
 */
export function planFor(own: NatBehaviour, peer: NatBehaviour): PunchPlan {
  const [ours, theirs] = [roleOf(own), roleOf(peer)];
  const plan = (strategy: PunchPlan['strategy'], patient = false): PunchPlan => ({
    strategy,
    own: ours ?? 'fixed',
    peer: theirs ?? 'fixed',
    patient,
  });
  if (own.translation === 'blocked' || peer.translation === 'blocked') return plan('none');
  if (ours === undefined || theirs === undefined) return plan('simple');
  if (ours === 'fixed' && theirs === 'fixed') return plan('simple');
  if (ours === 'fixed' || theirs === 'fixed') {
    const { filtering } = ours === 'fixed' ? own : peer;
    const hard = ours === 'fixed' ? theirs : ours;
    // A filter is easily taken for laxer than it is: a socket before this one, at the same port, may have opened it.
    return plan(
      hard === 'sequential' ? 'prediction' : 'birthday',
      filtering !== 'address-and-port-dependent',
    );
  }
  return plan(ours === 'sequential' && theirs === 'sequential' ? 'prediction' : 'none');
}
