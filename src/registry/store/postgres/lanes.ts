import type { Asks, Sql } from './sql.ts';

/** Said like the library's own errors about connections. */
class LaneClosed extends Error {
  readonly code = 'CONNECTION_CLOSED';
}

/** A client of one connection. When that closed, another takes its place: one that connects again may never answer. */
class Lane {
  readonly #make: (onClose: () => void) => Sql;
  #client: Sql;
  /** How often its connection closed. */
  closed = 0;

  constructor(make: (onClose: () => void) => Sql) {
    this.#make = make;
    this.#client = this.#next();
  }
  get client(): Sql {
    return this.#client;
  }
  #next(): Sql {
    const client = this.#make(() => {
      if (this.#client !== client) return;
      this.closed++;
      this.#client = this.#next();
      void client.end({ timeout: 0 }).catch(() => undefined);
    });
    return client;
  }
}

/** Connections for single statements, taken in turn; statements on one go out one behind the other. */
export class Readers implements Pick<Sql, 'unsafe'> {
  readonly #lanes: readonly Lane[];
  #turn = 0;

  constructor(count: number, client: (onClose: () => void) => Sql) {
    this.#lanes = Array.from({ length: count }, () => new Lane(client));
  }
  get unsafe(): Sql['unsafe'] {
    this.#turn = (this.#turn + 1) % this.#lanes.length;
    const { client } = this.#lanes[this.#turn]!;
    return client.unsafe.bind(client) as Sql['unsafe'];
  }
  async end(options: { readonly timeout: number }): Promise<void> {
    await Promise.all(this.#lanes.map(({ client }) => client.end(options)));
  }
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
      const lane = new Lane(client);
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
      if (lane.closed === before) await lane.client.unsafe('ROLLBACK').catch(() => undefined);
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
