import type { Crypto } from '../base/crypto.ts';
import type { Random } from '../base/random.ts';
import type { Bytes, Endpoint, Instant, NodeId } from '../base/units.ts';
import { BEACON } from '../wire/beacon.ts';
import { Relay } from './relay/relay.ts';
import type { RelayStats } from './relay/types.ts';

/** Peers that are relayed at a time. Chosen. */
const MAX_NODES = 256;
/** What one of them may relay is a quarter of the whole. Chosen. */
const SHARE = 0.25;

export interface PeerRelayOptions {
  readonly crypto: Crypto;
  readonly random: Random;
  /** Bytes a second for all together. */
  readonly rate: Bytes;
  /** The pinned key of a peer that we trust; undefined for everybody else. */
  keyOf(node: NodeId): Uint8Array | undefined;
  transmit(to: Endpoint, data: Uint8Array): void;
}

/**
 * A beacon on the tunnel's own socket for peers that we trust: they prove who they are against our own book of trust,
 * nobody else is registered, and all together may relay so much. docs/decisions/0018
 */
export class PeerRelay {
  readonly #relay: Relay;
  readonly #options: PeerRelayOptions;

  constructor(options: PeerRelayOptions) {
    this.#options = options;
    this.#relay = new Relay({
      crypto: options.crypto,
      random: options.random,
      config: {
        proofOnly: true,
        maxNodes: MAX_NODES,
        relayRate: options.rate * SHARE,
        totalRate: options.rate,
      },
    });
  }

  /** True when the datagram was one for a beacon: a node never gets such for itself. */
  handleDatagram(from: Endpoint, data: Uint8Array, now: Instant): boolean {
    const type = data[0];
    if (type !== BEACON.discover && type !== BEACON.punchRequest && type !== BEACON.relay) return false;
    this.#relay.handleDatagram(from, data, now);
    this.#drain(now);
    return true;
  }

  /** We trust the peer no longer. */
  forget(node: NodeId): void {
    this.#relay.forget(node);
  }

  handleTimeout(now: Instant): void {
    this.#relay.handleTimeout(now);
    this.#drain(now);
  }

  nextTimeout(): Instant | undefined {
    return this.#relay.nextTimeout();
  }

  stats(): RelayStats {
    return this.#relay.stats();
  }

  #drain(now: Instant): void {
    for (let output = this.#relay.poll(); output !== undefined; output = this.#relay.poll()) {
      if (output.type === 'transmit') this.#options.transmit(output.to, output.data);
      else if (output.type === 'needKey')
        this.#relay.identityKey(output.node, this.#options.keyOf(output.node), now, output.claimed);
    }
  }
}
