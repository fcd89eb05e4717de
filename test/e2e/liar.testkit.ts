/** A registry that tells the truth until it is told to lie: the real one, with something in between. */
import { join } from 'node:path';
import type { Endpoint } from '../../src/base/units.ts';
import {
  nodeClock,
  nodeCrypto,
  nodeLog,
  nodeNet,
  nodeRandom,
  nodeStorage,
} from '../../src/platform/index.ts';
import { openEmbeddedStore, type RegistryService, type Store } from '../../src/registry/index.ts';
import { type Rendezvous, startRendezvous } from '../../src/rendezvous/rendezvous.ts';
import type { Json } from './attacks-stranger.testkit.ts';

/** Answers in place of the registry; `truth` asks the real one, with another request if wanted. */
export type Lie = (request: Json, truth: (request?: Json) => Promise<Json>) => Promise<Json> | Json;

export class LyingRegistry {
  readonly #rendezvous: Rendezvous;
  readonly #lies: Map<string, Lie>;
  /** Keys the beacon is told instead of the true ones. */
  readonly #keys: Map<number, Uint8Array>;
  readonly store: Store;

  static async open(directory: string): Promise<LyingRegistry> {
    const lies = new Map<string, Lie>();
    const keys = new Map<number, Uint8Array>();
    const clock = nodeClock();
    const log = nodeLog({ level: 'error', destination: join(directory, 'liar.log') });
    const store = await openEmbeddedStore({ path: join(directory, 'registry.db'), clock, log });
    const rendezvous = await startRendezvous({
      net: nodeNet(),
      clock,
      random: nodeRandom(),
      crypto: nodeCrypto(),
      log,
      storage: nodeStorage(directory),
      store,
      registryBind: { host: '127.0.0.1', port: 0 },
      beaconBind: { host: '127.0.0.1', port: 0 },
      tls: 'persisted',
      decorate: (service) => lying(service, lies, keys),
    });
    return new LyingRegistry(rendezvous, lies, keys, store);
  }

  private constructor(
    rendezvous: Rendezvous,
    lies: Map<string, Lie>,
    keys: Map<number, Uint8Array>,
    store: Store,
  ) {
    this.#keys = keys;
    this.#rendezvous = rendezvous;
    this.#lies = lies;
    this.store = store;
  }

  get registry(): Endpoint {
    return this.#rendezvous.registryEndpoint;
  }
  get beacon(): Endpoint {
    return this.#rendezvous.beaconEndpoint;
  }
  get fingerprint(): string {
    return this.#rendezvous.fingerprint;
  }

  /** From now on, every request of this type is answered by the lie. */
  lieAbout(type: string, lie: Lie): void {
    this.#lies.set(type, lie);
  }

  /** The beacon takes a node for real when it proves this key. */
  lieAboutKey(node: number, key: Uint8Array): void {
    this.#keys.set(node, key);
  }

  tellTheTruth(): void {
    this.#lies.clear();
    this.#keys.clear();
  }

  async close(): Promise<void> {
    await this.#rendezvous.close();
    await this.store.close();
  }
}

function lying(
  service: RegistryService,
  lies: ReadonlyMap<string, Lie>,
  keys: ReadonlyMap<number, Uint8Array>,
): RegistryService {
  return {
    ...service,
    identityKey: async (node) => keys.get(node) ?? service.identityKey(node),
    async handle(request, context) {
      const asked = request as Json;
      const truth = async (changed: Json = asked): Promise<Json> =>
        (await service.handle(changed, context)) as Json;
      const lie = lies.get(String(asked.type));
      if (lie === undefined) return service.handle(request, context);
      const answer = await lie(asked, truth);
      return {
        ...answer,
        ...(asked.request_id !== undefined && { request_id: asked.request_id }),
      } as Awaited<ReturnType<RegistryService['handle']>>;
    },
  };
}
