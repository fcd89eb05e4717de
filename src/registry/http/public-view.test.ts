import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Networks, NodeDetails, NodePage, TrustGraph } from '../../api/dashboard.ts';
import { encodeBase64 } from '../../wire/base64.ts';
import { add, certified, key, newNetwork, registration } from '../store/fixtures.testkit.ts';
import type { Store } from '../store/store.ts';
import { type TestHttp, TOKEN, testHttp } from './http.testkit.ts';

const OPERATOR = { authorization: `Bearer ${TOKEN}` };
const SECRETS = [
  'hidden-name',
  'hidden-tag',
  'hidden-owner@example.org',
  'hidden version text',
  'hidden-network',
  '203.0.113.77',
  '203.0.113.66',
  '10.9.8.7',
  '192.0.2.200',
  encodeBase64(key(77)),
];

/** A public node (66) and a private one (77) with everything that could be told, who trust each other. */
async function network(store: Store): Promise<{ shown: number; hidden: number }> {
  const shown = await add(store, 66, {
    hostname: 'shown-name',
    version: '1.7.2',
    lan: ['10.9.8.7:4000'],
    beacons: ['192.0.2.200:9001'],
    owner: 'hidden-owner@example.org',
  });
  await store.patchNode(shown, { public: true, tags: ['shown-tag'] }, 1);
  const hidden = await add(store, 77, {
    hostname: 'hidden-name',
    version: 'hidden version text',
    lan: ['10.9.8.7:4000'],
    beacons: ['192.0.2.200:9001'],
    owner: 'hidden-owner@example.org',
  });
  await store.patchNode(hidden, { public: false, tags: ['hidden-tag'] }, 1);
  await store.certifyTrust(certified(shown, hidden, 1));
  await store.createNetwork(newNetwork('shown-network', shown));
  await store.createNetwork(newNetwork('hidden-network', hidden, { joinRule: 'invite' }));
  return { shown, hidden };
}

async function served(): Promise<TestHttp & { shown: number; hidden: number }> {
  const http = await testHttp();
  const ids = await network(http.store);
  await http.count();
  return { ...http, ...ids };
}

const everyPath = ({ shown, hidden }: { shown: number; hidden: number }): string[] => [
  '/',
  '/healthz',
  '/readyz',
  '/metrics',
  '/api/overview',
  '/api/history?span=hour',
  '/api/beacons',
  '/api/networks',
  '/api/nodes',
  '/api/nodes?limit=100',
  '/api/nodes?q=hidden-name',
  '/api/nodes?q=hidden',
  '/api/nodes?q=%23hidden-tag',
  '/api/nodes?tag=hidden-tag',
  `/api/nodes?q=${hidden}`,
  `/api/nodes?q=0:0000.0000.000${hidden}`,
  `/api/nodes/${hidden}`,
  `/api/nodes/${shown}`,
  '/api/trust',
  `/api/trust?node=${shown}`,
  '/api/stats',
  '/api/stats?token=anything',
  '/api/badge/nodes',
  '/api/badge/trust',
  '/api/session',
];

test('nothing private is in any answer to strangers', async () => {
  const http = await served();
  const wrong = { authorization: 'Bearer not-the-token' };
  const strangers: Record<string, string>[] = [
    {},
    wrong,
    { cookie: 'pilot_operator=nope' },
    { cookie: 'pilot_operator=%zz' },
  ];
  for (const headers of strangers) {
    for (const path of everyPath(http)) {
      const { text, headers: replied } = await http.ask(path, { headers, from: '198.51.100.9' });
      const said = text + JSON.stringify(replied);
      for (const secret of SECRETS) assert.ok(!said.includes(secret), `${path} tells ${secret}: ${text}`);
    }
    // A hundred questions are more than one address may ask at once.
    await http.clock.advance(60_000);
  }
});

test('the same secrets are there for operators, so that the test above looks in the right places', async () => {
  const http = await served();
  let said = '';
  for (const path of everyPath(http)) said += (await http.ask(path, { headers: OPERATOR })).text;
  for (const secret of SECRETS) assert.ok(said.includes(secret), secret);
});

test('a private node and one that is not there are refused alike', async () => {
  const http = await served();
  const [hidden, missing, nonsense] = await Promise.all(
    [`/api/nodes/${http.hidden}`, '/api/nodes/4000000000', '/api/nodes/abc'].map((path) => http.ask(path)),
  );
  assert.equal(hidden!.status, 404);
  assert.deepEqual([missing!.status, missing!.text], [404, hidden!.text]);
  assert.deepEqual([nonsense!.status, nonsense!.text], [404, hidden!.text]);
});

