import type { NodeId, UnixMillis } from '../../base/units.ts';
import { lastsBeyond } from './rules.ts';
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

  pair(a: NodeId, b: NodeId): TrustPair | undefined {
    return this.#pairs.get(pairKey(a, b));
  }
  putPair(a: NodeId, b: NodeId, pair: TrustPair): void {
    this.#pairs.set(pairKey(a, b), { ...pair, low: Math.min(a, b), high: Math.max(a, b) });
  }
  dropPair(a: NodeId, b: NodeId): boolean {
    return this.#pairs.delete(pairKey(a, b));
  }

  half(giver: NodeId, peer: NodeId): TrustHalf | undefined {
    return this.#halves.get(wordKey(giver, peer));
  }
  putHalf(giver: NodeId, peer: NodeId, half: TrustHalf): void {
    this.#halves.set(wordKey(giver, peer), half);
  }
  dropHalf(giver: NodeId, peer: NodeId): boolean {
    return this.#halves.delete(wordKey(giver, peer));
  }

  tombstone(giver: NodeId, peer: NodeId): TrustTombstone | undefined {
    return this.#tombstones.get(wordKey(giver, peer));
  }
  putTombstone(giver: NodeId, peer: NodeId, tombstone: TrustTombstone): void {
    this.#tombstones.set(wordKey(giver, peer), { ...tombstone, giver, peer });
  }
  trimTombstones(giver: NodeId, limit: number): void {
    const own = [...this.#tombstones.values()].filter((tombstone) => tombstone.giver === giver);
    const surplus = own.sort((x, y) => y.at - x.at || y.peer - x.peer).slice(limit);
    for (const { peer } of surplus) this.#tombstones.delete(wordKey(giver, peer));
  }
}

function pairKey(a: NodeId, b: NodeId): string {
  return a < b ? `${a}:${b}` : `${b}:${a}`;
}
function wordKey(giver: NodeId, peer: NodeId): string {
  return `${giver}>${peer}`;
}
