import { sameEndpoint } from '../../base/endpoint.ts';
import type { Endpoint, NodeId } from '../../base/units.ts';

/** Beacons kept per peer, and peers; the longest unheard of give way. Chosen. */
const MAX_BEACONS = 4;
const MAX_PEERS = 4_096;

/** At which beacons peers say to be registered. */
export class PeerBeacons {
  readonly #beacons = new Map<NodeId, readonly Endpoint[]>();

  get(peer: NodeId): readonly Endpoint[] | undefined {
    return this.#beacons.get(peer);
  }

  /** True when that is news. */
  set(peer: NodeId, beacons: readonly Endpoint[]): boolean {
    const known = this.#beacons.get(peer);
    const kept = beacons.filter(({ port }) => port !== 0).slice(0, MAX_BEACONS);
    this.#beacons.delete(peer);
    for (const oldest of this.#beacons.keys()) {
      if (this.#beacons.size < MAX_PEERS) break;
      this.#beacons.delete(oldest);
    }
    this.#beacons.set(peer, kept);
    return kept.length !== known?.length || kept.some((one, at) => !sameEndpoint(one, known[at]!));
  }
}
