import { createHash, X509Certificate } from 'node:crypto';
import { PilotError } from '../../src/api/errors.ts';
import { fromUtf8, utf8 } from '../../src/base/bytes.ts';
import type { Endpoint } from '../../src/base/units.ts';
import type { Host } from '../../src/cli/host.ts';
import { openEmbeddedStore } from '../../src/registry/store/embedded.ts';
import { type Rendezvous, startRendezvous } from '../../src/rendezvous/rendezvous.ts';
import type { Log, Storage, TlsServerOptions } from '../../src/runtime/ports.ts';

/** What is served, and where. */
export interface ServeOptions {
  readonly host: Host;
  readonly log: Log;
  /** Directory of the durable store and the key. */
  readonly store: string;
  readonly registry: Endpoint;
  readonly beacon: Endpoint;
  /** Host to announce the beacon under; undefined: clients take the host they reached the registry at. */
  readonly publicHost?: string | undefined;
}

/** A registry and beacon on the durable store in a directory, with the key that lies beside it. */
export async function serve(options: ServeOptions): Promise<Rendezvous> {
  const { host, log } = options;
  const { net, clock, random, crypto } = host;
  const storage = host.storage(options.store);
  const tls = await loadKey(storage);
  const store = await openEmbeddedStore({ path: `${options.store}/registry.db`, clock, log });
  try {
    const serving = await startRendezvous({
      net,
      clock,
      random,
      crypto,
      log,
      storage,
      store,
      tls,
      registryBind: options.registry,
      beaconBind: options.beacon,
      ...(options.publicHost !== undefined && {
        config: { beacons: [{ host: options.publicHost, port: options.beacon.port }] },
      }),
    });
    return {
      ...serving,
      async close() {
        await serving.close();
        await store.close();
      },
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}

const KEY_FILE = 'tls.json';
/** Clients pin the key; the date only has to outlive the registry. */
const YEARS = 30;

/** The key this registry is known by, made at the first start. Errors: `state_corrupt`. */
async function loadKey(storage: Storage): Promise<TlsServerOptions & { fingerprint: string }> {
  const bytes = await storage.read(KEY_FILE);
  if (bytes === undefined) {
    const made = await makeKey();
    await storage.replace(KEY_FILE, utf8(`${JSON.stringify(made, null, 2)}\n`));
    return { ...made, fingerprint: fingerprint(made.certificate) };
  }
  try {
    const { certificate, privateKey } = JSON.parse(fromUtf8(bytes)) as TlsServerOptions;
    return { certificate, privateKey, fingerprint: fingerprint(certificate) };
  } catch (cause) {
    const file = storage.describe(KEY_FILE);
    throw new PilotError('state_corrupt', `Cannot read ${file}: not a key and certificate`, {
      hint: 'restore it from a backup: every machine of the network has pinned this key',
      cause,
    });
  }
}

async function makeKey(): Promise<TlsServerOptions> {
  const { generate } = await import('selfsigned');
  const notAfterDate = new Date();
  notAfterDate.setFullYear(notAfterDate.getFullYear() + YEARS);
  const made = await generate([{ name: 'commonName', value: 'pilot-registry' }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    notAfterDate,
  });
  return { certificate: made.cert, privateKey: made.private };
}

function fingerprint(certificate: string): string {
  return createHash('sha256').update(new X509Certificate(certificate).raw).digest('hex');
}
