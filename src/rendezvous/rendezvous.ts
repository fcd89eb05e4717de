/** Registry and beacon in one process. */
import type { Crypto } from '../base/crypto.ts';
import type { Random } from '../base/random.ts';
import type { Endpoint } from '../base/units.ts';
import { type Beacon, startBeacon } from '../beacon/index.ts';
import {
  createRegistryService,
  memoryStore,
  persistedCertificate,
  type RegistryConfig,
  RegistryServer,
  type RegistryService,
  type Store,
} from '../registry/index.ts';
import type { Clock, Log, Net, Storage, TlsServerOptions } from '../runtime/ports.ts';

export interface RendezvousOptions {
  readonly net: Net;
  readonly clock: Clock;
  readonly random: Random;
  readonly crypto: Crypto;
  readonly log: Log;
  /** Holds the certificate's key when `tls` is `'persisted'`. */
  readonly storage: Storage;
  readonly registryBind: Endpoint;
  readonly beaconBind: Endpoint;
  /** A second port of the beacon, from which nodes learn how their NAT behaves. @default none */
  readonly beaconAlternateBind?: Endpoint | undefined;
  /** Go on without it when it is taken. @default false */
  readonly beaconAlternateOptional?: boolean;
  /** Where facts are kept. @default a memory store: everything is lost at the end */
  readonly store?: Store;
  /**
   * With it the registry speaks TLS and plaintext on one port. `'persisted'` takes the certificate in `storage`,
   * making one at the first start. @default plaintext only
   */
  readonly tls?: 'persisted' | (TlsServerOptions & { readonly fingerprint: string });
  readonly config?: Partial<RegistryConfig>;
  /** Puts something between clients and the registry: tests let it lie. */
  readonly decorate?: (service: RegistryService) => RegistryService;
}

export interface Rendezvous {
  readonly registryEndpoint: Endpoint;
  readonly beaconEndpoint: Endpoint;
  /** SHA-256 of the registry's certificate, lower-case hex; empty without TLS. */
  readonly fingerprint: string;
  readonly beacon: Beacon;
  close(): Promise<void>;
}

/** Errors: `port_in_use`, `io_error`, `state_corrupt`, `disk_full`. */
export async function startRendezvous(options: RendezvousOptions): Promise<Rendezvous> {
  const { net, clock, random, crypto, log, storage } = options;
  const tls =
    options.tls === 'persisted' ? await persistedCertificate({ storage, crypto, clock }) : options.tls;
  const fingerprint = tls?.fingerprint ?? '';
  const store = options.store ?? memoryStore();
  const lookup: { key: (node: number) => Promise<Uint8Array | undefined> } = { key: async () => undefined };
  const beacon = await startBeacon({
    net,
    clock,
    random: random.fork('beacon'),
    crypto,
    log,
    bind: options.beaconBind,
    alternateBind: options.beaconAlternateBind,
    alternateOptional: options.beaconAlternateOptional ?? false,
    lookupKey: (node) => lookup.key(node),
  });
  const service = createRegistryService({
    store,
    clock,
    random: random.fork('registry'),
    crypto,
    log,
    config: { beacons: [beacon.endpoint], fingerprint, ...options.config },
  });
  lookup.key = (node) => service.identityKey(node);
  const server = await RegistryServer.listen({
    net,
    clock,
    log,
    service: options.decorate?.(service) ?? service,
    bind: options.registryBind,
    ...(tls && { tls }),
  }).catch(async (error: unknown) => {
    await beacon.close();
    throw error;
  });
  return {
    registryEndpoint: server.endpoint,
    beaconEndpoint: beacon.endpoint,
    fingerprint,
    beacon,
    async close() {
      await server.close();
      await beacon.close();
    },
  };
}
