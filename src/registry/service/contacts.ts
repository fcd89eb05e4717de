import type { Instant, Millis, NodeId } from '../../base/units.ts';

/** How long somebody who was contacted may know who did it. */
const LIFETIME: Millis = 10 * 60 * 1000;
/** Nodes remembered per contacting node, and contacting nodes; beyond that the longest silent go. */
const PER_NODE = 256;
const MAX_NODES = 20_000;

/** Who lately named whom in a request of its own. Soft: in memory, bounded, no harm when forgotten. */
export class Contacts {
  readonly #byNode = new Map<NodeId, Map<NodeId, Instant>>();

  /** `from` asked for `to`. */
  note(from: NodeId, to: NodeId, now: Instant): void {
    const named = this.#byNode.get(from) ?? new Map<NodeId, Instant>();
    this.#byNode.delete(from);
    this.#byNode.set(from, named);
    named.delete(to);
    named.set(to, now);
    dropOldest(named, PER_NODE);
    dropOldest(this.#byNode, MAX_NODES);
  }

  /** True when `from` asked for `to` in the last minutes. */
  has(from: NodeId, to: NodeId, now: Instant): boolean {
    const at = this.#byNode.get(from)?.get(to);
    return at !== undefined && now - at < LIFETIME;
  }
}

function dropOldest<Key>(map: Map<Key, unknown>, limit: number): void {
  if (map.size <= limit) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}
