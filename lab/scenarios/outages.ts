/** What breaks around two agents that stay where they are: routers, beacons, the registry. */
import type { Translation } from '../router-rules.ts';
import type { Side } from '../uplinks.ts';
import type { Measured } from './record.ts';
import { BEACON_PORTS, type BeaconPort, type RoamingWorld, sleep } from './roaming-world.ts';
import type { Scenario } from './scenario.ts';
import { type TransferResult, watchedTransfer } from './transfer.ts';

const LIMIT = 45_000;
/** Acceptance: traffic again within. */
const ALLOWED = 5_000;

const BEACON_KILLED = 'the beacon that relays a file is killed';

function ofTransfer(name: string, path: string, result: TransferResult, note = ''): Measured {
  return {
    group: 'outage',
    name,
    time: result.complete ? result.gap : null,
    allowed: ALLOWED,
    path,
    note: result.complete ? note : `failed: ${result.error}`,
  };
}

/** Both on IPv4 behind NATs of these kinds, on their first uplinks. */
async function behind(world: RoamingWorld, a: Translation, b: Translation): Promise<string> {
  world.uplinks.router('a', 1, a);
  world.uplinks.router('b', 1, b);
  await world.place({ a: { uplink: 1, kind: 'v4' }, b: { uplink: 1, kind: 'v4' } });
  const settled = await world.settled(20_000);
  return settled === undefined ? 'not settled before' : '';
}

/** A file from a to b, and what happens when a quarter of it is there. */
function disturbedTransfer(world: RoamingWorld, disturb: () => Promise<void>): Promise<TransferResult> {
  const { stage, actors } = world;
  return watchedTransfer({
    stage,
    from: actors.a,
    to: actors.b,
    bytes: 6_000_000,
    at: 0.25,
    limit: LIMIT,
    disturb,
  });
}

/** A router forgets every mapping in the middle of a transfer. */
export async function natReboot(world: RoamingWorld, side: Side, nat: Translation): Promise<Measured> {
  const note = await behind(world, nat, nat);
  const result = await disturbedTransfer(world, async () => world.uplinks.reboot(side, 1));
  const path = await world.pathOf('a');
  return ofTransfer(onTheWay(side, nat), path.kind, result, note);
}

/** The same while nothing moves; then the side whose router kept its mappings speaks first. */
export async function idleNatReboot(world: RoamingWorld, side: Side, nat: Translation): Promise<Measured> {
  const note = await behind(world, nat, nat);
  await sleep(3_000);
  world.uplinks.reboot(side, 1);
  const other = otherOf(side);
  const time = (await world.firstAnswer(other, LIMIT)) ?? null;
  const name = whileIdle(side, nat);
  return { group: 'outage', name, time, allowed: ALLOWED, path: (await world.pathOf(other)).kind, note };
}

/** The beacon that carries a transfer dies. */
export async function beaconKilled(world: RoamingWorld): Promise<Measured> {
  const note = await behind(world, 'symmetric', 'symmetric');
  let killed: BeaconPort = BEACON_PORTS[0];
  const result = await disturbedTransfer(world, async () => {
    const { endpoint } = await world.pathOf('a');
    killed = BEACON_PORTS.find((port) => endpoint.endsWith(`:${port}`)) ?? killed;
    await world.kill(`beacon ${killed}`);
  });
  const path = await world.pathOf('a');
  await world.startBeacon(killed);
  return ofTransfer(BEACON_KILLED, path.kind, result, note);
}

/**
 * The registry is away for `length` ms: meanwhile the pair keeps talking, both start anew and find each other, and one
 * moves to another network.
 */
export async function registryDown(world: RoamingWorld, length: number): Promise<Measured[]> {
  const note = await behind(world, 'port-restricted', 'port-restricted');
  await world.powerCut();
  const began = performance.now();
  const results: Measured[] = [];
  const minutes = `registry down for ${length >= 60_000 ? `${length / 60_000} min` : `${length / 1000} s`}`;
  let longest = 0;
  let lost = 0;
  let lastAnswer = performance.now();
  while (performance.now() - began < length) {
    if ((await world.ping('a', 1_000)) === undefined) lost++;
    else {
      longest = Math.max(longest, performance.now() - lastAnswer);
      lastAnswer = performance.now();
    }
    await sleep(200);
  }
  const talking = performance.now() - lastAnswer < ALLOWED;
  results.push({
    group: 'outage',
    name: `${minutes}: the pair keeps talking (longest silence)`,
    time: talking ? Math.max(longest, performance.now() - lastAnswer) : null,
    allowed: ALLOWED,
    path: (await world.pathOf('a')).kind,
    note: `${lost} pings lost${note === '' ? '' : `; ${note}`}`,
  });
  for (const side of ['a', 'b'] as const) world.stopDaemon(side);
  for (const side of ['a', 'b'] as const) world.startDaemon(side);
  results.push({
    group: 'outage',
    name: `${minutes}: both daemons start anew, new session`,
    time: (await world.firstAnswer('a', LIMIT)) ?? null,
    allowed: ALLOWED,
    path: (await world.pathOf('a')).kind,
    note: '',
  });
  await world.place({ a: { uplink: 2, kind: 'v4' }, b: { uplink: 1, kind: 'v4' } });
  results.push({
    group: 'outage',
    name: `${minutes}: A moves to another network, B speaks first`,
    time: (await world.firstAnswer('b', LIMIT)) ?? null,
    allowed: ALLOWED,
    path: (await world.pathOf('b')).kind,
    note: '',
  });
  await world.startRegistry();
  const start = performance.now();
  const client = await world.client('a');
  let back: number | undefined;
  while (back === undefined && performance.now() - start < LIMIT) {
    const { registered, registry_connected: connected } = await client.info();
    if (registered && connected) back = performance.now() - start;
    else await sleep(50);
  }
  results.push({
    group: 'outage',
    name: `${minutes}, then back: A is registered again`,
    time: back ?? null,
    // The registry may be asked less often the longer it was away.
    allowed: 35_000,
    path: '',
    note: '',
  });
  return results;
}

/** `registryDown`: for how long, ms. */
export function outages(registryDownFor: number): Scenario[] {
  const one = (name: string, run: (world: RoamingWorld) => Promise<Measured>): Scenario => ({
    group: 'outage',
    name,
    run: async (world) => [await run(world)],
  });
  const nats: readonly Translation[] = ['port-restricted', 'symmetric'];
  return [
    ...(['a', 'b'] as const).flatMap((side) =>
      nats.map((nat) => one(onTheWay(side, nat), (world) => natReboot(world, side, nat))),
    ),
    ...nats.map((nat) => one(whileIdle('a', nat), (world) => idleNatReboot(world, 'a', nat))),
    one(BEACON_KILLED, beaconKilled),
    {
      group: 'outage',
      name: 'registry down',
      run: (world) => registryDown(world, registryDownFor),
    },
  ];
}

function onTheWay(side: Side, nat: Translation): string {
  return `NAT of ${side.toUpperCase()} reboots (${nat}), file on its way`;
}

function whileIdle(side: Side, nat: Translation): string {
  return `NAT of ${side.toUpperCase()} reboots (${nat}), idle; ${otherOf(side).toUpperCase()} speaks first`;
}

function otherOf(side: Side): Side {
  return side === 'a' ? 'b' : 'a';
}
