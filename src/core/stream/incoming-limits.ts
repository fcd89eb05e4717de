import type { Instant, NodeId, Port } from '../../base/units.ts';
import type { IncomingConfig } from './config.ts';
import { SourceLimiter } from './token-bucket.ts';

/** How fast streams may be opened to us and how many may be live, for peers of one kind. */
class Allowance {
  readonly config: IncomingConfig;
  readonly openings: SourceLimiter;
  readonly perPort = new Map<Port, number>();

  constructor(config: IncomingConfig) {
    this.config = config;
    this.openings = new SourceLimiter(config.synLimits);
  }
}

/** What peers may open here; strangers, whom a public node lets in, far less than those it knows, and apart from them. */
export class IncomingLimits {
  readonly #known: Allowance;
  readonly #strangers: Allowance;
  readonly #isKnown: (node: NodeId, now: Instant) => boolean;
  /** By port and peer, with what they were counted under. */
  readonly #live = new Map<string, { count: number; readonly under: Allowance }>();

  constructor(
    known: IncomingConfig,
    strangers: IncomingConfig,
    isKnown: (node: NodeId, now: Instant) => boolean,
  ) {
    this.#known = new Allowance(known);
    this.#strangers = new Allowance(strangers);
    this.#isKnown = isKnown;
  }

  /** One more stream of a peer to a port; `late`: it comes too soon after others and gets no answer. */
  admits(port: Port, node: NodeId, now: Instant): 'yes' | 'late' | 'full' {
    const allowance = this.#of(node, now);
    if (!allowance.openings.take(node, now)) return 'late';
    const { maxPerPort, maxPerPeer } = allowance.config;
    const isRoom =
      (allowance.perPort.get(port) ?? 0) < maxPerPort &&
      (this.#live.get(keyOf(port, node))?.count ?? 0) < maxPerPeer;
    return isRoom ? 'yes' : 'full';
  }

  opened(port: Port, node: NodeId, now: Instant): void {
    const key = keyOf(port, node);
    let live = this.#live.get(key);
    if (live === undefined) this.#live.set(key, (live = { count: 0, under: this.#of(node, now) }));
    live.count++;
    const { perPort } = live.under;
    perPort.set(port, (perPort.get(port) ?? 0) + 1);
  }

  ended(port: Port, node: NodeId): void {
    const key = keyOf(port, node);
    const live = this.#live.get(key);
    if (live === undefined) return;
    if (--live.count === 0) this.#live.delete(key);
    const { perPort } = live.under;
    const left = (perPort.get(port) ?? 0) - 1;
    if (left > 0) perPort.set(port, left);
    else perPort.delete(port);
  }

  #of(node: NodeId, now: Instant): Allowance {
    return this.#isKnown(node, now) ? this.#known : this.#strangers;
  }
}

function keyOf(port: Port, node: NodeId): string {
  return `${port} ${node}`;
}
