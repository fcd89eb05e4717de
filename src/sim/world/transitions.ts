import { type Attachment, between, chance, type Death, pick, siteOf } from '../net/index.ts';
import type { Attacker } from './attacker.ts';
import type { Machine } from './machine.ts';
import type { PilotWorld } from './pilot-world.ts';

/** Wall clocks are at most this wrong. */
const LARGEST_SKEW = 100_000;

interface Transition {
  readonly weight: number;
  apply(context: Context): void;
}

interface Context {
  readonly pilot: PilotWorld;
  readonly attacker: Attacker;
}

/** Everything that can happen to a world, and how often relative to the rest. */
export const TRANSITIONS: Readonly<Record<string, Transition>> = {
  message: {
    weight: 20,
    apply: ({ pilot }) => {
      const [from, to] = talkers(pilot);
      void pilot.sendMessage(from, to);
    },
  },
  stream: {
    weight: 25,
    apply: ({ pilot }) => {
      const [from, to] = talkers(pilot);
      const size = pick(pilot.random, [0, 1, 100, 5_000, 40_000, 120_000]);
      pilot.sendStream(from, to, size === 0 ? 0 : size + pilot.random.below(size));
    },
  },
  file: {
    weight: 5,
    apply: ({ pilot }) => {
      const [from, to] = talkers(pilot);
      void pilot.sendFile(from, to, pick(pilot.random, [0, 1, 70_000, 300_000]));
    },
  },
  datagrams: {
    weight: 8,
    apply: ({ pilot }) => {
      const [from, to] = talkers(pilot);
      for (let i = 0; i < 5; i++) pilot.sendDatagram(from, to);
    },
  },
  'message, then a power cut': { weight: 3, apply: ({ pilot }) => cutAfterMessage(pilot) },
  ping: {
    weight: 5,
    apply: ({ pilot }) => {
      const [from, to] = talkers(pilot);
      void pilot.ping(from, to);
    },
  },
  ask: {
    weight: 4,
    apply: ({ pilot }) => {
      const [from, to] = twoMachines(pilot);
      void pilot.ask(from, to, chance(pilot.random, 0.5));
    },
  },
  decide: { weight: 6, apply: ({ pilot }) => decideOnPending(pilot) },
  untrust: {
    weight: 2,
    apply: ({ pilot }) => {
      const [from, to] = twoMachines(pilot);
      if (pilot.promises.hasConsent(from, to)) void pilot.untrust(from, to);
    },
  },
  'nat rebinding': {
    weight: 8,
    apply: ({ pilot }) => {
      if (pilot.world.nats.length === 0) return;
      const nat = pick(pilot.random, pilot.world.nats);
      pilot.note(`${nat.name} forgets its mappings`);
      nat.flush();
    },
  },
  roam: { weight: 4, apply: ({ pilot }) => roam(pilot) },
  'clock step': {
    weight: 2,
    apply: ({ pilot }) => {
      const machine = pick(pilot.random, pilot.machines);
      const step = Math.floor(between(pilot.random, -40_000, 40_000));
      // Signed requests are good for some minutes around the registry's time.
      machine.host.skew = Math.max(-LARGEST_SKEW, Math.min(LARGEST_SKEW, machine.host.skew + step));
      pilot.note(`the clock of ${machine.name} is set to ${machine.host.skew} ms`);
    },
  },
  'loss burst': {
    weight: 8,
    apply: ({ pilot }) => {
      const { owner, conditions } = pick(pilot.random, pilot.links());
      const loss = between(pilot.random, 0.2, 0.8);
      const duration = between(pilot.random, 1_000, 15_000);
      pilot.note(`${owner.name} loses ${(100 * loss).toFixed(0)} % for ${duration.toFixed(0)} ms`);
      owner.link.conditions = { ...conditions, loss };
      pilot.world.schedule(pilot.world.now + duration, () => pilot.restoreLink(owner));
    },
  },
  outage: {
    weight: 5,
    apply: ({ pilot }) => {
      const { owner } = pick(pilot.random, pilot.links());
      const duration = between(pilot.random, 1_000, 45_000);
      pilot.note(`${owner.name} is offline for ${duration.toFixed(0)} ms`);
      owner.link.up = false;
      pilot.world.schedule(pilot.world.now + duration, () => {
        owner.link.up = true;
      });
    },
  },
  partition: { weight: 8, apply: ({ pilot }) => partition(pilot) },
  'restart daemon': {
    weight: 8,
    apply: ({ pilot }) => restartDaemon(pilot, pick(pilot.random, pilot.machines)),
  },
  'restart rendezvous': { weight: 4, apply: ({ pilot }) => restartRendezvous(pilot) },
  attack: { weight: 15, apply: ({ attacker }) => attacker.attack() },
};

