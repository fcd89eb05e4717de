import { PilotError } from '../../../api/errors.ts';
import type { Millis } from '../../../base/units.ts';
import type { Clock, Log, Timer } from '../../../runtime/ports.ts';
import { bytesOf } from '../steps.ts';
import type { GroupCommit } from './group-commit.ts';
import type { SeenPages } from './seen-pages.ts';
import { type Sql, storeError } from './sql.ts';

/** How long a heartbeat stays in memory only. */
export const SOFT_DELAY: Millis = 5000;
/** Pages written in one go: two or three milliseconds, so that no request waits longer. */
const SLICE = 48;
/** Between two slices requests have their turn. */
const PAUSE: Millis = 20;

export interface WriteBehindOptions {
  readonly sql: Sql;
  readonly pages: SeenPages;
  readonly commit: Pick<GroupCommit, 'write'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly path: string;
  readonly delay: Millis;
}

/** Brings last-seen times to the disk some seconds after they changed, in slices. */
export class WriteBehind {
  readonly #options: WriteBehindOptions;
  #timer: Timer | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;

  /** Reads what was written before. Errors: `state_corrupt`. */
  constructor(options: WriteBehindOptions) {
    this.#options = options;
    for (const row of options.sql.all('SELECT page, times FROM seen_pages')) {
      if (options.pages.load(Number(row.page), bytesOf(row.times))) continue;
      const text = `Cannot open the registry store ${options.path}: page ${String(row.page)} of its last-seen times is damaged`;
      throw new PilotError('state_corrupt', text);
    }
  }

  /** Something changed. */
  arm(): void {
    if (this.#timer !== undefined || this.#running !== undefined || this.#stopped) return;
    const { clock, delay } = this.#options;
    this.#timer = clock.at(clock.now() + delay, () => {
      this.#timer = undefined;
      this.#running = this.#writeSlices().then(() => {
        this.#running = undefined;
        if (this.#options.pages.unwritten > 0) this.arm();
      });
    });
  }

  /** Writes everything. What can't be written is lost with the process. */
  async finish(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#running;
    await this.#writeSlices();
  }

  /** Only what is there at the beginning: pages that change meanwhile wait for the next round. */
  async #writeSlices(): Promise<void> {
    const { pages, clock, log, path } = this.#options;
    try {
      for (let left = pages.unwritten; left > 0; left -= SLICE) {
        await this.#writeSlice(Math.min(SLICE, left));
        if (!this.#stopped) await clock.sleep(PAUSE);
      }
    } catch (error) {
      log.event('warn', 'registry.store.soft_write_failed', { error: storeError(error, path).message });
    }
  }

  async #writeSlice(limit: number): Promise<void> {
    const { pages, commit, sql } = this.#options;
    const taken = pages.take(limit);
    try {
      await commit.write(() => {
        for (const page of taken) {
          sql.run(
            'INSERT INTO seen_pages (page, times) VALUES (?, ?) ON CONFLICT (page) DO UPDATE SET times = excluded.times',
            page,
            pages.encode(page),
          );
        }
      });
    } catch (error) {
      pages.giveBack(taken);
      throw error;
    }
  }
}
