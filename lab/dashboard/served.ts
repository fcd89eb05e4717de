import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pageFiles } from '../../bin/host/page-files.ts';
import { formatEndpoint } from '../../src/base/endpoint.ts';
import type { Endpoint } from '../../src/base/units.ts';
import { startBeacon } from '../../src/beacon/index.ts';
import { nodeClock, nodeCrypto, nodeNet, nodeRandom, nodeStorage } from '../../src/platform/index.ts';
import { SampleHistory } from '../../src/registry/http/history.ts';
import { memoryStore, type Store } from '../../src/registry/index.ts';
import { openEmbeddedStore } from '../../src/registry/store/embedded.ts';
import { type Rendezvous, startRendezvous } from '../../src/rendezvous/rendezvous.ts';
import { type MadeNetwork, makeNetwork } from './network.ts';

export const TOKEN = 'a token for tests and pictures';

export interface Served {
  readonly url: string;
  readonly registryPort: number;
  /** Of the beacon beside the registry. */
  readonly beaconPort: number;
  /** Stops the registry, and starts another on the same store and port of the page. */
  stop(): Promise<void>;
  startAgain(): Promise<void>;
  readonly store: Store;
  readonly made: MadeNetwork;
  /** Ports of the other beacons. */
  readonly beacons: readonly number[];
  close(): Promise<void>;
}

export interface ServedOptions {
  readonly nodes: number;
  /** Or one that is open, which is then left so. @default 'memory' */
  readonly store?: 'memory' | 'embedded' | Store;
  readonly trust?: number;
  /** Beacons besides the one of the registry. @default 0 */
  readonly beacons?: number;
  /** Begin with curves of a month that was not. @default false */
  readonly past?: boolean;
}

/** A registry with a made-up network and its dashboard, on a free port of this machine. */
export async function serveNetwork(options: ServedOptions): Promise<Served> {
  const { nodes, store: kind = 'memory', trust, past = false, beacons = 0 } = options;
  const directory = await mkdtemp(join(tmpdir(), 'pilot-dashboard-'));
  const clock = nodeClock();
  const log = { event() {} };
  const store =
    typeof kind === 'object'
      ? kind
      : kind === 'memory'
        ? memoryStore()
        : await openEmbeddedStore({ path: join(directory, 'registry.db'), clock, log });
  const storage = nodeStorage(directory);
  const now = clock.wallNow();
  const here = { host: '127.0.0.1', port: 0 };
  const [net, random, crypto] = [nodeNet(), nodeRandom(), nodeCrypto()];
  const others = await Promise.all(
    Array.from({ length: beacons }, () => startBeacon({ net, clock, random, crypto, log, bind: here })),
  );
  const made = await makeNetwork({
    store,
    nodes,
    now,
    beacons: others.map(({ endpoint }) => formatEndpoint(endpoint)),
    ...(trust !== undefined && { trust }),
  });
  if (past) await madeUpPast(nodes, made.links, now).save(storage);
  const page = await pageFiles();
  const start = (http: Endpoint): Promise<Rendezvous> =>
    startRendezvous({
      ...{ net, clock, random, crypto, log },
      storage,
      store,
      registryBind: here,
      beaconBind: here,
      config: { adminToken: TOKEN },
      http: { bind: http, version: '0.0.0', page },
    });
  let rendezvous = await start(here);
  const bound = rendezvous.httpEndpoint!;
  return {
    url: `http://127.0.0.1:${bound.port}`,
    registryPort: rendezvous.registryEndpoint.port,
    beaconPort: rendezvous.beaconEndpoint.port,
    stop: () => rendezvous.close(),
    async startAgain() {
      rendezvous = await start(bound);
    },
    beacons: others.map(({ endpoint }) => endpoint.port),
    store,
    made,
    async close() {
      await rendezvous.close();
      for (const beacon of others) await beacon.close();
      if (typeof kind === 'string') await store.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** A network that grows, by day and by night. */
function madeUpPast(nodes: number, links: number, now: number): SampleHistory {
  const history = new SampleHistory();
  const day = 86_400_000;
  const at = (time: number): void => {
    const age = (now - time) / day;
    const registered = Math.round(nodes * (1 - 0.011 * age));
    const wave = 0.05 * Math.sin(((time % day) / day) * 2 * Math.PI) + 0.006 * Math.sin(time / 170_000);
    history.add({
      at: time,
      registered,
      online: Math.round(registered * (0.7 + wave)),
      links: Math.round(links * (1 - 0.014 * age)),
      requests: Math.round(nodes / 60),
    });
  };
  for (let time = now - 30 * day; time < now - day; time += 2 * 3_600_000) at(time);
  for (let time = now - day; time < now - 3_600_000; time += 300_000) at(time);
  for (let time = now - 3_600_000; time < now - 15_000; time += 15_000) at(time);
  return history;
}