test('public nodes are found by id, address, name, words and tag', async () => {
  const http = await served();
  const { store, shown } = http;
  const other = await add(store, 9, { hostname: 'other-name' });
  await store.patchNode(other, { public: true, tags: ['shown-tag', 'more'] }, 1);
  const found = async (query: string, headers = {}): Promise<number[]> =>
    (await http.ask(`/api/nodes?${query}`, { headers })).json<NodePage>().nodes.map(({ id }) => id);
  assert.deepEqual(await found('q='), [shown, other]);
  assert.deepEqual(await found(`q=${other}`), [other]);
  assert.deepEqual(await found('q=0:0000.0000.0001'), [shown]);
  assert.deepEqual(await found('q=other-name'), [other]);
  assert.deepEqual(await found('q=name'), [shown, other]);
  assert.deepEqual(await found('q=%23shown-tag'), [shown, other]);
  assert.deepEqual(await found('q=name%20%23more'), [other]);
  assert.deepEqual(await found('q=nothing'), []);
  assert.deepEqual(await found('q=!'), []);
  assert.deepEqual(await found('q=hidden-name'), []);
  assert.deepEqual(await found('q=hidden-name', OPERATOR), [http.hidden]);
  assert.deepEqual(await found('q=hidden', OPERATOR), [http.hidden]);
  assert.deepEqual(await found('q=%23hidden-tag', OPERATOR), [http.hidden]);
});

test('pages of a search together hold every match once, for strangers and operators', async () => {
  const http = await testHttp();
  const wanted: number[] = [];
  for (let n = 0; n < 450; n++) {
    const publicKey = new Uint8Array(32).fill(1);
    publicKey.set([n >> 8, n & 255]);
    const made = await http.store.register({ ...registration(1), publicKey, hostname: `node-${n}` });
    assert.ok('node' in made);
    await http.store.patchNode(made.node.id, { public: true, tags: n % 3 === 0 ? ['third'] : [] }, 1);
    if (n % 3 === 0) wanted.push(made.node.id);
  }
  for (const headers of [{}, OPERATOR]) {
    const found: number[] = [];
    let after = 0;
    for (let pages = 0; ; pages++) {
      assert.ok(pages < 60, 'ends');
      const page = (
        await http.ask(`/api/nodes?q=%23third&limit=7&after=${after}`, { headers })
      ).json<NodePage>();
      assert.ok(page.nodes.length <= 7);
      found.push(...page.nodes.map(({ id }) => id));
      if (page.cursor === undefined) break;
      after = page.cursor;
    }
    assert.deepEqual(found, wanted);
  }
});

test('operators see the whole node, all networks and who trusts whom', async () => {
  const http = await served();
  const details = (await http.ask(`/api/nodes/${http.hidden}`, { headers: OPERATOR })).json<NodeDetails>();
  assert.deepEqual(
    [details.operator?.endpoint, details.operator?.peers, details.operator?.networks],
    ['203.0.113.77:4000', [http.shown], [{ id: 2, name: 'hidden-network', role: 'owner' }]],
  );
  const networks = (await http.ask('/api/networks', { headers: OPERATOR })).json<Networks>();
  assert.deepEqual(
    networks.networks.map(({ name }) => name),
    ['shown-network', 'hidden-network'],
  );
  const open = (await http.ask('/api/networks')).json<Networks>();
  assert.deepEqual([open.networks.map(({ name }) => name), open.others.count], [['shown-network'], 0]);
  const graph = (await http.ask(`/api/trust?node=${http.shown}`, { headers: OPERATOR })).json<TrustGraph>();
  assert.deepEqual(graph.links, [[http.shown, http.hidden]]);
  assert.equal((await http.ask('/api/trust')).status, 401);
});

test('a token of some networks alone, or without the scope, shows no more than everybody sees', async () => {
  const scopes = { 'of-one': ['nodes:read'], narrow: ['metrics:read'] } as const;
  const http = await testHttp({
    find: async (token) => ({
      name: token,
      scopes: new Set(scopes[token as keyof typeof scopes]),
      networks: token === 'of-one' ? [1] : [],
    }),
  });
  const { hidden } = await network(http.store);
  for (const token of Object.keys(scopes)) {
    const headers = { authorization: `Bearer ${token}` };
    assert.equal((await http.ask(`/api/nodes/${hidden}`, { headers })).status, 404);
    assert.equal((await http.ask('/api/trust', { headers })).status, 403);
    const page = (await http.ask('/api/nodes', { headers })).json<NodePage>();
    assert.ok(page.nodes.every(({ id }) => id !== hidden));
  }
});
