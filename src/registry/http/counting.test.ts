import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { History } from '../../api/dashboard.ts';
import { REGISTRY_METRICS } from '../../api/registry-metrics.ts';
import { utf8 } from '../../base/bytes.ts';
import { ConnectionState } from '../connection.ts';
import { ManualClock, settle } from '../registry.testkit.ts';
import { certified, newNetwork, registration } from '../store/fixtures.testkit.ts';
import { memoryStore } from '../store/memory.ts';
import { shortened } from './badge.ts';
import { Census } from './census.ts';
import { collect } from './collect.ts';
import { Counts } from './counts.ts';
import { Degrees } from './degrees.ts';
import { Health } from './health.ts';
import { SampleHistory } from './history.ts';
import { memoryFiles, testHttp } from './http.testkit.ts';
import { PageStreams } from './page-streams.ts';

const log = { event() {} };

test('a census counts what a walk by hand counts, a slice at a time', async () => {
  const clock = new ManualClock();
  const store = memoryStore();
  const versions = ['1.7.2', 'v1.7.2', '1.7.1', '', 'text of a client'];
  for (let n = 0; n < 700; n++) {
    const publicKey = new Uint8Array(32).fill(3);
    publicKey.set([n >> 8, n & 255]);
    const beacons = n % 2 === 0 ? ['203.0.113.9:9001'] : [];
    await store.register({ ...registration(1), publicKey, version: versions[n % 5]!, beacons });
    await store.patchNode(n + 1, { public: n % 4 === 0, taskExec: n % 7 === 0, tags: [`tag-${n % 3}`] }, 1);
  }
  await store.deregister(1);
  for (let n = 2; n < 500; n++) await store.certifyTrust(certified(n, n + 100, 1));
  for (let n = 3; n < 60; n++) await store.certifyTrust(certified(2, n + 300, 1));
  await store.certifyTrust(certified(600, 601, 1, { notAfter: clock.wallNow() - 1 }));
  for (const [name, joinRule] of [
    ['a', 'open'],
    ['b', 'invite'],
    ['c', 'open'],
  ] as const)
    await store.createNetwork(newNetwork(name, 2, { joinRule }));

  let [longest, reads, sleeping] = [0, 0, 0];
  const watched = {
    ...store,
    async listNodes(after: number, limit: number) {
      longest = Math.max(longest, limit);
      reads++;
      sleeping = clock.timers;
      return store.listNodes(after, limit);
    },
  };
  const census = new Census({ store: watched, clock, log });
  census.start();
  while (census.latest === undefined) await clock.advance(100);
  census.stop();
  assert.ok(longest <= 200 && reads >= 4, 'slices');
  assert.equal(sleeping, 0, 'one slice at a time');
  const found = census.latest;
  assert.deepEqual([found.registered, found.public, found.executors, found.links], [699, 174, 99, 498 + 57]);
  assert.deepEqual(found.versions, [
    ['v1.7.2', 279],
    ['other', 140],
    ['unknown', 140],
    ['v1.7.1', 140],
  ]);
  assert.equal(
    found.tags.reduce((sum, [, count]) => sum + count, 0),
    found.public,
  );
  assert.equal(found.beacons.get('203.0.113.9:9001'), 349);
  assert.equal(found.hubs[0], 2);
  assert.deepEqual([found.networks, found.openNetworks, found.members], [3, 2, 3]);
  assert.equal(
    found.degrees.reduce((sum, [, count]) => sum + count, 0),
    found.registered,
  );
});

