import type { Tally } from '../../api/dashboard.ts';
import type { NodeId } from '../../base/units.ts';

/** Ids above this are not counted one by one: four bytes each. */
const LARGEST_ID = 16_000_000;

/** How many peers each node trusts, and that it exists: four bytes a node. */
export class Degrees {
  /** Peers of node `id`, plus one when it exists. */
  #counts = new Uint32Array(1024);
  #links = 0;

  get links(): number {
    return this.#links;
  }
  exists(id: NodeId): void {
    this.#add(id);
  }
  link(low: NodeId, high: NodeId): void {
    this.#links++;
    if (this.#known(low)) this.#add(low);
    if (this.#known(high)) this.#add(high);
  }
  /** Nodes by number of peers: 0, 1, 2, then doubling ranges. */
  tally(): Tally {
    const bins: number[] = [];
    for (const count of this.#counts) {
      if (count === 0) continue;
      const bin = binOf(count - 1);
      bins[bin] = (bins[bin] ?? 0) + 1;
    }
    return Array.from(bins, (count, bin) => [binName(bin), count ?? 0] as const);
  }
  /** The ids with the most peers, of those with any. */
  hubs(limit: number): NodeId[] {
    const best: { id: NodeId; count: number }[] = [];
    let least = 1;
    for (let id = 1; id < this.#counts.length; id++) {
      const count = this.#counts[id]!;
      if (count <= least) continue;
      best.push({ id, count });
      if (best.length < limit * 8) continue;
      best.sort((a, b) => b.count - a.count).length = limit;
      least = best.at(-1)!.count;
    }
    return best
      .sort((a, b) => b.count - a.count || a.id - b.id)
      .slice(0, limit)
      .map(({ id }) => id);
  }

  #known(id: NodeId): boolean {
    return (this.#counts[id] ?? 0) > 0;
  }
  #add(id: NodeId): void {
    if (id > LARGEST_ID) return;
    if (id >= this.#counts.length) {
      const grown = new Uint32Array(Math.min(LARGEST_ID + 1, Math.max(id + 1, this.#counts.length * 2)));
      grown.set(this.#counts);
      this.#counts = grown;
    }
    this.#counts[id]!++;
  }
}

function binOf(degree: number): number {
  return degree < 3 ? degree : Math.ceil(Math.log2(degree)) + 1;
}
function binName(bin: number): string {
  if (bin < 3) return String(bin);
  return `${2 ** (bin - 2) + 1}–${2 ** (bin - 1)}`;
}
