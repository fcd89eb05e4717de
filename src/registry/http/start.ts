import type { Overview } from '../../api/dashboard.ts';
import { asPilotError } from '../../api/errors.ts';
import type { Endpoint, Millis } from '../../base/units.ts';
import type { Clock, Log, Net, Storage, Timer, TlsServerOptions } from '../../runtime/ports.ts';
import type { ServerStats } from '../server.ts';
import type { RegistryService } from '../service/service.ts';
import type { Store } from '../store/store.ts';
import type { FindOperator } from './access.ts';
import { BeaconWatch, type OwnBeacon } from './beacon-watch.ts';
import { Census } from './census.ts';
import { type Collected, collect } from './collect.ts';
import { addDashboard, type PageFiles } from './dashboard.ts';
import { Health } from './health.ts';
import { SampleHistory } from './history.ts';
import { Meters } from './meters.ts';
import { addOperations } from './operations.ts';
import { RequestMeter } from './request-meter.ts';
import { bindHttp, httpServer } from './server.ts';

/** How often pages are told of what is new, and rates are taken. */
const TICK: Millis = 2000;
const SAMPLE: Millis = 15_000;
/** Counting who is on-line is left alone this many times as long as it took. */
const ONLINE_REST = 20;
const SAVE: Millis = 5 * 60_000;

export interface HttpOptions {
  readonly bind: Endpoint;
  /** @default plaintext, for a web server in front or for this machine */
  readonly tls?: TlsServerOptions | undefined;
  readonly net: Net;
  readonly clock: Clock;
  readonly log: Log;
  readonly store: Store;
  /** Keeps the curves of the dashboard over a restart. */
  readonly storage: Storage;
  readonly version: string;
  /** The files of the dashboard's page; without them there is none. */
  readonly page?: PageFiles | undefined;
  readonly staleAfter: Millis;
  readonly findOperator: FindOperator;
  readonly serverStats: () => ServerStats;
  readonly ownBeacon: OwnBeacon;
  /** Beacons that announced themselves, `host:port` each. */
  readonly otherBeacons: () => Promise<readonly string[]>;
}

export interface Http {
  readonly endpoint: Endpoint;
  /** From now on `/readyz` says that clients should go elsewhere. */
  drain(): void;
  close(): Promise<void>;
}

/** Counts what the service answers from the moment it is made, and serves once told to. */
export interface HttpMeters {
  wrap(service: RegistryService): RegistryService;
  /** Errors: `port_in_use`, `io_error`. */
  serve(options: HttpOptions): Promise<Http>;
}

export function httpMeters(clock: Clock): HttpMeters {
  const meters = new Meters();
  const requests = new RequestMeter(meters, clock);
  return {
    wrap: (service) => requests.wrap(service),
    serve: (options) => serve(options, meters, requests),
  };
}

