/** The dashboard: its page, and what the page asks. */
import type { FastifyInstance, FastifyReply } from 'fastify';
import type {
  Beacons,
  History,
  HistorySpan,
  Networks,
  Overview,
  SessionInfo,
  TrustGraph,
} from '../../api/dashboard.ts';
import type { Clock } from '../../runtime/ports.ts';
import type { NetworkRecord, Store } from '../store/store.ts';
import {
  COOKIE,
  clientOf,
  demand,
  type FindOperator,
  HttpRefusal,
  header,
  isPrivate,
  operatorOf,
  seesAll,
} from './access.ts';
import { badge } from './badge.ts';
import type { BeaconWatch } from './beacon-watch.ts';
import type { Census, CensusResult } from './census.ts';
import type { SampleHistory } from './history.ts';
import { legacyStats } from './legacy-stats.ts';
import { nodeDetails } from './node-details.ts';
import { searchNodes } from './node-search.ts';
import { PageStreams } from './page-streams.ts';
import { trustGraph } from './trust-graph.ts';

export interface PageFile {
  readonly type: string;
  readonly body: Uint8Array;
  /** The same, compressed. */
  readonly gzip: Uint8Array;
  /** Quoted, as HTTP has it. */
  readonly etag: string;
}

/** By path, `/` being the page itself. */
export type PageFiles = ReadonlyMap<string, PageFile>;

export interface DashboardOptions {
  readonly clock: Clock;
  readonly store: Store;
  readonly staleAfter: number;
  readonly page?: PageFiles | undefined;
  readonly findOperator: FindOperator;
  readonly census: Census;
  readonly history: SampleHistory;
  readonly beacons: BeaconWatch;
  readonly overview: () => Overview;
}

export interface Dashboard {
  /** Tells all open pages. */
  tell(overview: Overview): void;
  streams(): number;
  close(): void;
}

const SPANS: ReadonlySet<string> = new Set(['hour', 'day', 'month']);

export function addDashboard(server: FastifyInstance, options: DashboardOptions): Dashboard {
  const { store, clock, findOperator: find, staleAfter, census } = options;
  const streams = new PageStreams();
  const sight = async (all: boolean) => ({ store, staleAfter, all, now: clock.wallNow() });

  let busiest: { census: CensusResult | undefined; graph: Promise<TrustGraph> } = {
    census: undefined,
    graph: Promise.resolve({ nodes: [], links: [], truncated: false }),
  };
  addPage(server, options.page);
  addSession(server, find);

  server.get('/api/overview', async (_request, reply) => fresh(reply).send(options.overview()));
  server.get('/api/events', (request, reply) => {
    streams.open(reply, clientOf(request).host, options.overview());
  });
  server.get('/api/history', async (request, reply) => {
    const { span = 'hour' } = request.query as { span?: string };
    if (!SPANS.has(span)) throw new HttpRefusal(400, 'invalid_argument', 'span is hour, day or month');
    const history: History = options.history.span(span as HistorySpan, clock.wallNow());
    return fresh(reply).send(history);
  });
  server.get('/api/beacons', async (_request, reply) => {
    const found: Beacons = { beacons: options.beacons.rows(census.latest) };
    return fresh(reply).send(found);
  });
  server.get('/api/networks', async (request, reply) => {
    const all = await seesAll(request, find);
    const found = census.latest;
    const shown = (all ? found?.largest : found?.largestOpen) ?? [];
    const count = (all ? found?.networks : found?.openNetworks) ?? 0;
    const members = (all ? found?.members : found?.openMembers) ?? 0;
    const networks: Networks = {
      networks: shown.map(networkRow),
      others: {
        count: count - shown.length,
        members: members - shown.reduce((sum, network) => sum + network.members, 0),
      },
    };
    return fresh(reply).send(networks);
  });
  server.get('/api/nodes', async (request, reply) => {
    const all = await seesAll(request, find);
    const query = request.query as Readonly<Record<string, unknown>>;
    return fresh(reply).send(await searchNodes(await sight(all), query));
  });
  server.get('/api/nodes/:id', async (request, reply) => {
    const all = await seesAll(request, find);
    const { id } = request.params as { id: string };
    return fresh(reply).send(await nodeDetails(await sight(all), id));
  });
  server.get('/api/trust', async (request, reply) => {
    await demand(request, find, 'nodes:read');
    const { node = '' } = request.query as { node?: string };
    if (/^\d{1,10}$/.test(node))
      return fresh(reply).send(await trustGraph(await sight(true), [Number(node)]));
    const found = census.latest;
    // The same for everybody who may see it, until there is another census.
    if (busiest.census !== found) {
      busiest = { census: found, graph: trustGraph(await sight(true), found?.hubs ?? []) };
      busiest.graph.catch(() => {
        busiest = { ...busiest, census: undefined };
      });
    }
    return fresh(reply).send(await busiest.graph);
  });

  server.get('/api/stats', async (request, reply) => {
    const all = await seesAll(request, find);
    // Pages of others show these figures; they are nobody's secret.
    void reply
      .header('access-control-allow-origin', '*')
      .header('cross-origin-resource-policy', 'cross-origin');
    const stats = legacyStats(options.overview(), options.history, clock.wallNow());
    return fresh(reply).send({
      ...stats,
      ...(all ? { networks: (census.latest?.largest ?? []).map(networkRow) } : {}),
    });
  });
  server.get('/api/badge/:name', async (request, reply) => {
    const { name } = request.params as { name: string };
    const image = badge(name, options.overview());
    if (image === undefined) throw new HttpRefusal(404, 'not_found', 'Badges are nodes, trust and requests');
    void reply.header('cross-origin-resource-policy', 'cross-origin');
    return fresh(reply).type('image/svg+xml').send(image);
  });

  return {
    tell: (overview) => streams.tell(overview),
    streams: () => streams.size,
    close: () => streams.close(),
  };
}

