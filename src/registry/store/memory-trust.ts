import type { NodeId, UnixMillis } from '../../base/units.ts';
import { lastsBeyond } from './rules.ts';
import { given, type Steps } from './steps.ts';
import type { TrustKey } from './store.ts';
import type { TrustHalf, TrustPair, TrustRows, TrustTombstone } from './trust-ledger.ts';

interface Pair extends TrustPair {
  readonly low: NodeId;
  readonly high: NodeId;
}

interface Tombstone extends TrustTombstone {
  readonly giver: NodeId;
  readonly peer: NodeId;
}

/** The rows of `TrustLedger` in maps. */
export class MemoryTrust implements TrustRows {
  readonly #pairs = new Map<string, Pair>();
  readonly #halves = new Map<string, TrustHalf>();
  readonly #tombstones = new Map<string, Tombstone>();

  peers(id: NodeId, limit: number, at: UnixMillis): NodeId[] {
    const found: NodeId[] = [];
    for (const { low, high, notAfter } of this.#pairs.values()) {
      if (!lastsBeyond(notAfter, at)) continue;
      if (low === id) found.push(high);
      if (high === id) found.push(low);
    }
    return [...new Set(found)].sort((a, b) => a - b).slice(0, limit);
  }

  list(after: TrustKey, limit: number, at: UnixMillis): TrustKey[] {
    return [...this.#pairs.values()]
      .filter(({ notAfter }) => lastsBeyond(notAfter, at))
      .filter(({ low, high }) => low > after.low || (low === after.low && high > after.high))
      .sort((x, y) => x.low - y.low || x.high - y.high)
      .slice(0, limit)
      .map(({ low, high }) => ({ low, high }));
  }

  pair(a: NodeId, b: NodeId): Steps<TrustPair | undefined> {
    return given(this.#pairs.get(pairKey(a, b)));
  }
  putPair(a: NodeId, b: NodeId, pair: TrustPair): Steps<void> {
    this.#pairs.set(pairKey(a, b), { ...pair, low: Math.min(a, b), high: Math.max(a, b) });
    return given(undefined);
  }
  dropPair(a: NodeId, b: NodeId): Steps<boolean> {
    return given(this.#pairs.delete(pairKey(a, b)));
  }

  half(giver: NodeId, peer: NodeId): Steps<TrustHalf | undefined> {
    return given(this.#halves.get(wordKey(giver, peer)));
  }
  putHalf(giver: NodeId, peer: NodeId, half: TrustHalf): Steps<void> {
    this.#halves.set(wordKey(giver, peer), half);
    return given(undefined);
  }
  dropHalf(giver: NodeId, peer: NodeId): Steps<boolean> {
    return given(this.#halves.delete(wordKey(giver, peer)));
  }

  tombstone(giver: NodeId, peer: NodeId): Steps<TrustTombstone | undefined> {
    return given(this.#tombstones.get(wordKey(giver, peer)));
  }
  putTombstone(giver: NodeId, peer: NodeId, tombstone: TrustTombstone): Steps<void> {
    this.#tombstones.set(wordKey(giver, peer), { ...tombstone, giver, peer });
    return given(undefined);
  }
  trimTombstones(giver: NodeId, limit: number): Steps<void> {
    const own = [...this.#tombstones.values()].filter((tombstone) => tombstone.giver === giver);
    const surplus = own.sort((x, y) => y.at - x.at || y.peer - x.peer).slice(limit);
    for (const { peer } of surplus) this.#tombstones.delete(wordKey(giver, peer));
    return given(undefined);
  }
}

function pairKey(a: NodeId, b: NodeId): string {
  return a < b ? `${a}:${b}` : `${b}:${a}`;
}
function wordKey(giver: NodeId, peer: NodeId): string {
  return `${giver}>${peer}`;
}
