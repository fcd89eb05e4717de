import type { Millis, NodeId, UnixMillis } from '../../../base/units.ts';
import type { Clock, Log, Timer } from '../../../runtime/ports.ts';
import type { LastSeen } from '../sql/last-seen.ts';
import type { Engine } from '../sql/store.ts';
import { run, type Steps } from '../steps.ts';

/** How long a time may stay in memory only. */
const DELAY: Millis = 5000;
/** Rows of one statement. */
const BATCH = 5000;
/** In the order of ids, so that two instances do not wait for each other. */
const WRITE = `UPDATE nodes SET last_seen = heard.at
  FROM (SELECT id, at FROM unnest(string_to_array(?, ',')::bigint[], string_to_array(?, ',')::bigint[]) AS pairs (id, at)
        ORDER BY id) AS heard
  WHERE nodes.id = heard.id AND nodes.last_seen < heard.at`;

/** Last-seen times that are not in the database yet. Others write theirs: the newest stays. */
export class UnwrittenSeen implements LastSeen {
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #seen = new Map<NodeId, UnixMillis>();
  #timer: Timer | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(engine: Engine, clock: Clock, log: Log) {
    this.#engine = engine;
    this.#clock = clock;
    this.#log = log;
  }

  at(id: NodeId): UnixMillis {
    return this.#seen.get(id) ?? 0;
  }
  note(id: NodeId, at: UnixMillis): void {
    if (at > this.at(id)) this.set(id, at);
  }
  set(id: NodeId, at: UnixMillis): void {
    this.#seen.set(id, at);
    this.#arm();
  }
  /** The row says that it is not registered. */
  leave(): void {}

  /** Writes everything. What can't be written is lost with the process. */
  async finish(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.flush();
  }

  /** Writes what there is now. */
  async flush(): Promise<void> {
    await this.#running;
    await this.#writeAll();
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#running !== undefined || this.#stopped) return;
    this.#timer = this.#clock.at(this.#clock.now() + DELAY, () => {
      this.#timer = undefined;
      this.#running = this.#writeAll().then(() => {
        this.#running = undefined;
        if (this.#seen.size > 0) this.#arm();
      });
    });
  }

  async #writeAll(): Promise<void> {
    const all = [...this.#seen].sort(([a], [b]) => a - b);
    try {
      for (let from = 0; from < all.length; from += BATCH) {
        const some = all.slice(from, from + BATCH);
        await this.#engine.write(() => written(some));
        for (const [id, at] of some) if (this.#seen.get(id) === at) this.#seen.delete(id);
      }
    } catch (error) {
      this.#log.event('warn', 'registry.store.soft_write_failed', { error: (error as Error).message });
    }
  }
}

function* written(times: readonly (readonly [NodeId, UnixMillis])[]): Steps<void> {
  yield* run(WRITE, times.map(([id]) => id).join(), times.map(([, at]) => at).join());
}