test('a census that fails is taken again, and one that is stopped ends', async () => {
  const clock = new ManualClock();
  const store = memoryStore();
  const state = { broken: true, reads: 0 };
  const events: string[] = [];
  const failing = {
    ...store,
    async listNodes(after: number, limit: number) {
      state.reads++;
      if (state.broken) throw new Error('gone');
      return store.listNodes(after, limit);
    },
  };
  const census = new Census({
    store: failing,
    clock,
    log: { event: (_level, name) => void events.push(name) },
  });
  census.start();
  await clock.advance(25_000);
  assert.equal(census.latest, undefined);
  assert.deepEqual([...new Set(events)], ['registry.census_failed']);
  state.broken = false;
  await clock.advance(25_000);
  assert.equal(census.latest!.registered, 0);
  census.stop();
  await clock.advance(30_000);
  const { reads } = state;
  await clock.advance(120_000);
  assert.equal(state.reads, reads);
  assert.equal(clock.timers, 0);
});

test('degrees are counted as by hand, whatever the ids', () => {
  const dice = (n: number): number => (Math.imul(n + 1, 0x9e3779b1) >>> 0) % 997;
  const degrees = new Degrees();
  const model = new Map<number, number>();
  for (let i = 0; i < 400; i++) {
    const id = 1 + dice(i) * 31;
    if (model.has(id)) continue;
    model.set(id, 0);
    degrees.exists(id);
  }
  for (let i = 0; i < 3000; i++) {
    const [a, b] = [1 + dice(i * 3) * 31, 1 + (dice(i * 7 + 1) % 40) * 31];
    degrees.link(a, b);
    for (const id of [a, b]) if (model.has(id)) model.set(id, model.get(id)! + 1);
  }
  const bins = new Map<string, number>();
  for (const degree of model.values()) {
    const bin = degree < 3 ? 2 ** degree / 2 : 2 ** Math.ceil(Math.log2(degree));
    const name = degree < 3 ? String(degree) : `${bin / 2 + 1}–${bin}`;
    bins.set(name, (bins.get(name) ?? 0) + 1);
  }
  const tally = degrees.tally().filter(([, count]) => count > 0);
  assert.deepEqual(new Map(tally), bins);
  const hubs = degrees.hubs(5).map((id) => model.get(id));
  assert.deepEqual(hubs, [...model.values()].sort((a, b) => b - a).slice(0, 5));
  assert.deepEqual(new Degrees().hubs(3), []);
});

test('names of clients take a bounded place', () => {
  const counts = new Counts(3);
  for (const name of ['a', 'b', 'b', 'c', 'd', 'e', 'a', 'b']) counts.add(name);
  assert.deepEqual(counts.largest(10), [
    ['b', 3],
    ['a', 2],
    ['other', 2],
    ['c', 1],
  ]);
});

test('curves keep an hour, a day and a month, over a restart, with gaps where nobody looked', async () => {
  const day = 86_400_000;
  const start = 1_800_000_000_000;
  const sample = (at: number, online = 1) => ({ at, online, registered: 2, links: 3, requests: 4 });
  const history = new SampleHistory();
  for (let at = start; at <= start + 40 * day; at += 15_000) history.add(sample(at));
  const now = start + 40 * day;
  const lengths = (of: SampleHistory) =>
    (['hour', 'day', 'month'] as const).map((span) => of.span(span, now).at.length);
  assert.deepEqual(lengths(history), [241, 289, 373]);
  const month: History = history.span('month', now);
  assert.deepEqual([month.at.at(-1), month.at[0]], [now / 1000, (now - 31 * day) / 1000]);

  const files = memoryFiles();
  await history.save(files);
  const again = new SampleHistory();
  await again.load(files);
  assert.deepEqual(again.span('day', now), history.span('day', now));
  again.add(sample(now + 3_600_000, 9));
  const hour = again.span('hour', now + 3_600_000);
  assert.deepEqual([hour.online.at(-1), hour.online.at(-2)], [9, -1]);
  assert.ok(!again.span('day', now).online.includes(9), 'nothing of the future');

  for (const text of [
    '',
    '{',
    '[]',
    '{"version":2}',
    '{"version":1,"day":[[1,2],"x",[1,2,3,4,null]],"hour":7}',
  ]) {
    const from = new SampleHistory();
    await from.load(memoryFiles(new Map([['dashboard-history.json', utf8(text)]])));
    assert.deepEqual(lengths(from), [0, 0, 0], text);
  }
});

