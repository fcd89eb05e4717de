import type { Cause } from '../../api/causes.ts';
import type { Endpoint, Millis } from '../../base/units.ts';

/** What is known of a beacon. */
export interface BeaconFacts {
  readonly endpoint: Endpoint;
  /** It answers, or its carrier is up. */
  readonly usable: boolean;
  /** Our endpoint as it sees it. */
  readonly observed: Endpoint | undefined;
  readonly rtt: Millis | undefined;
}

/** What this node knows of itself, as far as it bears on reaching others. */
export interface OwnFacts {
  /** The registry gave us a node id, in this run or an earlier one. */
  readonly registered: boolean;
  readonly relayOnly: boolean;
  /** It is set to use byte streams only. */
  readonly streamsOnly: boolean;
  readonly registry: 'connected' | 'unreachable';
  readonly beacons: readonly BeaconFacts[];
  /** IP literals of the interfaces that are up, loopback excluded. */
  readonly addresses: readonly string[];
  /** Why the way over TCP 443 failed last; undefined while it works, or is not needed. */
  readonly carrierProblem: Extract<Cause, 'proxy_auth_failed' | 'carrier_failed'> | undefined;
}

/** What others say about the peer. */
export interface AboutPeer {
  readonly relation: 'self' | 'allowed' | 'asked' | 'none' | 'unknown';
  /** `refused`: the registry says there is no such node, or tells us nothing of it. */
  readonly directory: 'found' | 'refused' | 'unknown';
  /** Heard by the registry in the last minutes. */
  readonly online: boolean | undefined;
  /** It is registered without an endpoint. */
  readonly relayOnly: boolean;
  readonly identityChanged: boolean;
  /** It takes part in the exchange of candidates; undefined while that is not known. */
  readonly speaksPaths: boolean | undefined;
}
