/**
 * A step of the store as the statements it needs, one after the other: the same code runs at once over an embedded
 * database and, statement by statement, over one that is asked through a socket.
 */
export type Value = number | string | Uint8Array | null;
export type Row = Readonly<Record<string, unknown>>;

/** SQL that all engines understand; each `?` stands for the next value. */
export interface Statement {
  /** `row` and `rows` read what comes back, `run` counts the rows changed; `lock` is no SQL but names. */
  readonly kind: 'row' | 'rows' | 'run' | 'lock';
  readonly sql: string;
  readonly values: readonly Value[];
  /** The rows read stay as they are until the step is done. */
  readonly hold?: true;
}

export interface Result {
  readonly rows: readonly Row[];
  readonly changes: number;
}

/** What yields statements, takes their results, and ends with a value. Use it once, with `yield*`. */
export type Steps<T> = Iterable<Statement, T, Result>;

/** The first row. */
export function* one(sql: string, ...values: Value[]): Generator<Statement, Row | undefined, Result> {
  return (yield { kind: 'row', sql, values }).rows[0];
}
export function* all(sql: string, ...values: Value[]): Generator<Statement, readonly Row[], Result> {
  return (yield { kind: 'rows', sql, values }).rows;
}
/** Rows changed. */
export function* run(sql: string, ...values: Value[]): Generator<Statement, number, Result> {
  return (yield { kind: 'run', sql, values }).changes;
}
/** Like `one`; nobody else changes the row before this step is done. */
export function* hold(sql: string, ...values: Value[]): Generator<Statement, Row | undefined, Result> {
  return (yield { kind: 'row', sql, values, hold: true }).rows[0];
}
/**
 * Steps that lock one name run one after the other. Before anything that depends on it is read. Steps that lock
 * several do so in one call, or in one order.
 */
export function* lock(...names: string[]): Generator<Statement, void, Result> {
  if (names.length > 0) yield { kind: 'lock', sql: '', values: names };
}

/** Steps that need no statement. */
export function given<T>(value: T): Steps<T> {
  return { [Symbol.iterator]: () => ({ next: () => ({ done: true, value }) }) };
}

/** Runs steps over what answers at once. */
export function runNow<T>(steps: Steps<T>, execute: (statement: Statement) => Result): T {
  const iterator = steps[Symbol.iterator]();
  let step = iterator.next();
  while (step.done !== true) step = iterator.next(execute(step.value));
  return step.value;
}

/** Engines hand out byte columns as Buffer or ArrayBuffer. */
export function bytesOf(value: unknown): Uint8Array {
  return value instanceof ArrayBuffer ? new Uint8Array(value) : Uint8Array.from(value as Uint8Array);
}
