/**
 * The virtual internet: hosts, NATs, links and partitions on virtual time, all from one seed. Knows nothing of
 * Pilot; `world/` runs daemons on it.
 */

export { Disk } from './disk.ts';
export { type BoundSocket, Host, type HostOptions } from './host.ts';
export { type Direction, IDEAL, Link, type LinkConditions } from './link.ts';
export { type Dependence, NAT_PRESETS, Nat, type NatBehaviour, type NatPreset } from './nat.ts';
export { directPathPossible, type Reachability } from './oracle.ts';
export { type Death, Process } from './process.ts';
export { between, chance, pick, seededRandom } from './seeded-random.ts';
export { type Attachment, Segment, siteOf } from './topology.ts';
export { type Fate, type Passage, Trace } from './trace.ts';
export { type Breakage, type LogRecord, World, type WorldOptions } from './world.ts';
