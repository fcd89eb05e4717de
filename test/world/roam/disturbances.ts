/** What happens to the machines of people who carry them about. */
import type { Random } from '../../../src/base/random.ts';
import { between, type Host, type Machine, type Nat, pick, type Segment } from '../../../src/sim/index.ts';
import { randomNat } from './places.ts';

const SECOND = 1_000;
const MINUTE = 60_000;
const HOUR = 3_600_000;

export interface Scene {
  readonly random: Random;
  readonly places: readonly Segment[];
  readonly machines: readonly Machine[];
  now(): number;
  at(time: number, what: () => void): void;
  note(text: string): void;
  /** These are away from now on. */
  disturbed(...machines: readonly Machine[]): void;
  /** These can be reached again from now on, for all that is in anybody's hands but Pilot's. */
  healed(why: string, ...machines: readonly Machine[]): void;
}

type Disturbance = (scene: Scene, machine: Machine) => void;

const DISTURBANCES: readonly { readonly weight: number; readonly apply: Disturbance }[] = [
  { weight: 35, apply: roam },
  { weight: 25, apply: sleep },
  { weight: 15, apply: outage },
  { weight: 18, apply: (scene, machine) => restartNat(scene, machine, false) },
  { weight: 7, apply: (scene, machine) => restartNat(scene, machine, true) },
];

/** One thing happens to one machine, and perhaps to others behind the same NAT. */
export function disturb(scene: Scene, machine: Machine): void {
  let draw = scene.random.fraction() * DISTURBANCES.reduce((sum, { weight }) => sum + weight, 0);
  for (const { weight, apply } of DISTURBANCES) {
    draw -= weight;
    if (draw > 0) continue;
    apply(scene, machine);
    return;
  }
}

/** Carried elsewhere: without a network for a moment, or for some seconds. */
function roam(scene: Scene, machine: Machine): void {
  const { host } = machine;
  const gap = logBetween(scene.random, 50, 20 * SECOND);
  scene.disturbed(machine);
  host.link.up = false;
  scene.at(scene.now() + gap, () => {
    move(scene, host);
    host.link.up = true;
    scene.healed(`${machine.name} roamed in ${gap.toFixed(0)} ms`, machine);
  });
}

/** Closed, and opened later, perhaps elsewhere. */
function sleep(scene: Scene, machine: Machine): void {
  const { host } = machine;
  const length = logBetween(scene.random, 20 * SECOND, 3 * HOUR);
  scene.disturbed(machine);
  host.sleep();
  scene.at(scene.now() + length, () => {
    const moves = scene.random.fraction() < 0.5;
    if (moves) move(scene, host);
    host.wake();
    scene.healed(
      `${machine.name} woke up after ${(length / SECOND).toFixed(0)} s${moves ? ' elsewhere' : ''}`,
      machine,
    );
  });
}

function outage(scene: Scene, machine: Machine): void {
  const { host } = machine;
  const length = logBetween(scene.random, SECOND, 20 * MINUTE);
  scene.disturbed(machine);
  host.link.up = false;
  scene.at(scene.now() + length, () => {
    host.link.up = true;
    scene.healed(`${machine.name} was offline for ${(length / SECOND).toFixed(1)} s`, machine);
  });
}

/** The router forgets everything at once; or another one takes its place. */
function restartNat(scene: Scene, machine: Machine, replaced: boolean): void {
  const nat = machine.host.segment.router;
  if (nat === undefined) {
    roam(scene, machine);
    return;
  }
  if (replaced) nat.behaviour = randomNat(scene.random);
  nat.flush();
  const behind = scene.machines.filter(({ host }) => isBehind(host, nat));
  scene.disturbed(...behind);
  scene.healed(`${nat.name} ${replaced ? 'was replaced' : 'restarted'}`, ...behind);
}

function move(scene: Scene, host: Host): void {
  const elsewhere = scene.places.filter((place) => place !== host.segment);
  host.moveTo(pick(scene.random, elsewhere));
}

function isBehind(host: Host, nat: Nat): boolean {
  for (let at = host.segment.router; at !== undefined; at = at.segment.router) if (at === nat) return true;
  return false;
}

/** Short ones are as common as long ones. */
export function logBetween(random: Random, from: number, to: number): number {
  return Math.exp(between(random, Math.log(from), Math.log(to)));
}
