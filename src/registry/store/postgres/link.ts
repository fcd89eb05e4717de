import type { Millis } from '../../../base/units.ts';
import type { Clock, Timer } from '../../../runtime/ports.ts';
import { isLost } from './errors.ts';
import type { Lanes, Readers } from './lanes.ts';
import type { Sql } from './sql.ts';

/** How often the database is asked whether it is there, and how long it may take to say so. */
const PROBE_INTERVAL: Millis = 200;
const PROBE_PATIENCE: Millis = 650;
/** Between attempts to get it back. */
const RETRY: Millis = 250;
/** Our own process slept when a timer is as late as this: the answer may be there already. */
const OWN_LATENESS: Millis = 100;

/** Connections of one purpose each, so that one kind of work never waits for another. */
export interface Pools {
  readonly reads: Readers;
  readonly views: Lanes;
  readonly writes: Lanes;
  readonly probe: Sql;
  readonly listen: Sql;
}

export interface LinkOptions {
  readonly clock: Clock;
  /** Makes clients; nothing is connected before the first use. */
  readonly pools: () => Pools;
  /** The database answers for the first time, or again. Throwing means it is of no use yet. */
  readonly prepare: (pools: Pools) => Promise<void>;
  readonly onUp: (pools: Pools) => void;
  readonly onDown: (reason: string) => void;
}

/**
 * Knows within a second whether the database can be reached. When it cannot, everything under way fails, and new
 * connections are tried until one works: connections of before are not used again.
 */
export class DatabaseLink {
  readonly #options: LinkOptions;
  #pools: Pools | undefined;
  #timer: Timer | undefined;
  #probing = false;
  #closed = false;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  /** Connections that work as far as anybody knows, or undefined. */
  get pools(): Pools | undefined {
    return this.#pools;
  }

  /** Rejects when the database cannot be used. */
  async open(): Promise<void> {
    const pools = this.#options.pools();
    try {
      await this.#options.prepare(pools);
    } catch (thrown) {
      end(pools);
      throw thrown;
    }
    this.#begin(pools);
  }

  /** Something failed: asks at once. */
  suspect(): void {
    if (this.#pools !== undefined && !this.#probing) void this.#probe();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    const pools = this.#pools;
    this.#pools = undefined;
    if (pools !== undefined) {
      await Promise.all(Object.values(pools).map((pool: Sql | Lanes | Readers) => pool.end({ timeout: 2 })));
    }
  }

  #begin(pools: Pools): void {
    this.#pools = pools;
    this.#options.onUp(pools);
    this.#later(PROBE_INTERVAL, () => void this.#probe());
  }

  async #probe(): Promise<void> {
    const pools = this.#pools;
    if (pools === undefined || this.#probing) return;
    this.#timer?.cancel();
    this.#probing = true;
    const failure = await this.#ask(pools.probe);
    this.#probing = false;
    if (this.#closed) return;
    if (failure === undefined) this.#later(PROBE_INTERVAL, () => void this.#probe());
    else this.#lost(failure);
  }

  /** Why the database does not answer, or undefined. */
  async #ask(probe: Sql): Promise<string | undefined> {
    const answer = probe.unsafe('SELECT 1', [], { prepare: true }).then(
      () => undefined,
      // A server that refuses is there: what is asked of it fails by itself.
      (thrown: unknown) => (isLost(thrown) ? String((thrown as Error).message) : undefined),
    );
    const { clock } = this.#options;
    for (;;) {
      const due = clock.now() + PROBE_PATIENCE;
      const late = clock.sleep(PROBE_PATIENCE).then(() => 'late' as const);
      const first = await Promise.race([answer, late]);
      if (first !== 'late') return first;
      if (clock.now() - due < OWN_LATENESS) return `no answer within ${PROBE_PATIENCE} ms`;
    }
  }

  #lost(reason: string): void {
    const pools = this.#pools!;
    this.#pools = undefined;
    this.#options.onDown(reason);
    end(pools);
    this.#later(0, () => void this.#again());
  }

  async #again(): Promise<void> {
    const pools = this.#options.pools();
    try {
      await this.#options.prepare(pools);
      if (this.#closed) end(pools);
      else this.#begin(pools);
    } catch {
      end(pools);
      if (!this.#closed) this.#later(RETRY, () => void this.#again());
    }
  }

  #later(delay: Millis, run: () => void): void {
    const { clock } = this.#options;
    this.#timer = clock.at(clock.now() + delay, run);
  }
}

/** What is under way fails. */
function end(pools: Pools): void {
  for (const pool of Object.values(pools) as (Sql | Lanes | Readers)[])
    void pool.end({ timeout: 0 }).catch(() => undefined);
}