/** Applies one transition, drawn by weight. */
export function randomTransition(context: Context): string {
  const entries = Object.entries(TRANSITIONS);
  let draw = context.pilot.random.fraction() * entries.reduce((sum, [, { weight }]) => sum + weight, 0);
  for (const [name, transition] of entries) {
    draw -= transition.weight;
    if (draw > 0) continue;
    transition.apply(context);
    return name;
  }
  return '';
}

function twoMachines(pilot: PilotWorld): [Machine, Machine] {
  const from = pick(pilot.random, pilot.machines);
  const to = pick(
    pilot.random,
    pilot.machines.filter((machine) => machine !== from),
  );
  return [from, to];
}

/** Mostly a pair that trusts each other, now and then one that does not. */
function talkers(pilot: PilotWorld): [Machine, Machine] {
  const pair = twoMachines(pilot);
  const trusting = pilot.machines.flatMap((a) =>
    pilot.machines.filter((b) => a.trusts(b) && b.trusts(a)).map((b): [Machine, Machine] => [a, b]),
  );
  return chance(pilot.random, 0.85) && trusting.length > 0 ? pick(pilot.random, trusting) : pair;
}

/** A user looks at who has asked, and mostly says yes. */
export function decideOnPending(pilot: PilotWorld, who: Machine = pick(pilot.random, pilot.machines)): void {
  const { app } = who;
  const client = app?.client;
  if (app === undefined || client === undefined) return;
  const says = chance(pilot.random, 0.8) ? 'yes' : 'no';
  pilot.launch(`decide by ${who.name}`, app.process, async () => {
    for (const request of await client.pending()) {
      const asker = pilot.promises.machineOf(request.node_id);
      if (asker === undefined)
        pilot.promises.broken(`${who.name} was asked by node ${request.node_id}, which nobody is`);
      else if (!pilot.promises.everConsented(asker, who)) {
        pilot.promises.broken(`${who.name} has a request of ${asker.name}, whose user never asked`);
      } else if (says === 'yes') void pilot.approve(who, asker);
      else {
        pilot.note(`${who.name} rejects ${asker.name}`);
        await client.reject(String(asker.node), 'no');
      }
    }
  });
}

/** The receiver loses power the moment the sender hears that its message is safe. */
function cutAfterMessage(pilot: PilotWorld): void {
  const [from, to] = talkers(pilot);
  void pilot.sendMessage(from, to).then((acknowledged) => {
    if (acknowledged) restartDaemon(pilot, to, 'power');
  });
}

function roam(pilot: PilotWorld): void {
  const { world, random } = pilot;
  const machine = pick(random, pilot.machines);
  const places = [
    world.internet,
    ...world.nats.filter((nat) => nat.inside.router === nat).map((nat) => nat.inside),
  ];
  const segment = pick(random, places);
  machine.host.moveTo(segment);
  pilot.note(`${machine.name} moves to ${segment.name} as ${machine.host.address}`);
}

function partition(pilot: PilotWorld): void {
  const { world, random } = pilot;
  const sites: Attachment[] = [
    ...new Set(pilot.machines.map((machine) => siteOf(machine.host))),
    pilot.rendezvous.host,
  ];
  if (sites.length < 2) return;
  const a = pick(random, sites);
  const b = pick(
    random,
    sites.filter((site) => site !== a),
  );
  const duration = between(random, 1_000, 60_000);
  pilot.note(`no way between ${a.name} and ${b.name} for ${duration.toFixed(0)} ms`);
  world.router.setPartition(a, b, true);
  world.schedule(world.now + duration, () => world.router.setPartition(a, b, false));
}

function restartDaemon(
  pilot: PilotWorld,
  machine: Machine,
  kind = pick<'clean' | Death>(pilot.random, ['clean', 'killed', 'power']),
): void {
  if (!machine.isRunning) return;
  const pause = pick(pilot.random, [0, 500, between(pilot.random, 1_000, 30_000)]);
  pilot.note(`${machine.name} restarts (${kind}), away for ${pause.toFixed(0)} ms`);
  pilot.launch(`restart ${machine.name}`, undefined, async () => {
    if (kind === 'clean') await machine.stop();
    else machine.crash(kind);
    await sleep(pilot, pause);
    await machine.start();
  });
}

function restartRendezvous(pilot: PilotWorld): void {
  const { rendezvous } = pilot;
  if (!rendezvous.isRunning) return;
  const kind = pick<'clean' | Death>(pilot.random, ['clean', 'killed', 'power']);
  const pause = pick(pilot.random, [0, between(pilot.random, 500, 40_000)]);
  pilot.note(`the rendezvous restarts (${kind}), away for ${pause.toFixed(0)} ms`);
  pilot.launch('restart rendezvous', undefined, async () => {
    if (kind === 'clean') await rendezvous.stop();
    else rendezvous.crash(kind);
    await sleep(pilot, pause);
    await rendezvous.start();
  });
}

function sleep(pilot: PilotWorld, duration: number): Promise<void> {
  return new Promise((resolve) => pilot.world.schedule(pilot.world.now + duration, resolve));
}
