import { PilotError } from '../../../api/errors.ts';
import type { Clock } from '../../../runtime/ports.ts';
import type { Engine } from '../sql/store.ts';
import type { Steps } from '../steps.ts';
import { databaseError, isConflict, isLost } from './errors.ts';
import type { DatabaseLink, Pools } from './link.ts';
import { type Asks, Statements } from './sql.ts';

/** Steps that may wait for a connection; more are refused, so that a slow database does not fill our memory. */
const MAX_WAITING = 20_000;
/** A transaction that others got in the way of is tried again this often. */
const MAX_TRIES = 12;

export interface EngineOptions {
  readonly link: DatabaseLink;
  readonly clock: Clock;
  /** A number in [0, 1). */
  readonly random: () => number;
  readonly schema: string;
  /** Of the database, for messages. */
  readonly name: string;
}

/**
 * Steps over PostgreSQL. A write is one READ COMMITTED transaction: each statement sees what was committed before it,
 * and what it depends on is locked first (`lock`, `hold`), so that it is as if writes that touch the same things came
 * one after the other. Conflicts that are left (a name taken meanwhile, a deadlock) are tried again.
 */
export function postgresEngine(options: EngineOptions): Engine {
  const { link, clock, random, schema, name } = options;
  const statements = new Statements(schema);
  let waiting = 0;

  function pools(): Pools {
    const found = link.pools;
    if (found !== undefined) return found;
    throw new PilotError('unavailable', `Cannot use the registry's database ${name}: it cannot be reached`);
  }
  async function drive<T>(sql: Asks, steps: Steps<T>): Promise<T> {
    const iterator = steps[Symbol.iterator]();
    let step = iterator.next();
    while (step.done !== true) step = iterator.next(await statements.execute(sql, step.value));
    return step.value;
  }

  /** Once more when the connection went away and nothing can have happened. */
  async function attempt<T>(run: (pools: Pools) => Promise<T>, mayRepeat: (thrown: unknown) => boolean) {
    if (waiting >= MAX_WAITING) {
      throw new PilotError('unavailable', `Cannot use the registry's database ${name}: it is too slow`);
    }
    waiting++;
    try {
      for (let tries = 1; ; tries++) {
        try {
          return await run(pools());
        } catch (thrown) {
          if (isLost(thrown)) link.suspect();
          if (tries >= MAX_TRIES || !mayRepeat(thrown)) throw thrown;
          await clock.sleep(random() * 3 * tries);
        }
      }
    } catch (thrown) {
      throw databaseError(thrown, name);
    } finally {
      waiting--;
    }
  }

  return {
    read: (work) => attempt(({ reads }) => drive(reads, single(work())), isLost),
    view: (work) =>
      attempt(
        ({ views }) =>
          views.transaction('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY', (asks) => drive(asks, work())),
        (thrown) => isLost(thrown) || isConflict(thrown),
      ),
    write(work) {
      let committing = false;
      return attempt(
        ({ writes }) => {
          committing = false;
          return writes.transaction(
            'BEGIN',
            (asks) => drive(asks, work()),
            () => {
              committing = true;
            },
          );
        },
        // When the connection goes away during the commit nobody knows whether it happened.
        (thrown) => isConflict(thrown) || (isLost(thrown) && !committing),
      );
    },
  };
}

/** Outside a transaction a second statement would see another state. */
function* single<T>(steps: Steps<T>): Steps<T> {
  const iterator = steps[Symbol.iterator]();
  let step = iterator.next();
  if (step.done !== true) step = iterator.next(yield step.value);
  if (step.done !== true) throw new Error(`a read of two statements: ${step.value.sql}`);
  return step.value;
}
