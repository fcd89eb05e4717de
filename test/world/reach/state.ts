/** The whole network of the model: every pair of nodes, and one shared network with a port policy. */
import { intersect, mayReach, NOTHING, type PairState, type Ports, type Side, settle } from './model.ts';

export interface NetworkState {
  readonly members: ReadonlySet<number>;
  readonly ports: Ports;
}

export interface State {
  /** By `pairOf`. */
  readonly pairs: ReadonlyMap<string, PairState>;
  /** Undefined until it is made. */
  readonly network: NetworkState | undefined;
}

export const EMPTY_STATE: State = { pairs: new Map(), network: undefined };

/** Name of the pair, and which side `a` is. */
export function pairOf(a: number, b: number): { readonly key: string; readonly side: Side } {
  return a < b ? { key: `${a}-${b}`, side: 0 } : { key: `${b}-${a}`, side: 1 };
}

export function pair(state: State, a: number, b: number): PairState {
  return state.pairs.get(pairOf(a, b).key) ?? NOTHING;
}

export function withPair(state: State, a: number, b: number, next: PairState): State {
  return { ...state, pairs: new Map(state.pairs).set(pairOf(a, b).key, next) };
}

export function withMember(state: State, node: number, isMember: boolean): State {
  if (state.network === undefined) return state;
  const members = new Set(state.network.members);
  if (isMember) members.add(node);
  else members.delete(node);
  return { ...state, network: { ...state.network, members } };
}

/** Whether a program at `from` reaches `port` of `to`, by its plain address or by that on the network. */
export function reaches(
  state: State,
  from: number,
  to: number,
  port: number,
  by: 'plain' | 'network',
  now: number,
): boolean {
  const shares =
    state.network?.members.has(from) === true &&
    state.network.members.has(to) &&
    (state.network.ports === undefined || state.network.ports.has(port));
  if (by === 'network') return shares;
  const between = settle(pair(state, from, to), now);
  return shares || mayReach(between, pairOf(from, to).side, port, now);
}

/** Ports as the command line writes them. */
export function portsText(ports: Ports): string {
  return ports === undefined ? '*' : [...ports].sort((a, b) => a - b).join(',');
}

export { intersect };
