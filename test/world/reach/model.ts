/**
 * The reference model of trust: who may reach whom on which port, told in the fewest words. It knows nothing of
 * messages, certificates or restarts; the real network has to come to the same answer.
 */

/** What one side lets the other reach, by port; undefined means every port. */
export type Ports = ReadonlySet<number> | undefined;

/** What a user says with `handshake` or `approve`. */
export interface Wish {
  readonly give: Ports;
  readonly get: Ports;
  /** Virtual wall time in ms after which it no longer holds. */
  readonly until: number | undefined;
  readonly renew: boolean;
}

/** Two sides, by index: `offers[0]` is what side 0 lets side 1 reach. */
export interface Trust {
  readonly offers: readonly [Ports, Ports];
  readonly until: number | undefined;
  /** Which sides want it renewed before it ends. */
  readonly renew: readonly [boolean, boolean];
}

export interface PairState {
  readonly trust: Trust | undefined;
  /** The open question of each side. */
  readonly asked: readonly [Wish | undefined, Wish | undefined];
}

export type Side = 0 | 1;

export const NOTHING: PairState = { trust: undefined, asked: [undefined, undefined] };

/** A user asks the other side, or asks for other terms than those in force. */
export function ask(state: PairState, by: Side, wish: Wish): PairState {
  const other = (1 - by) as Side;
  const theirs = state.asked[other];
  // Asking somebody who has asked is approving.
  if (theirs !== undefined) return { trust: agree(by, wish, theirs), asked: [undefined, undefined] };
  const { trust } = state;
  if (trust === undefined) return { ...state, asked: put(state.asked, by, wish) };
  const wanted = termsOf(by, wish);
  if (isWithin(wanted, trust)) {
    return {
      trust: { ...wanted, renew: put(trust.renew, by, wish.renew) },
      asked: put(state.asked, by, undefined),
    };
  }
  // What a side offers, it may take back on its own.
  const offers = put(trust.offers, by, intersect(trust.offers[by], wish.give));
  return { trust: { ...trust, offers }, asked: put(state.asked, by, wish) };
}

/** A user grants the question of the other side. Without a question nothing happens. */
export function approve(state: PairState, by: Side, wish: Wish): PairState {
  const theirs = state.asked[1 - by];
  if (theirs === undefined) return state;
  return { trust: agree(by, wish, theirs), asked: [undefined, undefined] };
}

/** A user turns the question of the other side down. What is in force stays. */
export function reject(state: PairState, by: Side): PairState {
  return { ...state, asked: put(state.asked, (1 - by) as Side, undefined) };
}

/** A user withdraws trust, and every question with it. */
export function untrust(state: PairState, by: Side): PairState {
  if (state.trust === undefined && state.asked[by] === undefined) return state;
  return NOTHING;
}

/** Whether side `from` may reach `port` of the other side. */
export function mayReach(state: PairState, from: Side, port: number, now: number): boolean {
  const { trust } = state;
  if (trust === undefined || isOver(trust, now)) return false;
  return has(trust.offers[1 - from], port);
}

/** Time has passed: what has ended is gone, as after a withdrawal, and so is a question about a time that is over. */
export function settle(state: PairState, now: number): PairState {
  if (state.trust !== undefined && isOver(state.trust, now)) return NOTHING;
  const open = (wish: Wish | undefined): Wish | undefined =>
    wish?.until !== undefined && now >= wish.until ? undefined : wish;
  return { ...state, asked: [open(state.asked[0]), open(state.asked[1])] };
}

export function has(ports: Ports, port: number): boolean {
  return ports === undefined || ports.has(port);
}

export function intersect(a: Ports, b: Ports): Ports {
  if (a === undefined) return b;
  return new Set([...a].filter((port) => has(b, port)));
}

function agree(by: Side, wish: Wish, theirs: Wish): Trust {
  const mine = intersect(wish.give, theirs.get);
  const others = intersect(theirs.give, wish.get);
  return {
    offers: by === 0 ? [mine, others] : [others, mine],
    until: earlier(wish.until, theirs.until),
    renew: by === 0 ? [wish.renew, theirs.renew] : [theirs.renew, wish.renew],
  };
}

function termsOf(by: Side, wish: Wish): Trust {
  return {
    offers: by === 0 ? [wish.give, wish.get] : [wish.get, wish.give],
    until: wish.until,
    renew: [wish.renew, wish.renew],
  };
}

function isWithin(inner: Trust, outer: Trust): boolean {
  const ends = outer.until === undefined || (inner.until !== undefined && inner.until <= outer.until);
  return ends && isSubset(inner.offers[0], outer.offers[0]) && isSubset(inner.offers[1], outer.offers[1]);
}

function isSubset(inner: Ports, outer: Ports): boolean {
  if (outer === undefined) return true;
  return inner !== undefined && [...inner].every((port) => outer.has(port));
}

function isOver(trust: Trust, now: number): boolean {
  return trust.until !== undefined && now >= trust.until && !(trust.renew[0] && trust.renew[1]);
}

function earlier(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return Math.min(a, b);
}

function put<T>(pair: readonly [T, T], side: Side, value: T): [T, T] {
  return side === 0 ? [value, pair[1]] : [pair[0], value];
}
