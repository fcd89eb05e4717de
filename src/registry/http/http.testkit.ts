/** A registry's HTTP without sockets, on a clock that stands still. */
import type { Overview } from '../../api/dashboard.ts';
import type { Storage } from '../../runtime/ports.ts';
import { crypto, ManualClock, random } from '../registry.testkit.ts';
import { createRegistryService } from '../service/service.ts';
import { memoryStore } from '../store/memory.ts';
import type { Store } from '../store/store.ts';
import type { FindOperator } from './access.ts';
import { BeaconWatch } from './beacon-watch.ts';
import { Census } from './census.ts';
import { addDashboard } from './dashboard.ts';
import { Health } from './health.ts';
import { SampleHistory } from './history.ts';
import { Meters } from './meters.ts';
import { addOperations } from './operations.ts';
import { RequestMeter } from './request-meter.ts';
import { httpServer } from './server.ts';

export const TOKEN = 'the-token-of-the-operator';
const log = { event() {} };

export interface Answer {
  readonly status: number;
  readonly text: string;
  readonly headers: Readonly<Record<string, string | string[] | number | undefined>>;
  json<T>(): T;
}

export interface Asking {
  readonly method?: 'GET' | 'POST' | 'DELETE';
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
  /** @default '127.0.0.1' */
  readonly from?: string;
}

export type TestHttp = Awaited<ReturnType<typeof testHttp>>;

export async function testHttp(given: { readonly store?: Store; readonly find?: FindOperator } = {}) {
  const clock = new ManualClock();
  const store = given.store ?? memoryStore();
  const meters = new Meters();
  const requests = new RequestMeter(meters, clock);
  const registry = createRegistryService({
    ...{ store, clock, random, crypto, log },
    config: { adminToken: TOKEN },
  });
  const service = requests.wrap(registry);
  const find = given.find ?? ((token, from) => registry.authorize(token, from));
  const health = new Health(store, clock);
  const census = new Census({ store, clock, log });
  const server = httpServer({ clock, meters });
  const none = { nodes: 0, provenNodes: 0, relayedFrames: 0, relayedBytes: 0, drops: {} };
  const net = undefined as never;
  const ownBeacon = { endpoint: { host: '127.0.0.1', port: 9001 }, stats: () => none };
  const beacons = new BeaconWatch({ net, clock, log, ownBeacon, otherBeacons: async () => [] });
  const history = new SampleHistory();
  const overview = (): Overview => overviewOf(census, clock.wallNow());
  const dashboard = addDashboard(server, {
    ...{ clock, store, staleAfter: 300_000, findOperator: find, census, history, beacons, overview },
    page: new Map([
      ['/', { type: 'text/html', body: new Uint8Array([60]), gzip: new Uint8Array([1]), etag: '"a"' }],
    ]),
  });
  addOperations(server, {
    version: '1.2.3',
    health,
    findOperator: find,
    uptime: () => clock.now() / 1000,
    online: () => 7,
    metrics: async () => ({ type: meters.contentType, text: await meters.text() }),
  });
  await server.ready();

  return {
    ...{ clock, store, service, census, health, history, dashboard, meters, server },
    async ask(
      path: string,
      { method = 'GET', headers = {}, body, from = '127.0.0.1' }: Asking = {},
    ): Promise<Answer> {
      const response = await server.inject({
        method,
        url: path,
        headers: { host: '127.0.0.1:8080', ...headers },
        remoteAddress: from,
        ...(body !== undefined && { payload: body as object }),
      });
      return {
        status: response.statusCode,
        text: response.body,
        headers: response.headers,
        json: <T>() => response.json() as T,
      };
    },
    /** Takes a census. */
    async count(): Promise<void> {
      census.start();
      while (census.latest === undefined) await clock.advance(1000);
      census.stop();
    },
  };
}

function overviewOf(census: Census, at: number): Overview {
  const found = census.latest;
  return {
    at,
    version: '1.2.3',
    started_at: at,
    nodes: { records: 1, registered: found?.registered ?? 0, online: 1, public: 1, executors: 0 },
    trust: { links: found?.links ?? 0, degrees: found?.degrees ?? [] },
    networks: { count: 0, open: 0 },
    requests: { total: 1234, per_second: 1 },
    connections: 0,
    versions: found?.versions ?? [],
    tags: found?.tags ?? [],
    census_at: found?.at ?? 0,
  };
}

/** Files in memory. */
export function memoryFiles(files = new Map<string, Uint8Array>()): Storage {
  const refused = async (): Promise<never> => {
    throw new Error('not here');
  };
  return {
    read: async (path) => files.get(path),
    replace: async (path, data) => void files.set(path, data),
    remove: async (path) => void files.delete(path),
    list: async () => [],
    openPartial: refused,
    moveExclusive: refused,
    freeBytes: async () => 0,
    describe: (path) => path,
  };
}