function addPage(server: FastifyInstance, page: PageFiles | undefined): void {
  for (const [path, file] of page ?? []) {
    server.get(path, async (request, reply) => {
      void reply.headers({ etag: file.etag, 'cache-control': 'no-cache', vary: 'accept-encoding' });
      if (header(request, 'if-none-match') === file.etag) return reply.code(304).send();
      void reply.type(file.type);
      if (!/\bgzip\b/.test(header(request, 'accept-encoding'))) return reply.send(file.body);
      return reply.header('content-encoding', 'gzip').send(file.gzip);
    });
  }
}

function addSession(server: FastifyInstance, find: FindOperator): void {
  const info = (operator: Awaited<ReturnType<FindOperator>>): SessionInfo => ({
    operator: operator?.name ?? null,
    scopes: [...(operator?.scopes ?? [])].sort(),
  });
  server.get('/api/session', async (request, reply) =>
    fresh(reply).send(info(await operatorOf(request, find))),
  );
  server.post('/api/session', async (request, reply) => {
    fromOurPage(request.headers.origin, header(request, 'host'));
    const { token } = (request.body ?? {}) as { token?: unknown };
    if (typeof token !== 'string' || token === '')
      throw new HttpRefusal(400, 'invalid_argument', 'A log-in has a token');
    if (!isPrivate(request))
      throw new HttpRefusal(
        403,
        'permission_denied',
        'Nobody can log in without encryption',
        'use HTTPS: a web server in front that sets X-Forwarded-Proto, or an SSH tunnel to this machine',
      );
    const operator = await find(token, clientOf(request));
    if (operator === undefined)
      throw new HttpRefusal(401, 'permission_denied', 'This is not a token of an operator');
    const secure = header(request, 'x-forwarded-proto') === 'https' || 'encrypted' in request.raw.socket;
    void reply.header(
      'set-cookie',
      `${COOKIE}=${encodeURIComponent(token)}; HttpOnly; SameSite=Strict; Path=/${secure ? '; Secure' : ''}`,
    );
    return fresh(reply).send(info(operator));
  });
  server.delete('/api/session', async (request, reply) => {
    fromOurPage(request.headers.origin, header(request, 'host'));
    void reply.header('set-cookie', `${COOKIE}=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0`);
    return fresh(reply).send(info(undefined));
  });
}

/** Browsers say which page a change comes from; programs say nothing. */
function fromOurPage(origin: string | undefined, host: string): void {
  if (origin === undefined || origin === `http://${host}` || origin === `https://${host}`) return;
  throw new HttpRefusal(403, 'permission_denied', 'This comes from another page');
}

function fresh(reply: FastifyReply): FastifyReply {
  return reply.header('cache-control', 'no-store');
}

function networkRow({
  id,
  name,
  joinRule,
  members,
  exprPolicy,
  ports,
  maxMembers,
  description,
}: NetworkRecord) {
  const policy = exprPolicy !== '' || ports.length > 0 || maxMembers > 0;
  return { id, name, join_rule: joinRule, members, policy, description };
}
