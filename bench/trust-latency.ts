/**
 * How fast trust takes effect, application to application, on loopback: from `approve` until both sides have echoed a
 * byte, and from `untrust` until the last byte was delivered and the streams are over. Peers that were away meanwhile are
 * counted from the moment their daemon serves again until it knows, with what both sides still let through. Daemons,
 * registry and beacon run in this process over real sockets and a real disk; every pair is new to both.
 * Run: node dist/bench/trust-latency.js [--pairs 1000] [--away 100] [--public]
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Conn } from '../src/api/stream.ts';
import { Daemon } from '../src/daemon/daemon.ts';
import { nodeClock, nodeCrypto, nodeNet, nodeRandom, nodeStorage } from '../src/platform/index.ts';
import { memoryStore } from '../src/registry/index.ts';
import { startRendezvous } from '../src/rendezvous/rendezvous.ts';
import { PilotClient } from '../src/sdk/index.ts';
import { percentile, table } from './measure.ts';

const LOOPBACK = { host: '127.0.0.1', port: 0 };
const FLOW_PORT = 5000;
const FLOW_BYTES = new Uint8Array(256);
const FLOW_PAUSE = 2;
/** After the last byte, how long nothing may come before it counts as the last. */
const QUIET = 60;

function option(name: string, fallback: number): number {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
}
const pairs = option('pairs', 1000);
const away = option('away', 100);
const side = Math.ceil(Math.sqrt(pairs));

const ports = { net: nodeNet(), clock: nodeClock(), random: nodeRandom(), crypto: nodeCrypto() };
const log = {
  event(level: string, name: string, fields?: object) {
    if (process.env.PILOT_BENCH_LOG === '1')
      console.error(performance.now().toFixed(1), level, name, JSON.stringify(fields ?? {}));
  },
};
const root = mkdtempSync(join(tmpdir(), 'pilot-trust-'));

interface Agent {
  readonly name: string;
  readonly daemon: Daemon;
  readonly client: PilotClient;
  readonly node: number;
  /** Streams that came to the flow port. */
  readonly flows: AsyncQueue<Conn>;
}

/** Items in the order they came, for one reader. */
class AsyncQueue<Item> {
  readonly #items: Item[] = [];
  #waiting: ((item: Item) => void) | undefined;

