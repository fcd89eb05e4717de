/**
 * One registry process on the embedded store with a million nodes: what a node costs in memory and on disk, how fast it
 * starts, what a live connection costs, and how many requests of each kind it answers, beside what the database and a
 * bare TCP server do by themselves. The load comes from the same machine.
 * Run: npm run registry-bench -- [--nodes 1000000] [--connections 50000] [--seconds 10] [--short] [--only-fill]
 * `--store FILE` keeps the store and goes on with what is there; with --filled it has all the nodes already.
 */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { encodeBase64 } from '../../src/wire/base64.ts';
import { table } from '../measure.ts';
import { flag, number, text } from '../options.ts';
import { closedLoop, type Rate } from './drive.ts';
import { fill } from './fill.ts';
import { keyOf, Line } from './line.ts';
import { rawSpeed } from './raw.ts';
import { kernelTcpBytes, Served, socketsAllowed, spawnWithFiles } from './served.ts';

const short = flag('short');
const nodes = number('nodes', short ? 3000 : 1_000_000);
const seconds = number('seconds', short ? 0.3 : 10);
const wanted = number('connections', short ? 100 : 50_000);
/** Requests under way at once. */
const WORKERS = 32;
const NEW_KEYS = 1e9;
const SOURCES = 4;
/** Nodes that are looked up. */
const LISTED = 50_000;

const directory = mkdtempSync(join(tmpdir(), 'pilot-million-'));
const served: Served[] = [];
try {
  await main();
} finally {
  for (const one of served) one.kill();
  rmSync(directory, { recursive: true, force: true });
}

async function main(): Promise<void> {
  const allowed = socketsAllowed() - WORKERS * 8;
  const connections = Math.min(wanted, allowed, nodes - WORKERS);
  const real = connections + WORKERS;
  const path = text('store') ?? join(directory, 'registry.db');
  const listed = Math.min(nodes, LISTED);
  const filled = flag('filled') ? undefined : await fill(path, nodes, real, listed);
  if (filled !== undefined)
    console.log(`${nodes} nodes registered, ${filled.perSecond.toFixed(0)} per second`);
  if (flag('only-fill')) return;
  const raw = rawSpeed(join(directory, 'raw.db'), nodes, seconds / 5);
  rmSync(join(directory, 'raw.db'));
  const disk = statSync(path).size;

  const empty = await start(join(directory, 'empty.db'));
  const emptyBytes = empty.resident();
  await empty.stop();
  dropCache(path);
  const cold = await start(path);
  await cold.stop();
  const registry = await start(path);
  const startedBytes = registry.resident();
  await registry.liven();
  // What a start leaves behind for the garbage collector is not what nodes cost.
  await pause(short ? 100 : 3000);
  const livelyBytes = registry.resident();

  print('nodes', [
    ['', 'value'],
    ['nodes', String(nodes)],
    ['of those public', String(listed)],
    ['bytes on disk per node', (disk / nodes).toFixed(0)],
    ['bytes of memory per node, all just heard of', ((livelyBytes - emptyBytes) / nodes).toFixed(0)],
    [
      'memory of the registry: empty, started, all heard of, MB',
      megabytes(emptyBytes, startedBytes, livelyBytes),
    ],
    ['from starting the process to serving, file not in memory, s', (cold.ready.start / 1000).toFixed(2)],
    ['from starting the process to serving, file in memory, s', (registry.ready.start / 1000).toFixed(2)],
    ['  of that opening and checking the store', (registry.ready.open / 1000).toFixed(2)],
  ]);

  const before = { resident: registry.resident(), kernel: kernelTcpBytes() };
  const began = performance.now();
  const crowd = spawnWithFiles(fileURLToPath(new URL('./crowd.js', import.meta.url)), [
    ...[registry.port, WORKERS + 1, connections, SOURCES].map(String),
  ]);
  await once(crowd, 'message');
  const joined = (performance.now() - began) / 1000;
  await pause(short ? 100 : 5000);
  const after = { resident: registry.resident(), kernel: kernelTcpBytes() };
  const usage = await registry.usage();
  print('connections', [
    ['', 'value'],
    ['live connections, each proven and told of events', String(usage.connections)],
    ...(connections < wanted
      ? [[`fewer than the ${wanted} wanted: the system allows a process so many sockets`, String(allowed)]]
      : []),
    ['until all were there, s', joined.toFixed(1)],
    ['bytes of the registry per connection', ((after.resident - before.resident) / connections).toFixed(0)],
    [
      'bytes of the kernel per connection, both ends',
      ((after.kernel - before.kernel) / connections).toFixed(0),
    ],
  ]);

  await rates(registry, raw, filled?.perSecond);
  crowd.kill();
  registry.kill();
  await once(registry.child, 'exit');
  const log = statSync(`${path}-wal`).size;
  const killed = await start(path);
  print('start after a kill', [
    ['', 'value'],
    ['log beside the file, MB', megabytes(log)],
    ['from starting the process to serving, s', (killed.ready.start / 1000).toFixed(2)],
  ]);
  await killed.stop();
}

