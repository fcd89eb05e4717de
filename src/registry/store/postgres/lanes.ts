import type { Asks, Sql } from './sql.ts';

/** Said like the library's own errors about connections. */
class LaneClosed extends Error {
  readonly code = 'CONNECTION_CLOSED';
}

interface Lane {
  readonly client: Sql;
  /** How often its connection closed. */
  closed: number;
}

/**
 * Connections for transactions. The library's own transactions bring down the process when their connection closes
 * between two statements, and its clients connect again by themselves: here a transaction ends with its connection.
 */
export class Lanes {
  readonly #lanes: Lane[] = [];
  readonly #free: Lane[] = [];
  readonly #waiting: ((lane: Lane) => void)[] = [];

  /** `client` makes one of a single connection. */
  constructor(count: number, client: (onClose: () => void) => Sql) {
    for (let n = 0; n < count; n++) {
      const lane: Lane = {
        closed: 0,
        client: client(() => {
          lane.closed++;
        }),
      };
      this.#lanes.push(lane);
      this.#free.push(lane);
    }
  }

  /** Runs `work` between `begin` and COMMIT. Rejects when any of it failed; then nothing of it happened, unless `onCommit` was called. */
  async transaction<T>(
    begin: string,
    work: (asks: Asks) => Promise<T>,
    onCommit: () => void = () => undefined,
  ): Promise<T> {
    const lane = this.#free.pop() ?? (await new Promise<Lane>((resolve) => this.#waiting.push(resolve)));
    const before = lane.closed;
    const asks = {
      unsafe: (...[text, values, options]: Parameters<Sql['unsafe']>) => {
        if (lane.closed !== before) throw new LaneClosed('the connection was closed');
        return lane.client.unsafe(text, values, options);
      },
    } as Asks;
    try {
      // Goes out together with the first statement.
      const begun = asks.unsafe(begin).execute();
      begun.catch(() => undefined);
      const value = await work(asks);
      await begun;
      onCommit();
      await asks.unsafe('COMMIT');
      return value;
    } catch (thrown) {
      await lane.client.unsafe('ROLLBACK').catch(() => undefined);
      throw thrown;
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free.push(lane);
      else next(lane);
    }
  }

  async end(options: { readonly timeout: number }): Promise<void> {
    await Promise.all(this.#lanes.map(({ client }) => client.end(options)));
  }
}
