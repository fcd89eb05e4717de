import type { Instant, NodeId } from '../../base/units.ts';
import { HOUR, MAX_ATTEMPTS, MAX_HOSTS, MAX_PACKETS_PER_HOST, MAX_PACKETS_PER_HOUR } from './constants.ts';
import type { Strategy } from './strategy.ts';

const MAX_PEERS = 1_024;

/**
 * What punching may cost: attempts per peer, packets per host named and packets in all, each within an hour. Peers are
 * trusted to be talked to, not to make us send: whoever names a host, it is not sent more than its share.
 */
export class PunchBudget {
  readonly #attempts = new Map<NodeId, { strategy: Strategy; at: Instant }[]>();
  readonly #hosts = new Map<string, Spent>();
  readonly #all = new Spent();
  /** The attempt with many sockets that is under way: one at a time. */
  #manyOf: NodeId | undefined;

  /** True when another attempt may begin; counts it. */
  begin(peer: NodeId, strategy: Strategy, now: Instant): boolean {
    const recent = (this.#attempts.get(peer) ?? []).filter(({ at }) => now - at < HOUR);
    if (recent.filter((one) => one.strategy === strategy).length >= MAX_ATTEMPTS[strategy]) return false;
    if (!this.#attempts.has(peer)) limit(this.#attempts, MAX_PEERS - 1);
    this.#attempts.set(peer, [...recent, { strategy, at: now }]);
    return true;
  }

  /** True when one packet may go to this host; counts it. */
  spend(host: string, now: Instant): boolean {
    let spent = this.#hosts.get(host);
    if (spent === undefined) {
      // A host that was sent its share must not be forgotten for others to be named.
      if (this.#hosts.size >= MAX_HOSTS && !this.#makeRoom(now)) return false;
      spent = new Spent();
      this.#hosts.set(host, spent);
    }
    if (spent.within(now) >= MAX_PACKETS_PER_HOST || this.#all.within(now) >= MAX_PACKETS_PER_HOUR)
      return false;
    spent.add(now);
    this.#all.add(now);
    return true;
  }

  takeMany(peer: NodeId): boolean {
    if (this.#manyOf !== undefined && this.#manyOf !== peer) return false;
    this.#manyOf = peer;
    return true;
  }

  releaseMany(peer: NodeId): void {
    if (this.#manyOf === peer) this.#manyOf = undefined;
  }

  #makeRoom(now: Instant): boolean {
    for (const [host, spent] of this.#hosts) if (spent.within(now) === 0) this.#hosts.delete(host);
    return this.#hosts.size < MAX_HOSTS;
  }
}

/** A count over the last hour, in sixths: at most a sixth too strict. */
class Spent {
  readonly #counts = [0, 0, 0, 0, 0, 0];
  #slot = 0;

  add(now: Instant): void {
    this.#turn(now);
    this.#counts[this.#slot % 6]!++;
  }

  within(now: Instant): number {
    this.#turn(now);
    return this.#counts.reduce((sum, count) => sum + count, 0);
  }

  #turn(now: Instant): void {
    const slot = Math.floor(now / (HOUR / 6));
    for (let skipped = Math.min(6, slot - this.#slot); skipped > 0; skipped--)
      this.#counts[(slot - skipped + 1) % 6] = 0;
    this.#slot = Math.max(this.#slot, slot);
  }
}

function limit<K, V>(map: Map<K, V>, size: number): void {
  for (const oldest of map.keys()) {
    if (map.size <= size) return;
    map.delete(oldest);
  }
}