async function rates(
  registry: Served,
  raw: ReturnType<typeof rawSpeed>,
  filled: number | undefined,
): Promise<void> {
  const server = registry.child.pid!;
  const echo = await start(undefined);
  const bare = await Promise.all(Array.from({ length: WORKERS }, () => Line.open(echo.port, keyOf(1))));
  const echoed = await closedLoop(bare, seconds / 2, echo.child.pid!, (line) =>
    line.ask({ type: 'heartbeat', node_id: 1 }),
  );
  for (const line of bare) line.close();
  echo.kill();

  const lines = await Promise.all(
    Array.from({ length: WORKERS }, async (_, index) => {
      const line = await Line.open(registry.port, keyOf(index + 1));
      await line.register();
      return line;
    }),
  );
  const target = (): number => 1 + Math.floor(Math.random() * Math.min(nodes, LISTED));
  const lookups = await closedLoop(lines, seconds, server, (line) =>
    line.ask({ type: 'lookup', node_id: target() }),
  );
  const resolves = await closedLoop(lines, seconds, server, (line) =>
    line.sign({ type: 'resolve', node_id: target(), requester_id: line.node }),
  );
  let made = 0;
  const keys = Array.from({ length: Math.ceil(seconds * 4000) }, (_, index) => keyOf(NEW_KEYS + index));
  const registrations = await closedLoop(lines, seconds, server, async (line) => {
    const key = keys[made++];
    if (key === undefined) throw new Error('out of keys: fewer --seconds');
    const { nonce } = await line.ask({ type: 'challenge' });
    const own = line.key;
    line.key = key;
    const asked = line.sign({
      type: 'register',
      listen_addr: '127.0.0.1:4000',
      public_key: encodeBase64(key.publicKey),
      challenge: nonce,
    });
    line.key = own;
    await asked;
  });
  // Others spoke on these connections last.
  for (const line of lines) await line.register();
  const json = await closedLoop(lines, seconds, server, (line) => line.heartbeat());
  const binary = await Promise.all(lines.map((line) => line.goBinary()));
  const beats = binary.every(Boolean)
    ? await closedLoop(lines, seconds, server, (line) => line.heartbeat())
    : undefined;
  for (const line of lines) line.close();

  const ratio = (one: number, other: number): string => (one / other).toFixed(2);
  const row = (name: string, rate: Rate, database: number | undefined, note: string): string[] => [
    name,
    rate.perSecond.toFixed(0),
    rate.p50.toFixed(2),
    rate.p99.toFixed(2),
    rate.cpu.toFixed(0),
    database === undefined ? '' : `${database.toFixed(0)} ${note}`,
    database === undefined ? '' : ratio(rate.perSecond, database),
    ratio(rate.perSecond, echoed.perSecond),
  ];
  print(`requests, ${WORKERS} at once`, [
    [
      '',
      'per second',
      'p50, ms',
      'p99, ms',
      'the database alone, rows per second',
      '× that',
      '× bare TCP server',
    ],
    row('registrations of new nodes, proven, durable', registrations, raw.durable, 'inserts, one at a time'),
    row('lookups of public nodes', lookups, raw.reads, 'reads'),
    row('resolves, signed', resolves, raw.reads, 'reads'),
    row('heartbeats, JSON', json, raw.updates, 'updates, 1,000 at a time'),
    ...(beats === undefined
      ? []
      : [row('heartbeats, binary', beats, raw.updates, 'updates, 1,000 at a time')]),
    row('bare TCP server that sends back what it gets', echoed, undefined, ''),
  ]);
  if (filled === undefined) return;
  print('store without sockets and signatures', [
    ['', 'per second', 'the database alone, 2,000 rows at a time', '× that'],
    [
      'registrations of new nodes, durable',
      filled.toFixed(0),
      raw.inserts.toFixed(0),
      ratio(filled, raw.inserts),
    ],
  ]);
}

async function start(path: string | undefined): Promise<Served> {
  const one = path === undefined ? await Served.start('echo') : await Served.start('registry', path);
  served.push(one);
  return one;
}

/** The next reader of the file has to go to the disk. */
function dropCache(path: string): void {
  execFileSync('sync', [path]);
  execFileSync('dd', [`if=${path}`, 'iflag=nocache', 'count=0'], { stdio: 'ignore' });
}

function megabytes(...bytes: readonly number[]): string {
  return bytes.map((one) => (one / 1e6).toFixed(0)).join(', ');
}

function print(title: string, rows: readonly (readonly string[])[]): void {
  console.log(`\n${title}`);
  table(rows);
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
