import type { Instant, Millis, NodeId } from '../../base/units.ts';
import type { Bus } from '../store/store.ts';

/** How long somebody who was contacted may know who did it. */
const LIFETIME: Millis = 10 * 60 * 1000;
/** Others are told again after this long. */
const RENEW: Millis = 60_000;
/** Nodes remembered per contacting node, and contacting nodes; beyond that the longest silent go. */
const PER_NODE = 256;
const MAX_NODES = 20_000;

/** Who lately named whom in a request of its own. Soft: in memory, bounded, no harm when forgotten. */
export class Contacts {
  readonly #bus: Bus | undefined;
  readonly #byNode = new Map<NodeId, Map<NodeId, Instant>>();

  /** `bus` tells other processes. */
  constructor(bus?: Bus) {
    this.#bus = bus;
  }

  /** `from` asked for `to`. */
  note(from: NodeId, to: NodeId, now: Instant): void {
    // Whoever asks again within a moment tells nothing new.
    if (!this.has(from, to, now - RENEW + LIFETIME)) this.#bus?.publish({ kind: 'contact', from, to });
    this.noteHere(from, to, now);
  }
  /** As `note`, without telling others. */
  noteHere(from: NodeId, to: NodeId, now: Instant): void {
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
