/**
 * A registry with the limits it has by default, a fleet behind one address that works, and a stranger at another who
 * does one bad thing after another: what the fleet notices, and what the registry pays. All on one machine, the
 * stranger with a core to itself where there is one.
 * Run: node dist/bench/registry/strangers.js [--fleet 5000] [--seconds 30] [--registrations 1000000] [--short]
 */
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { percentile, table } from '../measure.ts';
import { flag, number } from '../options.ts';
import { cpuSeconds } from '../processes.ts';
import { ATTACKS, type Attack, type Damage } from './attack-kinds.ts';
import { fillFleet, fleetDigest } from './fleet-store.ts';
import { Served, spawnWithFiles } from './served.ts';
import type { Work } from './working-fleet.ts';

const short = flag('short');
const fleetSize = number('fleet', short ? 60 : 5000);
const seconds = number('seconds', short ? 1 : 30);
const registrations = number('registrations', short ? 2000 : 1_000_000);
/** A million registrations take longer than the rest. */
const longest = number('longest', short ? 2 : 600);
/** Bytes that all attacks together may cost. */
const MEMORY = 512e6;

const directory = join(tmpdir(), `pilot-strangers-${process.pid}`);
const path = join(directory, 'registry.db');
const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

try {
  await fillFleet(path, fleetSize);
  const before = await fleetDigest(path, fleetSize);
  const registry = await Served.start('strict', path, '0');
  const fleet = spawnWithFiles(script('./working-fleet.js'), [String(registry.port), String(fleetSize)]);
  await once(fleet, 'message');
  const pid = registry.child.pid!;
  const rows = [
    [
      '',
      'tried',
      'done',
      'cut',
      'fleet asks',
      'failed',
      'p50',
      'p99',
      'longest',
      'registry CPU',
      'memory',
      'connections',
    ],
  ];
  const works = new Map<Attack | undefined, Work>();
  const measure = async (attack: Attack | undefined): Promise<void> => {
    const spent = cpuSeconds([pid]);
    const began = performance.now();
    fleet.send({ seconds: attack === 'junk registrations' ? Math.min(seconds, longest) : seconds });
    const working = once(fleet, 'message') as Promise<[Work]>;
    const damage = attack === undefined ? undefined : against(attack, registry.port);
    await new Promise((resolve) => setTimeout(resolve, seconds * 900));
    const { connections } = (await registry.usage()).server;
    const [work] = await working;
    const done = await damage;
    works.set(attack, work);
    const took = (performance.now() - began) / 1000;
    rows.push([
      ...[
        attack ?? 'nobody',
        ...(done === undefined ? ['', '', ''] : [done.tried, done.done, done.cut].map(String)),
      ],
      ...[String(work.times.length), String(work.failed)],
      ...[0.5, 0.99, 1].map((part) => `${percentile(work.times, part)?.toFixed(1)} ms`),
      `${((100 * (cpuSeconds([pid]) - spent)) / took).toFixed(0)} %`,
      `${(registry.resident() / 1e6).toFixed(0)} MB`,
      String(connections),
    ]);
  };
  await measure(undefined);
  const memory = registry.resident();
  for (const attack of ATTACKS) await measure(attack);
  await measure(undefined);
  const grown = registry.resident() - memory;
  const { server } = await registry.usage();
  fleet.disconnect();
  await registry.stop();
  const after = await fleetDigest(path, fleetSize);

  console.log(`${fleetSize} daemons behind one address, a stranger at another, ${seconds} s for each attack`);
  table(rows);
  const failed = [...works.values()].reduce((sum, work) => sum + work.failed, 0);
  const slowest = Math.max(...[...works.values()].map((work) => percentile(work.times, 0.99)));
  const verdicts = [
    [`no request of the fleet failed (${failed} did)`, failed === 0],
    [`its p99 stays under 1 s (${slowest.toFixed(0)} ms at worst)`, slowest < 1000],
    [`memory is bounded (${(grown / 1e6).toFixed(0)} MB more after all of it)`, grown < MEMORY],
    ['nothing of the fleet is changed', before === after],
    [
      `nothing is held any more (${server.bufferedBytes + server.unsentBytes} bytes)`,
      server.bufferedBytes + server.unsentBytes === 0,
    ],
  ] as const;
  for (const [what, holds] of verdicts) console.log(`${holds ? 'yes' : 'NO '}  ${what}`);
  // Times of a short run on a busy machine say nothing.
  process.exitCode = verdicts.some(([, holds], index) => !holds && (!short || index !== 1)) ? 1 : 0;
} finally {
  rmSync(directory, { recursive: true, force: true });
}

async function against(attack: Attack, port: number): Promise<Damage> {
  const isJunk = attack === 'junk registrations';
  const most = isJunk ? registrations : short ? 500 : 1e9;
  const child = spawnWithFiles(
    script('./attack.js'),
    [port, attack, isJunk ? longest : seconds, most].map(String),
  );
  const [damage] = (await once(child, 'message')) as [Damage];
  return damage;
}