  push(item: Item): void {
    if (this.#waiting === undefined) this.#items.push(item);
    else {
      this.#waiting(item);
      this.#waiting = undefined;
    }
  }
  next(): Promise<Item> {
    const item = this.#items.shift();
    return item === undefined ? new Promise((resolve) => (this.#waiting = resolve)) : Promise.resolve(item);
  }
}

const rendezvous = await startRendezvous({
  ...ports,
  log,
  storage: nodeStorage(join(root, 'registry')),
  store: memoryStore(),
  registryBind: LOOPBACK,
  beaconBind: LOOPBACK,
});

async function agent(name: string): Promise<Agent> {
  const home = join(root, name);
  const socketPath = join(home, 'pilot.sock');
  const daemon = await Daemon.start({
    ...ports,
    log,
    storage: nodeStorage(home),
    config: {
      socketPath,
      listen: LOOPBACK,
      registries: [rendezvous.registryEndpoint],
      hostname: name,
      public: process.argv.includes('--public'),
      version: 'bench',
    },
  });
  const client = await PilotClient.connect({ ...ports, socketPath });
  const flows = new AsyncQueue<Conn>();
  const listener = await client.listen(FLOW_PORT);
  void (async () => {
    for (let conn = await listener.accept(); conn !== undefined; conn = await listener.accept())
      flows.push(conn);
  })().catch(() => {});
  return { name, daemon, client, node: (await client.info()).node_id, flows };
}

async function echo(client: PilotClient, target: number): Promise<void> {
  const conn = await client.dial(String(target), 7, { timeout: 20_000 });
  await conn.write(new Uint8Array([1]));
  await conn.read();
  conn.abort();
}

/** Writes small pieces until the stream refuses them. */
async function feed(conn: Conn): Promise<void> {
  try {
    for (;;) {
      await conn.write(FLOW_BYTES);
      await sleep(FLOW_PAUSE);
    }
  } catch {
    // The stream is over.
  }
}

interface Drained {
  /** When the application got its last byte; undefined before the first. */
  last: number | undefined;
  /** When it was told that the stream is over. */
  ended: number | undefined;
}

function drain(conn: Conn): Drained {
  const seen: Drained = { last: undefined, ended: undefined };
  void (async () => {
    try {
      for (let chunk = await conn.read(); chunk !== undefined; chunk = await conn.read())
        seen.last = performance.now();
    } catch {
      // Reset: the end is what counts.
    }
    seen.ended = performance.now();
  })();
  return seen;
}

const results = { approved: [] as number[], last: [] as number[], ended: [] as number[], late: 0 };

async function pair(a: Agent, b: Agent): Promise<void> {
  await a.client.handshake(b.name, 'bench');
  while (!(await b.client.pending()).some((row) => row.node_id === a.node)) await sleep(1);

  const began = performance.now();
  const known = a.client.waitForTrust(String(b.node), 20_000);
  await b.client.approve(String(a.node));
  await Promise.all([known.then(() => echo(a.client, b.node)), echo(b.client, a.node)]);
  results.approved.push(performance.now() - began);

  const out = await a.client.dial(String(b.node), FLOW_PORT);
  await out.write(FLOW_BYTES);
  const incoming = await b.flows.next();
  const seen = [drain(out), drain(incoming)];
  void feed(out);
  void feed(incoming);
  await sleep(10);
  const untrusted = performance.now();
  await b.client.untrust(String(a.node));
  const limit = performance.now() + 5_000;
  while (seen.some(({ ended }) => ended === undefined) && performance.now() < limit) await sleep(1);
  await sleep(QUIET);
  results.last.push(Math.max(0, ...seen.map(({ last }) => (last ?? untrusted) - untrusted)));
  if (seen.some(({ ended }) => ended === undefined)) results.late++;
  results.ended.push(Math.max(...seen.map(({ ended }) => (ended ?? limit) - untrusted)));
}

interface Absence {
  /** From the daemon's return until it no longer lists the peer. */
  readonly told: number;
  /** Echoes that either side still got through after the return; none is right. */
  readonly leaked: number;
}

/** Trust is withdrawn while one side is away. */
async function absence(home: Agent, name: string): Promise<Absence> {
  const before = await agent(name);
  await home.client.handshake(name, 'bench');
  while (!(await before.client.pending()).some((row) => row.node_id === home.node)) await sleep(1);
  const known = home.client.waitForTrust(String(before.node), 20_000);
  await before.client.approve(String(home.node));
  await known;
  await echo(before.client, home.node);
  before.client.close();
  await before.daemon.stop();
  await home.client.untrust(String(before.node));

  const after = await agent(name);
  const began = performance.now();
  let leaked = 0;
  const attempt = (from: Agent, to: Agent): Promise<void> =>
    from.client
      .dial(String(to.node), 7, { timeout: 1_000 })
      .then(async (conn) => {
        await conn.write(FLOW_BYTES);
        if ((await conn.read()) !== undefined) leaked++;
        conn.abort();
      })
      .catch(() => {});
  const attempts = [attempt(after, home), attempt(home, after)];
  while ((await after.client.trusted()).length > 0 && performance.now() - began < 10_000) await sleep(1);
  const told = performance.now() - began;
  await Promise.all(attempts);
  after.client.close();
  await after.daemon.stop();
  return { told, leaked };
}

/** Bare UDP round trips between two sockets of this process. */
async function bareRoundTrips(count: number): Promise<number[]> {
  const [here, there] = [createSocket('udp4'), createSocket('udp4')];
  here.bind(0, '127.0.0.1');
  there.bind(0, '127.0.0.1');
  await Promise.all([once(here, 'listening'), once(there, 'listening')]);
  there.on('message', (data, from) => there.send(data, from.port, from.address));
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const sent = performance.now();
    here.send(FLOW_BYTES, there.address().port, '127.0.0.1');
    await once(here, 'message');
    times.push(performance.now() - sent);
  }
  here.close();
  there.close();
  return times;
}

const began = Date.now();
const left: Agent[] = [];
const right: Agent[] = [];
for (let i = 0; i < side; i++) {
  left.push(await agent(`left-${i}`));
  right.push(await agent(`right-${i}`));
}
console.log(`${2 * side} daemons after ${((Date.now() - began) / 1000).toFixed(1)} s; ${pairs} pairs`);
const bare = await bareRoundTrips(2_000);
let done = 0;
for (const a of left) {
  for (const b of right) {
    if (done >= pairs) break;
    await pair(a, b);
    done++;
    if (done % 100 === 0) console.log(`${done} pairs, ${((Date.now() - began) / 1000).toFixed(0)} s`);
  }
}

const absences: Absence[] = [];
for (let i = 0; i < away; i++) absences.push(await absence(left[0]!, `away-${i}`));

const row = (name: string, times: readonly number[]): string[] => [
  name,
  ...[0.5, 0.9, 0.99].map((fraction) => percentile(times, fraction).toFixed(2)),
  Math.max(...times).toFixed(2),
];
table([
  ['ms', 'p50', 'p90', 'p99', 'max'],
  row('bare UDP round trip', bare),
  row('approve -> echo both ways', results.approved),
  row('untrust -> last byte', results.last),
  row('untrust -> streams over', results.ended),
  ...(away > 0
    ? [
        row(
          'back after an untrust -> told',
          absences.map(({ told }) => told),
        ),
      ]
    : []),
]);
if (away > 0) {
  const leaked = absences.reduce((sum, one) => sum + one.leaked, 0);
  console.log(`${leaked} echoes got through after the return in ${away} absences`);
}
if (results.late > 0) console.log(`${results.late} pairs had a stream that was not over within 5 s`);

for (const { client, daemon } of [...left, ...right]) {
  client.close();
  await daemon.stop();
}
await rendezvous.close();
rmSync(root, { recursive: true, force: true });
