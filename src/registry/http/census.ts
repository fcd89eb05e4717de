import type { Tally } from '../../api/dashboard.ts';
import { asPilotError } from '../../api/errors.ts';
import type { Millis, NodeId, UnixMillis } from '../../base/units.ts';
import type { Clock, Log } from '../../runtime/ports.ts';
import type { NetworkRecord, NodeRecord, Store } from '../store/store.ts';
import { Counts } from './counts.ts';
import { Degrees } from './degrees.ts';

/** Rows read at once: a few milliseconds of the store's time. */
const SLICE = 200;
/** Between two slices the census rests this many times as long as the slice took; the first one is in more of a hurry. */
const REST = 12;
const FIRST_REST = 5;
const SHORTEST_REST: Millis = 2;
/** Between the end of one census and the next. */
const PAUSE: Millis = 10_000;
const LARGEST_NETWORKS = 100;

/** What a walk over everything found. */
export interface CensusResult {
  readonly at: UnixMillis;
  readonly took: Millis;
  readonly registered: number;
  readonly public: number;
  readonly executors: number;
  readonly versions: Tally;
  /** Of public nodes. */
  readonly tags: Tally;
  /** Nodes by the beacon they prefer. */
  readonly beacons: ReadonlyMap<string, number>;
  readonly links: number;
  readonly degrees: Tally;
  /** Those with the most peers. */
  readonly hubs: readonly NodeId[];
  readonly networks: number;
  readonly openNetworks: number;
  readonly members: number;
  /** The largest first. */
  readonly largest: readonly NetworkRecord[];
  readonly largestOpen: readonly NetworkRecord[];
  readonly openMembers: number;
}

export interface CensusOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Walks over nodes, trust and networks again and again, a slice at a time with rests between, so that requests never
 * wait for it and nobody's request is a walk.
 */
export class Census {
  readonly #options: CensusOptions;
  #latest: CensusResult | undefined;
  #stopped = false;

  constructor(options: CensusOptions) {
    this.#options = options;
  }

  /** Undefined before the first is over. */
  get latest(): CensusResult | undefined {
    return this.#latest;
  }

  start(): void {
    void this.#run();
  }
  stop(): void {
    this.#stopped = true;
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#options;
    while (!this.#stopped) {
      try {
        const result = await this.#take();
        if (result !== undefined) this.#latest = result;
      } catch (error) {
        log.event('warn', 'registry.census_failed', { error: asPilotError(error).message });
      }
      if (!this.#stopped) await clock.sleep(PAUSE);
    }
  }

  async #take(): Promise<CensusResult | undefined> {
    const { store, clock } = this.#options;
    const begun = clock.now();
    const people = { registered: 0, public: 0, executors: 0 };
    const [versions, tags, beacons] = [new Counts(1000), new Counts(10_000), new Counts(1000)];
    const degrees = new Degrees();
    const see = (node: NodeRecord): void => {
      if (!node.registered) return;
      people.registered++;
      if (node.public) people.public++;
      if (node.taskExec) people.executors++;
      versions.add(versionName(node.version));
      if (node.public) for (const tag of node.tags) tags.add(tag);
      if (node.beacons[0] !== undefined) beacons.add(node.beacons[0]);
      degrees.exists(node.id);
    };
    const nodes = await this.#walk(0, async (after: NodeId) => {
      const rows = await store.listNodes(after, SLICE);
      for (const node of rows) see(node);
      return rows.length < SLICE ? undefined : rows.at(-1)!.id;
    });
    const pairs = await this.#walk({ low: 0, high: 0 }, async (after) => {
      const rows = await store.listTrust(after, SLICE * 4, clock.wallNow());
      for (const { low, high } of rows) degrees.link(low, high);
      return rows.length < SLICE * 4 ? undefined : rows.at(-1)!;
    });
    const networks = { count: 0, open: 0, members: 0, openMembers: 0 };
    let [largest, largestOpen]: [NetworkRecord[], NetworkRecord[]] = [[], []];
    const walked = await this.#walk(0, async (after) => {
      const rows = await store.allNetworks(after, SLICE);
      const open = rows.filter(({ joinRule }) => joinRule === 'open');
      networks.count += rows.length;
      networks.open += open.length;
      networks.members += sumOf(rows);
      networks.openMembers += sumOf(open);
      largest = largestOf([...largest, ...rows]);
      largestOpen = largestOf([...largestOpen, ...open]);
      return rows.length < SLICE ? undefined : rows.at(-1)!.id;
    });
    if (!(nodes && pairs && walked)) return undefined;
    return {
      at: clock.wallNow(),
      took: clock.now() - begun,
      ...people,
      versions: versions.largest(12),
      tags: tags.largest(40),
      beacons: new Map(beacons.largest(256)),
      links: degrees.links,
      degrees: degrees.tally(),
      hubs: degrees.hubs(24),
      networks: networks.count,
      openNetworks: networks.open,
      members: networks.members,
      largest,
      largestOpen,
      openMembers: networks.openMembers,
    };
  }

  /** Calls `step` with the place after which to go on, until it has none. False when stopped on the way. */
  async #walk<Place>(from: Place, step: (after: Place) => Promise<Place | undefined>): Promise<boolean> {
    const { clock } = this.#options;
    const rest = this.#latest === undefined ? FIRST_REST : REST;
    let place: Place | undefined = from;
    while (place !== undefined) {
      if (this.#stopped) return false;
      const begun = clock.now();
      place = await step(place);
      await clock.sleep(Math.max(SHORTEST_REST, (clock.now() - begun) * rest));
    }
    return true;
  }
}

/** Versions are texts of clients: what is not plainly one could be anything. */
function versionName(version: string): string {
  const plain = /^v?(\d{1,4}\.\d{1,4}\.\d{1,4})$/.exec(version)?.[1];
  return plain === undefined ? (version === '' ? 'unknown' : 'other') : `v${plain}`;
}

function sumOf(networks: readonly NetworkRecord[]): number {
  return networks.reduce((sum, { members }) => sum + members, 0);
}

function largestOf(networks: NetworkRecord[]): NetworkRecord[] {
  return networks.sort((a, b) => b.members - a.members || a.id - b.id).slice(0, LARGEST_NETWORKS);
}
