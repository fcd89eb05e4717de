/**
 * Everybody comes back at once: a registry is stopped while many daemons are connected to it, and started again. How
 * soon is each of them back, how long do requests take meanwhile, how long does a user wait, and is anything lost? The
 * daemons run on the same machine, in processes beside the registry, and share its cores.
 * Run: node dist/bench/registry/stampede.js [--daemons 18000] [--away 600] [--processes 2] [--tls] [--short]
 */
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { percentile, table } from '../measure.ts';
import { flag, number } from '../options.ts';
import { cpuSeconds } from '../processes.ts';
import type { Back, Order } from './fleet.ts';
import { fillFleet, fleetDigest } from './fleet-store.ts';
import { Served, socketsAllowed, spawnWithFiles } from './served.ts';

const short = flag('short');
const daemons = number('daemons', short ? 200 : 18_000);
const away = number('away', short ? 2 : 600);
const processes = number('processes', short ? 1 : 2);
/** Back within, and requests answered within, ms. */
const BACK_WITHIN = 60_000;
const ANSWERED_WITHIN = 1000;

const directory = join(tmpdir(), `pilot-stampede-${process.pid}`);
const path = join(directory, 'registry.db');
const start = (port: number): Promise<Served> =>
  Served.start('strict', path, String(port), flag('tls') ? 'tls' : 'plain');

try {
  await fillFleet(path, daemons);
  const before = await fleetDigest(path, daemons);
  let registry = await start(0);
  const { port, fingerprint } = registry.ready;
  // The registry itself may have no more sockets than any process here.
  const room = Math.floor(Math.min(daemons, socketsAllowed() - 200) / processes);
  const share = Math.ceil(daemons / processes);
  const fleets = Array.from({ length: processes }, (_, index) => {
    const first = 1 + index * share;
    const args = [port, first, Math.min(share, daemons + 1 - first), room, fingerprint].map(String);
    return spawnWithFiles(fileURLToPath(new URL('./fleet.js', import.meta.url)), args);
  });
  await Promise.all(fleets.map((child) => once(child, 'message')));
  const everybody = async (order: Order): Promise<{ all: Back; cpu: number; stall: number }> => {
    const spent = cpuSeconds([registry.child.pid!]);
    await registry.usage();
    const backs = fleets.map(async (child) => (await once(child, 'message'))[0] as Back);
    for (const child of fleets) child.send(order);
    const all = merged(await Promise.all(backs));
    const { longestStall } = await registry.usage();
    return { all, cpu: cpuSeconds([registry.child.pid!]) - spent, stall: longestStall };
  };
  const rows = [
    [
      '',
      'back p50',
      'p99',
      'last',
      'requests',
      'p50',
      'p99',
      'users p50',
      'p99',
      'connects p50',
      'p99',
      'failed',
      'registry CPU',
      'longest stall',
      'of the daemons',
    ],
  ];
  const show = (name: string, { all, cpu, stall }: Awaited<ReturnType<typeof everybody>>): void => {
    rows.push([
      name,
      ...[seconds(all.back, 0.5), seconds(all.back, 0.99), seconds(all.back, 1)],
      ...[String(all.requests.length), milliseconds(all.requests, 0.5), milliseconds(all.requests, 0.99)],
      ...[
        seconds(all.asks, 0.5),
        seconds(all.asks, 0.99),
        milliseconds(all.connects, 0.5),
        milliseconds(all.connects, 0.99),
      ],
      String(all.failedConnects),
      ...[`${cpu.toFixed(1)} s`, `${stall.toFixed(0)} ms`, `${all.longestStall.toFixed(0)} ms`],
    ]);
  };
  const first = await everybody({ at: Date.now(), asking: 0, askingFor: 0 });
  show('all start at once', first);
  await new Promise((resolve) => setTimeout(resolve, 2000));
  await registry.stop();
  for (const child of fleets) child.send('revive');
  await new Promise((resolve) => setTimeout(resolve, away * 1000));
  registry = await start(port);
  const returned = await everybody({ at: Date.now(), asking: 50, askingFor: Math.min(20_000, away * 1000) });
  show(`back after ${away} s`, returned);
  await registry.stop();
  for (const child of fleets) child.disconnect();
  const after = await fleetDigest(path, daemons);

  console.log(
    `${daemons} daemons in ${processes} processes beside the registry${flag('tls') ? ', TLS' : ''}; ${Math.min(daemons, room * processes)} may stay connected`,
  );
  table(rows);
  const verdicts = [
    ['everybody back within 60 s', Math.max(...returned.all.back) <= BACK_WITHIN],
    ['p99 of requests under 1 s', percentile(returned.all.requests, 0.99) <= ANSWERED_WITHIN],
    ['nothing lost: ids, keys, names, visibility, trust, memberships', before === after],
  ] as const;
  for (const [what, holds] of verdicts) console.log(`${holds ? 'yes' : 'NO '}  ${what}`);
  // Times of a short run say nothing; what is lost is lost in any.
  const failed = verdicts.some(([, holds], index) => !holds && (!short || index === 2));
  process.exitCode = failed ? 1 : 0;
} finally {
  rmSync(directory, { recursive: true, force: true });
}

function merged(backs: readonly Back[]): Back {
  return {
    back: backs.flatMap(({ back }) => back),
    requests: backs.flatMap(({ requests }) => requests),
    connects: backs.flatMap(({ connects }) => connects),
    failedConnects: backs.reduce((sum, { failedConnects }) => sum + failedConnects, 0),
    asks: backs.flatMap(({ asks }) => asks),
    longestStall: Math.max(...backs.map(({ longestStall }) => longestStall)),
  };
}

function seconds(times: readonly number[], fraction: number): string {
  return times.length === 0 ? '' : `${(percentile(times, fraction) / 1000).toFixed(1)} s`;
}
function milliseconds(times: readonly number[], fraction: number): string {
  return times.length === 0 ? '' : `${percentile(times, fraction).toFixed(0)} ms`;
}
