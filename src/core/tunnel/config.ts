import type { Crypto, SigningKey } from '../../base/crypto.ts';
import type { Random } from '../../base/random.ts';
import type { Endpoint, Millis, NodeId } from '../../base/units.ts';
import { PATH_DEFAULTS, type PathConfig } from '../path/constants.ts';
import { SESSION_DEFAULTS, type SessionConfig } from '../session/constants.ts';

import type { Admits } from './types.ts';

export interface TunnelConfig extends SessionConfig, PathConfig {
  /**
   * How long direct paths have the field for themselves before the relay is tried too. Lower connects sooner where no
   * direct path exists; higher keeps more old peers, which stay with the relay once they saw it, on direct paths. @default 250 ms
   */
  readonly relayAfter: Millis;
  /** We relay for peers whom we trust, and tell them so. @default false */
  readonly relaysForPeers: boolean;
  /**
   * Interval of registrations at the beacons, varied at random by a tenth. It is also how long a NAT that restarted may
   * keep others from reaching a node that has nothing to say itself. @default 7 s
   */
  readonly discoverEvery: Millis;
  /** Peers kept; the longest unused go first. @default 4096 */
  readonly maxPeers: number;
  /** Peers kept that contacted us and have not proven a key yet. @default 256 */
  readonly maxStrangers: number;
}

export const TUNNEL_DEFAULTS: TunnelConfig = {
  ...SESSION_DEFAULTS,
  ...PATH_DEFAULTS,
  relayAfter: 250,
  relaysForPeers: false,
  discoverEvery: 7_000,
  maxPeers: 4096,
  maxStrangers: 256,
};

export interface TunnelOptions {
  readonly crypto: Crypto;
  readonly random: Random;
  readonly identity: SigningKey;
  readonly beacons: readonly Endpoint[];
  readonly config?: Partial<TunnelConfig>;
  /** Peers whose signed documents only a node of ours makes: relayed at once. @default none */
  readonly isOurs?: (peer: NodeId) => boolean;
  /**
   * Packets leave in trains (`transmit` with `segment`), whose bytes are the tunnel's again after `departed`.
   * @default each datagram is an output, and its bytes are the owner's
   */
  readonly trains?: boolean;
  /** Who may learn that this node exists. @default everybody */
  readonly admission?: Admits;
}
