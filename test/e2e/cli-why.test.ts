import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { MetricRow, NetcheckReport, WhyReport } from '../../src/sdk/index.ts';
import { eventually, type Node, Sandbox } from './pilotctl.ts';

let sandbox: Sandbox;
let a: Node;
let b: Node;

before(async () => {
  sandbox = await Sandbox.open();
  a = sandbox.node('a');
  b = sandbox.node('b');
  await a.text(['daemon', 'start', '--hostname', 'node-a']);
  await b.text(['daemon', 'start', '--hostname', 'node-b']);
});
after(() => sandbox.close());

test('before trust, why says that the peer is not to be found, and how to change that', async () => {
  const named = await a.failure(['why', 'node-b']);
  assert.equal(named.code, 'not_found');
  assert.match(named.hint, /pilotctl handshake node-b/);
  const numbered = await a.data<WhyReport>(['why', '2']);
  assert.deepEqual([numbered.verdict, numbered.cause], ['unreachable', 'no_such_peer']);
  assert.match(numbered.help ?? '', /pilotctl handshake 2/);
});

test('a request that waits for an answer here is named as the cause', async () => {
  await a.text(['handshake', 'node-b', 'please']);
  await eventually(async () => {
    const why = await b.data<WhyReport>(['why', '1', '--wait', '0s']);
    assert.equal(why.cause, 'trust_pending');
    assert.match(why.help ?? '', /pilotctl approve/);
  });
});

test('a peer that is reached directly is explained with every path that was tried', async () => {
  await eventually(() => b.text(['approve', 'node-a']));
  await eventually(() => a.text(['ping', 'node-b', '--count', '1']));
  const why = await a.data<WhyReport>(['why', 'node-b']);
  assert.equal(why.verdict, 'direct');
  assert.equal(why.help, null);
  assert.equal(why.candidates.filter(({ selected }) => selected).length, 1);
  assert.ok(why.rtt_ms !== null && why.first_direct_ms !== null);
  const text = await a.text(['why', 'node-b']);
  assert.match(text, /^node-b \(0:0000\.0000\.0002\): reached directly, /);
  assert.match(text, /\n\* (?:lan|direct) +127\.0\.0\.1:\d+ .*works, in use/);
});

test('a node is told of itself', async () => {
  const why = await a.data<WhyReport>(['why', 'node-a']);
  assert.equal(why.cause, 'this_node');
});

test('netcheck sees beacon, registry and clock, with the daemon and without', async () => {
  const live = await a.data<NetcheckReport>(['netcheck']);
  assert.equal(live.daemon, true);
  assert.equal(live.udp, 'works');
  assert.equal(live.registry?.state, 'answers');
  assert.ok(Math.abs(live.registry?.clock_ahead_ms ?? 1e9) < 5_000);
  assert.equal(live.beacons[0]?.surveys, true);
  assert.ok((live.packet.largest ?? 0) >= live.packet.needed);
  assert.deepEqual(
    live.findings.filter(({ level }) => level === 'problem'),
    [],
  );
  await b.text(['daemon', 'stop']);
  const bare = await b.data<NetcheckReport>(['netcheck']);
  assert.equal(bare.daemon, false);
  assert.equal(bare.udp, 'works');
  assert.match(await b.text(['netcheck']), /measured while its daemon is down/);
});

test('a peer that went away is named as such, and not the network', async () => {
  const why = await eventually(async () => {
    const report = await a.data<WhyReport>(['why', 'node-b', '--wait', '6s']);
    assert.equal(report.verdict, 'unreachable');
    return report;
  }, 60_000);
  assert.ok(['peer_silent', 'peer_offline'].includes(why.cause), why.cause);
});

test('metrics are text that a scraper reads, and the same as JSON', async () => {
  const text = await a.text(['metrics']);
  const lines = text.trimEnd().split('\n');
  for (const line of lines) {
    assert.match(line, /^# (?:HELP|TYPE) pilot_\w+ .+$|^pilot_\w+(?:\{(?:\w+="[^"]*",?)*\})? -?[\d.e+]+$/);
  }
  const { metrics } = await a.data<{ metrics: readonly MetricRow[] }>(['metrics']);
  const sampleOf = (name: string, labels: Record<string, string> = {}): number | undefined =>
    metrics
      .find((metric) => metric.name === name)
      ?.samples.find((sample) =>
        Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
      )?.value;
  assert.equal(sampleOf('pilot_registered'), 1);
  assert.equal(sampleOf('pilot_trusted_peers'), 1);
  assert.ok((sampleOf('pilot_events_total', { event: 'tunnel.established' }) ?? 0) >= 1);
});

test('without daemon and registry, why says what to start and netcheck what to join', async () => {
  const fresh = sandbox.node('fresh');
  const why = await fresh.failure(['why', 'node-a']);
  assert.equal(why.code, 'not_running');
  assert.match(why.hint, /pilotctl daemon start/);
  const check = await fresh.data<NetcheckReport>(['netcheck']);
  assert.equal(check.findings[0]?.code, 'no_registry_configured');
});

test('a wait that is none is refused before anything is asked', async () => {
  const error = await a.failure(['why', 'node-b', '--wait', 'soon']);
  assert.equal(error.code, 'invalid_argument');
  assert.match(error.message, /--wait/);
});
