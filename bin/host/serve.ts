import { asPilotError } from '../../src/api/errors.ts';
import { formatEndpoint } from '../../src/base/endpoint.ts';
import type { Endpoint } from '../../src/base/units.ts';
import type { Host } from '../../src/cli/host.ts';
import { httpPost } from '../../src/platform/index.ts';
import type {
  FileHolder,
  RegistryConfig,
  RegistryService,
  ServerCertificate,
} from '../../src/registry/index.ts';
import { sharedCertificate } from '../../src/registry/index.ts';
import { openEmbeddedStore } from '../../src/registry/store/embedded.ts';
import { openPostgresStore, type PostgresStore } from '../../src/registry/store/postgres.ts';
import { backupOperations } from '../../src/rendezvous/backup-operations.ts';
import { serveControl } from '../../src/rendezvous/control.ts';
import { operatorOperations } from '../../src/rendezvous/operator-operations.ts';
import { type Rendezvous, startRendezvous } from '../../src/rendezvous/rendezvous.ts';
import type { Log, PipeServer } from '../../src/runtime/ports.ts';
import { pageFiles } from './page-files.ts';

/** What is served, and where. */
export interface ServeOptions {
  readonly host: Host;
  readonly log: Log;
  /** Directory of the durable store and the key. */
  readonly store: string;
  /** URL of a database that holds the facts, and the key of all instances, instead. */
  readonly database?: string | undefined;
  readonly registry: Endpoint;
  readonly beacon: Endpoint;
  /** Second port of the beacon. @default the port after the next, when it is free */
  readonly beaconAlternate?: Endpoint | undefined;
  /** Where WebSockets without TLS are taken, for a front; and the URL at which that front is. */
  readonly webSocket?: Endpoint | undefined;
  readonly webSocketUrl?: string | undefined;
  /** Where health, metrics and the dashboard are served. @default nowhere */
  readonly http?: Endpoint | undefined;
  /** Host to announce the beacon under; undefined: clients take the host they reached the registry at. */
  readonly publicHost?: string | undefined;
  /** Socket for orders of this user. @default none */
  readonly control?: string | undefined;
  /** Shown instead of one that is made and kept beside the store. */
  readonly certificate?: ServerCertificate | undefined;
  readonly config?: Partial<RegistryConfig>;
}

/** A registry and beacon on the durable store in a directory, with the key that lies beside it. */
export async function serve(options: ServeOptions): Promise<Rendezvous> {
  const { host, log } = options;
  const { net, clock, random, crypto } = host;
  const storage = host.storage(options.store);
  const { embedded, shared } = await openStore(options);
  const store = embedded ?? shared;
  try {
    const serving = await startRendezvous({
      net,
      clock,
      random,
      crypto,
      log,
      storage,
      store,
      tls:
        options.certificate ??
        (shared === undefined ? 'persisted' : await sharedCertificate({ store: shared, crypto, clock })),
      registryBind: options.registry,
      beaconBind: options.beacon,
      beaconAlternateBind: options.beaconAlternate ?? secondPort(options.beacon),
      beaconAlternateOptional: options.beaconAlternate === undefined,
      webSocketBind: options.webSocket,
      carriers: carriersOf(options),
      post: httpPost(),
      http: options.http && { bind: options.http, version: host.version, page: await pageFiles() },
      config: {
        ...(options.publicHost !== undefined && {
          beacons: [{ host: options.publicHost, port: options.beacon.port }],
        }),
        ...options.config,
      },
    });
    const control =
      options.control && (await openControl(options.control, options, serving.service, embedded));
    return {
      ...serving,
      async close() {
        if (control) await control.close();
        await serving.close();
        await store.close();
      },
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}

type Opened =
  | { readonly embedded: Awaited<ReturnType<typeof openEmbeddedStore>>; readonly shared?: undefined }
  | { readonly embedded?: undefined; readonly shared: PostgresStore };

async function openStore({ host, log, store, database }: ServeOptions): Promise<Opened> {
  const { clock, random } = host;
  if (database === undefined)
    return { embedded: await openEmbeddedStore({ path: `${store}/registry.db`, clock, log }) };
  return {
    shared: await openPostgresStore({ url: database, clock, log, random: () => random.fraction() }),
  };
}

/** Without it a rendezvous still serves: a path may be too long for a socket. */
async function openControl(
  path: string,
  { host, log, store: directory }: ServeOptions,
  service: RegistryService,
  embedded: FileHolder | undefined,
): Promise<PipeServer | undefined> {
  try {
    const operations = {
      ...operatorOperations(service),
      ...backupOperations(embedded, directory),
    };
    return await serveControl({ net: host.net, path, operations });
  } catch (error) {
    log.event('warn', 'rendezvous.no_control', { path, error: asPilotError(error).message });
    return undefined;
  }
}

function secondPort({ host, port }: Endpoint): Endpoint {
  return { host, port: port === 0 || port > 65_533 ? 0 : port + 2 };
}

/** The registry's own port in any case; a wildcard host is where the node reached the registry. */
function carriersOf({ registry, publicHost, webSocketUrl }: ServeOptions): string[] | undefined {
  if (registry.port === 0) return undefined;
  const own = formatEndpoint({ host: publicHost ?? registry.host, port: registry.port });
  return webSocketUrl === undefined ? [own] : [webSocketUrl, own];
}
