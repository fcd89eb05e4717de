import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Served, serveNetwork, TOKEN } from '../../lab/dashboard/served.ts';
import type { NodeDetails, NodePage, Overview, TrustGraph } from '../../src/api/dashboard.ts';
import { nodeClock } from '../../src/platform/index.ts';
import { openPostgresStore, type PostgresStore } from '../../src/registry/store/postgres.ts';
import { startPostgres, type TestPostgres } from '../postgres.ts';
import { eventually } from './pilotctl.ts';

let database: TestPostgres;
let store: PostgresStore;
let served: Served;

before(async () => {
  database = await startPostgres();
  store = await openPostgresStore({
    url: database.url('dashboard'),
    clock: nodeClock(),
    log: { event() {} },
    random: () => 0.5,
  });
  served = await serveNetwork({ nodes: 450, store });
});
after(async () => {
  await served?.close();
  await store?.close();
  await database?.close();
});

const ask = async <T>(path: string, headers: Record<string, string> = {}): Promise<T> =>
  (await (await fetch(`${served.url}${path}`, { headers })).json()) as T;
const status = async (path: string): Promise<number> => (await fetch(`${served.url}${path}`)).status;

test('the dashboard counts and finds on PostgreSQL what it does on the other stores', async () => {
  await eventually(async () => {
    const { nodes, trust, networks, census_at: at } = await ask<Overview>('/api/overview');
    assert.ok(at > 0);
    assert.deepEqual(
      [nodes.records, nodes.registered, trust.links, networks.count],
      [450, 450, served.made.links, 12],
    );
    assert.ok(nodes.online > 200 && nodes.online < 450, String(nodes.online));
  });
  const authorization = `Bearer ${TOKEN}`;
  const found = await ask<NodePage>('/api/nodes?q=weather-lima');
  assert.equal(found.nodes[0]!.hostname, 'weather-lima');
  const secret = await ask<NodeDetails>(`/api/nodes/${served.made.secret}`, { authorization });
  assert.equal(secret.operator?.endpoint, '198.51.0.3:4003');
  assert.equal(await status(`/api/nodes/${served.made.secret}`), 404);
  const graph = await ask<TrustGraph>('/api/trust', { authorization });
  assert.ok(graph.links.length > 50);
});

test('without its database an instance is alive and not ready, and comes back by itself', async () => {
  assert.equal(await status('/readyz'), 200);
  await database.kill();
  await eventually(async () => assert.equal(await status('/readyz'), 503));
  assert.equal(await status('/healthz'), 200);
  assert.equal(await status('/api/overview'), 200, 'what was counted is still told');
  assert.equal(await status('/api/nodes?q=weather'), 503);
  assert.match(await (await fetch(`${served.url}/metrics`)).text(), /^pilot_store_ready 0$/m);
  await database.start();
  await eventually(async () => assert.equal(await status('/readyz'), 200));
  assert.equal(await status('/api/nodes?q=weather'), 200);
});