test('ready is who has a store that answers in time, until it drains', async () => {
  const clock = new ManualClock();
  const state = { answer: async () => ({ nodes: 5, networks: 0 }) };
  const health = new Health({ ...memoryStore(), counts: () => state.answer() }, clock);
  assert.equal(await health.readiness(), 'ready');
  assert.equal(await health.records(), 5);
  await clock.advance(600);
  state.answer = () => new Promise(() => {});
  const [first, second] = [health.readiness(), health.readiness()];
  await clock.advance(1001);
  assert.deepEqual([await first, await second], ['store_unavailable', 'store_unavailable']);
  assert.equal(health.answers, false);
  state.answer = async () => {
    throw new Error('closed');
  };
  await clock.advance(600);
  assert.equal(await health.readiness(), 'store_unavailable');
  state.answer = async () => ({ nodes: 6, networks: 0 });
  await clock.advance(600);
  assert.equal(await health.readiness(), 'ready');
  health.drain();
  assert.equal(await health.readiness(), 'draining');
});

test('health and readiness say so over HTTP', async () => {
  const http = await testHttp();
  const alive = await http.ask('/healthz', { from: '198.51.100.9' });
  assert.equal(alive.status, 200);
  assert.deepEqual(alive.json(), { status: 'ok', version: '1.2.3', uptime_seconds: 1, nodes_online: 7 });
  assert.equal((await http.ask('/readyz')).status, 200);
  http.health.drain();
  const draining = await http.ask('/readyz');
  assert.deepEqual([draining.status, draining.json()], [503, { status: 'draining' }]);
  assert.equal((await http.ask('/healthz')).status, 200);
});

test('requests are counted by type, and a client makes up no labels', async () => {
  const http = await testHttp();
  const remote = { host: '198.51.100.9', port: 4000 };
  const context = { remote, connection: new ConnectionState(remote, false, () => {}) };
  await http.service.handle({ type: 'challenge' }, context);
  await http.service.handle({ type: 'challenge' }, context);
  await http.service.handle({ type: 'lookup', node_id: 9 }, context);
  for (let i = 0; i < 50; i++) await http.service.handle({ type: `made up ${i}` }, context);
  await http.service.handle({ type: 7 }, context);
  await http.service.handle({ type: '__proto__' }, context);
  await http.service.handle({ type: 'set_webhook' }, context);
  await assert.rejects(http.service.perform({ type: 'lookup', node_id: 9 }, context));
  const { text } = await http.ask('/metrics');
  const value = (series: string): number =>
    Number(
      text
        .split('\n')
        .find((line) => line.startsWith(`${series} `))
        ?.split(' ')[1],
    );
  assert.equal(value('pilot_requests_total{type="challenge"}'), 2);
  assert.equal(value('pilot_requests_total{type="lookup"}'), 2);
  assert.equal(value('pilot_errors_total{type="lookup"}'), 2);
  assert.equal(value('pilot_requests_total{type="unknown"}'), 52);
  assert.equal(value('pilot_errors_total{type="set_webhook"}'), 1);
  assert.equal(value('pilot_request_duration_seconds_count{type="challenge"}'), 2);
  assert.doesNotMatch(text, /made up/);
});

