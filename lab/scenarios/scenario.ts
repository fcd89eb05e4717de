import type { Group, Measured } from './record.ts';
import type { RoamingWorld, Servers } from './roaming-world.ts';

/** One thing to measure. */
export interface Scenario {
  readonly group: Group;
  /** What the names of its results begin with. */
  readonly name: string;
  /** @default apart */
  readonly servers?: Servers;
  run(world: RoamingWorld): Promise<readonly Measured[]>;
}
