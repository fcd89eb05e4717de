import type { Acceleration } from '../api/acceleration.ts';
import type { Crypto } from '../base/crypto.ts';
import type { Random } from '../base/random.ts';
import type { Clock, Log, Net, Storage } from '../runtime/ports.ts';
import type { DaemonConfig } from './config.ts';
import type { RegistryClient } from './registry-client.ts';

export interface DaemonOptions {
  readonly net: Net;
  readonly clock: Clock;
  readonly random: Random;
  readonly crypto: Crypto;
  /** What the ports above are made of, for those who ask. */
  readonly acceleration?: Acceleration;
  readonly log: Log;
  /** The daemon's own directory. */
  readonly storage: Storage;
  readonly config: DaemonConfig;
  /** The proxy that TCP connections last went through, without credentials; undefined when direct. */
  readonly proxy?: () => string | undefined;
  /** Replaces the client of the registry, in tests. */
  readonly registry?: RegistryClient;
}