test('what is told at /metrics is the catalogue, with nothing missing', async () => {
  const http = await testHttp();
  await http.count();
  collect(http.meters, {
    ...{ version: '1', uptime: 1, ready: true, records: 1, online: 1, now: http.clock.wallNow() },
    census: http.census.latest,
    server: {
      connections: 1,
      proven: 1,
      refused: 2,
      dropped: 3,
      waiting: 4,
      bufferedBytes: 5,
      unsentBytes: 6,
    },
    beacon: { nodes: 3, provenNodes: 1, relayedFrames: 5, relayedBytes: 6, drops: { too_short: 7 } },
    rtts: new Map([['203.0.113.9:9001', 12]]),
    streams: 0,
    audit: 4,
    webhooks: { count: 1, waiting: 2, dead: 3 },
  });
  const { text } = await http.ask('/metrics');
  const told = [...text.matchAll(/^# TYPE (pilot_\w+) (\w+)$/gm)].map(([, name, type]) => [name, type]);
  assert.deepEqual(
    told.sort(),
    Object.entries(REGISTRY_METRICS)
      .map(([name, { type }]) => [name, type])
      .sort(),
  );
  assert.match(text, /^pilot_beacon_nodes\{proven="false"\} 2$/m);
  assert.match(text, /^pilot_beacon_rtt_seconds\{beacon="203.0.113.9:9001"\} 0.012$/m);
  assert.match(text, /^process_resident_memory_bytes \d+$/m);
  collect(http.meters, {
    ...{ version: '1', uptime: 1, ready: false, records: 1, online: 1, now: 0, census: undefined },
    server: {
      connections: 1,
      proven: 1,
      refused: 9,
      dropped: 3,
      waiting: 4,
      bufferedBytes: 5,
      unsentBytes: 6,
    },
    beacon: { nodes: 3, provenNodes: 1, relayedFrames: 5, relayedBytes: 6, drops: { too_short: 8 } },
    rtts: new Map(),
    streams: 0,
    audit: 4,
    webhooks: { count: 1, waiting: 2, dead: 3 },
  });
  const later = (await http.ask('/metrics')).text;
  assert.match(later, /^pilot_registry_connections_refused_total 9$/m);
  assert.match(later, /^pilot_beacon_dropped_total\{reason="too_short"\} 8$/m);
  assert.doesNotMatch(later, /^pilot_beacon_rtt_seconds\{/m);
});

test('pages that do not take what they are told are cut, and one place opens only so many', () => {
  const streams = new PageStreams();
  const raws: { unsent: number; destroyed: boolean; said: string[]; close: () => void }[] = [];
  const open = (host: string): void => {
    const raw = { unsent: 0, destroyed: false, said: [] as string[], close: () => {} };
    raws.push(raw);
    streams.open(
      {
        hijack() {},
        getHeaders: () => ({}),
        raw: {
          writeHead() {},
          on: (name: string, run: () => void) => {
            if (name === 'close') raw.close = run;
          },
          write: (text: string) => void raw.said.push(text),
          end() {},
          destroy() {
            raw.destroyed = true;
            raw.close();
          },
          get writableLength() {
            return raw.unsent;
          },
        },
      } as never,
      host,
      { at: 1 } as never,
    );
  };
  for (let i = 0; i < 50; i++) open('198.51.100.9');
  assert.throws(() => open('198.51.100.9'), /Too many pages/);
  open('198.51.100.10');
  assert.equal(streams.size, 51);
  raws[0]!.unsent = 100_000;
  streams.tell({ at: 2 } as never);
  assert.deepEqual([raws[0]!.destroyed, raws[1]!.destroyed, streams.size], [true, false, 50]);
  assert.match(raws[1]!.said.at(-1)!, /^event: overview\ndata: \{"at":2\}\n\n$/);
  open('198.51.100.9');
  for (const raw of raws) raw.close();
  assert.equal(streams.size, 0);
});

test('badges shorten what is large', async () => {
  const cases: [number, string][] = [
    [0, '0'],
    [999, '999'],
    [1000, '1.0K'],
    [1234, '1.2K'],
    [999_940, '999.9K'],
    [999_960, '1.0M'],
    [2_500_000_000, '2.5B'],
  ];
  for (const [count, text] of cases) assert.equal(shortened(count), text);
  const http = await testHttp();
  const badge = await http.ask('/api/badge/requests');
  assert.match(badge.text, /^<svg .*>1\.2K</);
  assert.equal(badge.headers['content-type'], 'image/svg+xml');
  await settle();
});
