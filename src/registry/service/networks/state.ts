import type { Clock } from '../../../runtime/ports.ts';
import type { RegistryConfig } from '../../config.ts';
import type { Store } from '../../store/store.ts';
import { Budget } from '../budget.ts';
import type { Subscribers } from '../subscribers.ts';
import { NetworkAnnouncer } from './announcer.ts';

/** What the requests about networks share. */
export class NetworkState {
  /** New networks, by network source: their ids are never given again. */
  readonly creations: Budget;
  /** New networks of all together. */
  readonly allCreations: Budget;
  /** Wrong join tokens, by network source and by node. */
  readonly attempts: Budget;
  readonly announcer: NetworkAnnouncer;

  constructor(config: RegistryConfig, store: Store, subscribers: Subscribers, clock: Clock) {
    this.creations = new Budget(config.newNetworksPerHost);
    this.allCreations = new Budget(config.newNetworks);
    this.attempts = new Budget(config.joinAttempts);
    this.announcer = new NetworkAnnouncer(store, subscribers, clock);
  }
}