async function serve(options: HttpOptions, meters: Meters, requests: RequestMeter): Promise<Http> {
  const { clock, log, store, storage, version } = options;
  const startedAt = { wall: clock.wallNow(), monotonic: clock.now() };
  const uptime = (): number => (clock.now() - startedAt.monotonic) / 1000;
  const health = new Health(store, clock);
  const census = new Census({ store, clock, log });
  const history = new SampleHistory();
  await history.load(storage);
  const beacons = new BeaconWatch(options);
  const server = httpServer({ clock, meters, tls: options.tls });

  let rate = { at: clock.now(), total: 0, perSecond: 0 };
  let [records, online, onlineAgainAt] = [0, 0, 0];
  let kept: Kept = { audit: 0, webhooks: { count: 0, waiting: 0, dead: 0 } };
  /** What can be counted without a walk. A store that does not answer leaves what was known. */
  const count = async (): Promise<void> => {
    records = (await health.records()) ?? records;
    const begun = clock.now();
    if (!health.answers || begun < onlineAgainAt) return;
    online = await store.onlineCount(clock.wallNow() - options.staleAfter).catch(() => online);
    // A database may have to count rows for it.
    onlineAgainAt = clock.now() + (clock.now() - begun) * ONLINE_REST;
  };
  const overview = (): Overview => {
    const found = census.latest;
    return {
      at: clock.wallNow(),
      version,
      started_at: startedAt.wall,
      nodes: {
        records,
        registered: found?.registered ?? 0,
        online,
        public: found?.public ?? 0,
        executors: found?.executors ?? 0,
      },
      trust: { links: found?.links ?? 0, degrees: found?.degrees ?? [] },
      networks: { count: found?.networks ?? 0, open: found?.openNetworks ?? 0 },
      requests: { total: requests.total, per_second: rate.perSecond },
      connections: options.serverStats().connections,
      versions: found?.versions ?? [],
      tags: found?.tags ?? [],
      census_at: found?.at ?? 0,
    };
  };
  const dashboard = addDashboard(server, { ...options, census, history, beacons, overview });
  addOperations(server, {
    version,
    health,
    findOperator: options.findOperator,
    uptime,
    online: () => online,
    async metrics() {
      const ready = await health.readiness();
      await count();
      // A store that does not answer must not let counters fall to nothing.
      kept = await recordsKept(store).catch(() => kept);
      collect(meters, {
        version,
        uptime: uptime(),
        ready: ready === 'ready',
        records,
        online,
        census: census.latest,
        now: clock.wallNow(),
        server: options.serverStats(),
        beacon: options.ownBeacon.stats(),
        rtts: beacons.rtts(),
        streams: dashboard.streams(),
        ...kept,
      });
      return { type: meters.contentType, text: await meters.text() };
    },
  });

  await beacons.start();
  const endpoint = await bindHttp(server, options.bind).catch(async (error: unknown) => {
    await beacons.close();
    throw error;
  });
  census.start();
  let timer: Timer | undefined;
  let [sampleAt, saveAt] = [0, clock.now() + SAVE];
  const tick = async (): Promise<void> => {
    const now = clock.now();
    const seconds = Math.max(0.001, (now - rate.at) / 1000);
    rate = { at: now, total: requests.total, perSecond: (requests.total - rate.total) / seconds };
    await count();
    const shown = overview();
    if (now >= sampleAt && shown.census_at > 0) {
      sampleAt = now + SAMPLE;
      history.add({
        at: shown.at,
        online: shown.nodes.online,
        registered: shown.nodes.registered,
        links: shown.trust.links,
        requests: Math.round(rate.perSecond * 10) / 10,
      });
    }
    dashboard.tell(shown);
    if (now >= saveAt) {
      saveAt = now + SAVE;
      await save();
    }
  };
  const save = async (): Promise<void> => {
    try {
      await history.save(storage);
    } catch (error) {
      log.event('warn', 'registry.history_not_saved', { error: asPilotError(error).message });
    }
  };
  const repeat = (): void => {
    void tick().finally(() => {
      if (timer !== undefined) timer = clock.at(clock.now() + TICK, repeat);
    });
  };
  timer = clock.at(clock.now(), repeat);
  log.event('info', 'registry.http_started', { host: endpoint.host, port: endpoint.port });
  return {
    endpoint,
    drain: () => health.drain(),
    async close() {
      health.drain();
      timer?.cancel();
      timer = undefined;
      census.stop();
      dashboard.close();
      await beacons.close();
      await server.close();
      meters.close();
      await save();
    },
  };
}

type Kept = Pick<Collected, 'audit' | 'webhooks'>;

/** What the store keeps for operators. */
async function recordsKept(store: Store): Promise<Kept> {
  const webhooks = { count: 0, waiting: 0, dead: 0 };
  for (const { id } of await store.webhooks()) {
    const { waiting, dead } = await store.countDeliveries(id);
    webhooks.count++;
    webhooks.waiting += waiting;
    webhooks.dead += dead;
  }
  return { audit: (await store.auditBounds()).head.seq, webhooks };
}
