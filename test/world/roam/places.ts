/** Where nodes can be: homes and offices behind NATs of every kind, carriers, and the open internet. */
import type { Random } from '../../../src/base/random.ts';
import {
  between,
  type LinkConditions,
  NAT_PRESETS,
  type NatBehaviour,
  type NatPreset,
  pick,
  type Segment,
  type World,
} from '../../../src/sim/index.ts';

const PRESETS = Object.keys(NAT_PRESETS) as NatPreset[];
const CARRIERS = 2;

/** `count` networks; some nodes will share one. */
export function makePlaces(world: World, random: Random, count: number): Segment[] {
  const places: Segment[] = [world.internet];
  for (let i = 0; i < CARRIERS; i++) {
    const carrier = world.addNat(`carrier-${i}`, randomNat(random), {
      prefix: `100.${64 + i}`,
      conditions: wan(random),
    });
    places.push(carrier.inside);
    places.push(world.addNat(`tethered-${i}`, randomNat(random), { outside: carrier.inside }).inside);
  }
  while (places.length < count)
    places.push(world.addNat(`home-${places.length}`, randomNat(random), { conditions: wan(random) }).inside);
  return places;
}

export function randomNat(random: Random): NatBehaviour {
  return NAT_PRESETS[pick(random, PRESETS)];
}

function wan(random: Random): Partial<LinkConditions> {
  return {
    delay: between(random, 3, 60),
    jitter: between(random, 0, 8),
    loss: pick(random, [0, 0, 0.005, 0.02]),
  };
}
