import type postgres from 'postgres';
import type { ParameterOrJSON } from 'postgres';
import { restoredRow, stored } from '../sql/text.ts';
import type { Result, Statement, Value } from '../steps.ts';

/** The library's client, where 64-bit numbers are numbers: ours stay below 2^53. */
export type Sql = postgres.Sql<{ bigint: number }>;

/** A client, or one of its transactions. */
export type Asks = Pick<Sql, 'unsafe'>;

const NOTHING: Result = { rows: [], changes: 0 };
const LOCK = `SELECT pg_advisory_xact_lock(hashtextextended(name, 0))
  FROM json_array_elements_text($1::text::json) AS name`;

/** Statements of the tables as PostgreSQL understands them. */
export class Statements {
  /** Keeps registries in one database from sharing locks. */
  readonly #schema: string;
  readonly #texts = new Map<string, string>();

  constructor(schema: string) {
    this.#schema = schema;
  }

  async execute(sql: Asks, statement: Statement): Promise<Result> {
    if (statement.kind === 'lock') {
      // In one order for everybody.
      const names = statement.values.map((name) => `${this.#schema} ${String(name)}`).sort();
      await sql.unsafe(LOCK, [JSON.stringify(names)], { prepare: true });
      return NOTHING;
    }
    const values = statement.values.map(parameter);
    const rows = await sql.unsafe(this.#text(statement), values, { prepare: true });
    return { rows: rows.map(restoredRow), changes: rows.count ?? 0 };
  }

  /** `?` becomes `$1`, `$2`, …; rows that are held are locked. */
  #text({ sql, hold }: Statement): string {
    const key = hold === true ? `${sql} FOR UPDATE` : sql;
    let text = this.#texts.get(key);
    if (text === undefined) {
      let n = 0;
      text = key.replaceAll('?', () => `$${++n}`);
      this.#texts.set(key, text);
    }
    return text;
  }
}

function parameter(value: Value): ParameterOrJSON<number> {
  return typeof value === 'string' ? stored(value) : value;
}
