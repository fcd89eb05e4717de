/** The 18 uplink switches: six kinds of change, on one side, on the other, and on both at once, during a transfer. */
import type { Side, UplinkKind } from '../uplinks.ts';
import type { Group, Measured } from './record.ts';
import type { Places, RoamingWorld } from './roaming-world.ts';
import type { Scenario } from './scenario.ts';
import { watchedTransfer } from './transfer.ts';

interface Switch {
  readonly name: string;
  readonly from: UplinkKind;
  readonly to: UplinkKind;
  readonly sides: readonly Side[];
  /** What the side that stays has. */
  readonly other: UplinkKind;
}

const CHANGES: readonly (readonly [UplinkKind, UplinkKind])[] = [
  ['v4', 'v4'],
  ['v6', 'v6'],
  ['v4', 'v6'],
  ['v6', 'v4'],
  ['dual', 'v4'],
  ['dual', 'v6'],
];
const SIDES: readonly (readonly [string, readonly Side[]])[] = [
  ['A', ['a']],
  ['B', ['b']],
  ['both', ['a', 'b']],
];

/** A sends, B receives. The side that stays has both families. */
export const SWITCHES: readonly Switch[] = CHANGES.flatMap(([from, to]) =>
  SIDES.map(([who, sides]) => ({
    name: `${label(from, to)} on ${who}`,
    from,
    to,
    sides,
    other: 'dual' as const,
  })),
);

/** Afterwards the two have no family in common: only a beacon with both joins them. */
const STRANDED: readonly Switch[] = [
  { name: 'v4 → v6 on A, B has only v4', from: 'v4', to: 'v6', sides: ['a'], other: 'v4' },
  { name: 'v6 → v4 on B, A has only v6', from: 'v6', to: 'v4', sides: ['b'], other: 'v6' },
];

function label(from: UplinkKind, to: UplinkKind): string {
  return `${from} → ${to}${from === to ? '′' : ''}`;
}

/** A file of that many bytes is on its way when the uplinks change. */
export function switches(bytes: number): Scenario[] {
  const scenarios = (group: Group, all: readonly Switch[]): Scenario[] =>
    all.map((change) => ({
      group,
      name: change.name,
      run: async (world) => [await runSwitch(world, group, change, bytes)],
    }));
  return [...scenarios('switch', SWITCHES), ...scenarios('stranded', STRANDED)];
}

export async function runSwitch(
  world: RoamingWorld,
  group: Group,
  change: Switch,
  bytes: number,
): Promise<Measured> {
  const { from, to, sides, other } = change;
  const start = (side: Side): UplinkKind => (sides.includes(side) ? from : other);
  const before: Places = {
    a: { uplink: 1, kind: start('a') },
    b: { uplink: 1, kind: start('b') },
  };
  await world.place(before);
  const settled = await world.settled(15_000);
  const pathBefore = await world.pathOf('a');
  const result = await watchedTransfer({
    stage: world.stage,
    from: world.actors.a,
    to: world.actors.b,
    bytes,
    at: 0.25,
    limit: 45_000,
    async disturb() {
      await Promise.all(
        sides.map((side) => {
          world.uplinks.kind(side, 2, to);
          return world.uplinks.move(side, 2);
        }),
      );
    },
  });
  const pathAfter = await world.pathOf('a');
  const failure = result.complete ? [] : [`failed: ${result.error}`];
  const restless = settled === undefined ? ['not settled before'] : [];
  return {
    group,
    name: change.name,
    time: result.complete ? result.gap : null,
    allowed: undefined,
    path: `${pathBefore.kind} → ${pathAfter.kind}`,
    note: [...restless, ...failure].join('; '),
  };
}
