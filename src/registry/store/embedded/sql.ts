import type Libsql from 'libsql';
import { type ErrorCode, PilotError } from '../../../api/errors.ts';
import { restoredRow, stored } from '../sql/text.ts';
import type { Result, Row, Statement, Value } from '../steps.ts';

const NOTHING: Result = { rows: [], changes: 0 };

/** The few things the store does with a database. Parameters always travel as one list: the library reads a lone byte array as named parameters. */
export class Sql {
  readonly #db: Libsql.Database;
  readonly #statements = new Map<string, Libsql.Statement<unknown[]>>();

  constructor(db: Libsql.Database) {
    this.#db = db;
  }

  get inTransaction(): boolean {
    return this.#db.inTransaction;
  }
  exec(sql: string): void {
    this.#db.exec(sql);
  }
  one(sql: string, ...values: readonly Value[]): Row | undefined {
    return this.#prepared(sql).get([...values]) as Row | undefined;
  }
  all(sql: string, ...values: readonly Value[]): Row[] {
    return this.#prepared(sql).all([...values]) as Row[];
  }
  /** Rows changed. */
  run(sql: string, ...values: readonly Value[]): number {
    return this.#prepared(sql).run([...values]).changes;
  }
  /** A statement of the tables. There is one writer, so nothing has to be locked. */
  execute({ kind, sql, values: given }: Statement): Result {
    if (kind === 'lock') return NOTHING;
    const values = given.map((value) => (typeof value === 'string' ? stored(value) : value));
    switch (kind) {
      case 'row': {
        const row = this.one(sql, ...values);
        return { rows: row === undefined ? [] : [restoredRow(row)], changes: 0 };
      }
      case 'rows':
        return { rows: this.all(sql, ...values).map(restoredRow), changes: 0 };
      case 'run':
        return { rows: [], changes: this.run(sql, ...values) };
      default:
        return kind satisfies never;
    }
  }
  close(): void {
    this.#statements.clear();
    this.#db.close();
  }

  #prepared(sql: string): Libsql.Statement<unknown[]> {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

/** What a failing statement means to callers. */
export function storeError(thrown: unknown, path: string): PilotError {
  if (thrown instanceof PilotError) return thrown;
  const native = thrown as { code?: unknown; message?: unknown };
  const text = typeof native.message === 'string' ? native.message : String(thrown);
  return new PilotError(codeOf(String(native.code)), `Cannot use the registry store ${path}: ${text}`, {
    cause: thrown,
  });
}

function codeOf(native: string): ErrorCode {
  if (native === 'SQLITE_FULL') return 'disk_full';
  if (native.startsWith('SQLITE_CORRUPT') || native === 'SQLITE_NOTADB') return 'state_corrupt';
  if (native.startsWith('SQLITE_BUSY') || native.startsWith('SQLITE_LOCKED')) return 'unavailable';
  if (/^SQLITE_(IOERR|CANTOPEN|READONLY|PERM|AUTH)/.test(native)) return 'io_error';
  return 'internal';
}
