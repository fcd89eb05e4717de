import type { NodeId } from '../../base/units.ts';

/** Peers that were found out to be of ours, or not; the longest unheard are forgotten. */
export class KnownOurs {
  readonly #limit: number;
  readonly #known = new Map<NodeId, boolean>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  get(peer: NodeId): boolean | undefined {
    return this.#known.get(peer);
  }

  set(peer: NodeId, ours: boolean): void {
    this.#known.delete(peer);
    if (this.#known.size >= this.#limit) {
      for (const oldest of this.#known.keys()) {
        this.#known.delete(oldest);
        break;
      }
    }
    this.#known.set(peer, ours);
  }
}
