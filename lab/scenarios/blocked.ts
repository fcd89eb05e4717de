/** A network that drops UDP, then lets out nothing but a proxy that wants credentials, then is open again. */
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PROJECT } from '../stage.ts';
import { SERVER_V4 } from '../uplinks.ts';
import type { Measured } from './record.ts';
import { type RoamingWorld, sleep } from './roaming-world.ts';
import type { Scenario } from './scenario.ts';
import { watchedTransfer } from './transfer.ts';

const PROXY_PORT = 3128;
const RIGHT = 'agent:correct-horse';
const WRONG = 'agent:wrong';
const LIMIT = 60_000;
/** Over TCP within this, once UDP is found to be blocked. */
const ALLOWED = 5_000;

interface Verdict {
  readonly verdict: string;
  readonly cause: string;
}

/** A is behind that network; B stays where it is, with both families. One world for all, in this order. */
export function blocked(): Scenario[] {
  return [{ group: 'blocked', name: 'A', servers: 'together', run }];
}

async function run(world: RoamingWorld): Promise<Measured[]> {
  const { uplinks, stage, actors } = world;
  uplinks.router('a', 1, 'port-restricted');
  await world.place({ a: { uplink: 1, kind: 'dual' }, b: { uplink: 1, kind: 'dual' } });
  const settled = await world.settled(15_000);
  const results: Measured[] = [];
  const add = async (
    name: string,
    time: number | undefined,
    allowed: number | undefined,
    note = '',
  ): Promise<void> => {
    const path = (await world.pathOf('a')).kind;
    results.push({ group: 'blocked', name, time: time ?? null, allowed, path, note });
  };

  const transfer = await watchedTransfer({
    stage,
    from: actors.a,
    to: actors.b,
    bytes: 6_000_000,
    at: 0.25,
    limit: LIMIT,
    disturb: async () => uplinks.policy('a', 1, 'no-udp'),
  });
  await add(
    'A’s network begins to drop UDP, file on its way',
    transfer.complete ? transfer.gap : undefined,
    ALLOWED,
    [settled === undefined ? 'not settled before' : '', transfer.error]
      .filter((text) => text !== '')
      .join('; '),
  );
  await add('the same network: A says why', await explained(world, 'udp_blocked_here'), undefined);

  world.stopDaemon('a');
  world.startDaemon('a');
  await add('A starts in a network without UDP, first answer', await world.firstAnswer('a', LIMIT), ALLOWED);

  const direct = await timed(LIMIT, async () => {
    uplinks.policy('a', 1, 'open');
    return (await world.ping('a', 300)) !== undefined && (await world.pathOf('a')).kind !== 'relay';
  });
  await add('UDP is back: direct again', direct, LIMIT);

  const proxy = await startProxy(world);
  try {
    const url = join(stage.directory, 'proxy-url');
    const credentials = (text: string): void =>
      writeFileSync(url, `http://${text}@${SERVER_V4}:${PROXY_PORT}\n`);
    credentials(WRONG);
    stage.pilotctl(actors.a, ['config', '--set', `proxy_cmd=cat ${url}`], { quiet: true });
    world.stopDaemon('a');
    uplinks.policy('a', 1, { onlyTo: SERVER_V4, port: PROXY_PORT });
    world.startDaemon('a');
    await add(
      'nothing but a proxy, wrong credentials: says so',
      await explained(world, 'proxy_auth_failed'),
      LIMIT,
    );
    const reached = await world.firstAnswer('a', 2_000);
    if (reached !== undefined) throw new Error('with wrong credentials nothing can be reached');
    credentials(RIGHT);
    await add(
      'the command prints right credentials: first answer, without a restart',
      await world.firstAnswer('a', LIMIT),
      LIMIT,
    );
    uplinks.policy('a', 1, 'open');
    const back = await timed(
      LIMIT,
      async () => (await world.ping('a', 300)) !== undefined && (await world.pathOf('a')).kind !== 'relay',
    );
    await add('UDP is back: direct again, from the proxy', back, LIMIT);
  } finally {
    proxy.kill('SIGKILL');
    stage.pilotctl(actors.a, ['config', '--unset', 'proxy_cmd'], { quiet: true });
    uplinks.policy('a', 1, 'open');
  }
  return results;
}

/** ms until `pilotctl why` names that cause at A. */
function explained(world: RoamingWorld, cause: string): Promise<number | undefined> {
  return timed(LIMIT, async () => {
    const words = ['why', world.actors.b.name, '--wait', '0s'];
    const said = world.stage.json<Verdict>(world.actors.a, words, { mayFail: true });
    return said.cause === cause;
  });
}

async function timed(limit: number, condition: () => Promise<boolean>): Promise<number | undefined> {
  const start = performance.now();
  while (performance.now() - start < limit) {
    if (await condition()) return performance.now() - start;
    await sleep(100);
  }
  return undefined;
}

async function startProxy(world: RoamingWorld): Promise<ChildProcess> {
  const program = join(PROJECT, 'dist', 'lab', 'scenarios', 'proxy.js');
  const words = [
    ...world.uplinks.inside('pub'),
    process.execPath,
    program,
    SERVER_V4,
    `${PROXY_PORT}`,
    RIGHT,
  ];
  const child = spawn(words[0]!, words.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((resolve) => child.stdout.once('data', resolve));
  return child;
}
