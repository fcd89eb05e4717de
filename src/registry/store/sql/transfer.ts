/**
 * All rows of a store as lines of text that any engine reads again: how a registry moves from one to another.
 * The first line names the format, each further one is a row `["table", …values]`, bytes as `{"hex": "…"}`, the last
 * one says how many rows there were and what they add up to.
 */
import { PilotError } from '../../../api/errors.ts';
import { fromHex, toHex } from '../../../base/bytes.ts';
import { all, bytesOf, one, type Row, run, type Steps, type Value } from '../steps.ts';

const FORMAT = 1;
const PAGE = 500;
/** Rows written by one statement. */
const ROWS_AT_ONCE = 16;

interface Table {
  readonly name: string;
  readonly columns: readonly string[];
  /** The first of the columns that tell rows apart. */
  readonly key: number;
  /** There is a row in an empty store, which the one that comes replaces. */
  readonly replaces?: true;
}

function table(name: string, key: number, columns: string, replaces?: true): Table {
  return { name, key, columns: columns.split(' '), ...(replaces && { replaces }) };
}

/** Keys first. */
const TABLES: readonly Table[] = [
  table(
    'nodes',
    1,
    'id public_key owner endpoint lan beacons public hostname tags polo_score task_exec version relay_only proven registered last_seen key_created_at key_rotated_at key_rotations key_expires_at',
  ),
  table('node_documents', 1, 'node sequence document terms'),
  table('key_rotations', 2, 'node epoch old_key document'),
  table('node_terms', 2, 'node term'),
  table('trust_pairs', 2, 'low high request accept certificate serial not_after'),
  table('trust_halves', 2, 'giver peer kind message at'),
  table('trust_tombstones', 2, 'giver peer serial at message revocation'),
  table('inbox', 1, 'sequence target kind sender justification accept message source at'),
  table(
    'networks',
    1,
    'id name join_rule token token_hash enterprise members max_members ports description expr_policy created_at',
  ),
  table('members', 2, 'network node role tags since'),
  table('invites', 1, 'sequence target network inviter source at'),
  table('counters', 1, 'name value', true),
  table('audit_pending', 1, 'id at action actor node target network source details'),
  table('audit_log', 1, 'seq at action actor node target network source details hash'),
  table('audit_state', 1, 'id start_seq start_hash head_seq head_hash', true),
  table(
    'admin_tokens',
    1,
    'id name hash scopes networks created_by created_at expires_at revoked_at used_at',
  ),
  table(
    'webhooks',
    1,
    'id url secret events enabled created_at told delivered failing_since last_error lease_owner lease_until',
  ),
  table('webhook_deliveries', 2, 'webhook seq body attempts next_at error at'),
];

/** Tables whose numbers are never used again. */
export const NUMBERED: readonly string[] = ['nodes', 'inbox', 'invites', 'webhooks'];

/** What engines do in their own way. */
export interface TransferEngine {
  readonly sha256: (bytes: Uint8Array) => Uint8Array;
  /** The last number given in each of `NUMBERED`. */
  lastNumbers(): Steps<Readonly<Record<string, number>>>;
  /** From here on higher ones are given. */
  raiseNumbers(last: Readonly<Record<string, number>>): Steps<void>;
  /** Changes a row on its way out. */
  readonly current?: (table: string, row: Row) => Row;
}

export interface TransferSummary {
  readonly rows: Readonly<Record<string, number>>;
  /** Of all rows, in whatever order: hex. */
  readonly digest: string;
}

/** Rows of any order, added up. */
class Total {
  readonly rows: Record<string, number> = {};
  readonly #sha256: TransferEngine['sha256'];
  #sum = 0n;

  constructor(sha256: TransferEngine['sha256']) {
    this.#sha256 = sha256;
    for (const { name } of TABLES) this.rows[name] = 0;
  }
  add(name: string, line: string): void {
    this.rows[name]! += 1;
    this.#sum += BigInt(`0x${toHex(this.#sha256(new TextEncoder().encode(line)))}`);
  }
  get summary(): TransferSummary {
    return { rows: this.rows, digest: (this.#sum % (1n << 256n)).toString(16).padStart(64, '0') };
  }
}

/** Gives every line to `emit`. */
export function* exportRows(engine: TransferEngine, emit: (line: string) => void): Steps<TransferSummary> {
  emit(JSON.stringify({ pilot_registry_export: FORMAT }));
  const { summary } = yield* addUp(engine, emit);
  emit(JSON.stringify({ end: summary, last: yield* engine.lastNumbers() }));
  return summary;
}

/**
 * Fills an empty store, and reads it again to see that everything is there. Errors: `already_exists` (it is not empty),
 * `state_corrupt` (the lines are damaged or not all there), `invalid_argument` (no export, or of a newer version).
 */
export function* importRows(engine: TransferEngine, lines: Iterable<string>): Steps<TransferSummary> {
  yield* refuseUnlessEmpty();
  const total = new Total(engine.sha256);
  let waiting: { readonly table: Table; readonly rows: Value[][] } | undefined;
  let end: { readonly end: TransferSummary; readonly last: Record<string, number> } | undefined;
  let first = true;
  for (const line of lines) {
    const parsed = parse(line);
    if (first) {
      checkHeader(parsed);
      first = false;
    } else if (end !== undefined) throw damaged('there is something after its end');
    else if (Array.isArray(parsed)) {
      const { table, row } = readRow(parsed);
      total.add(table.name, line);
      if (waiting !== undefined && (waiting.table !== table || waiting.rows.length >= ROWS_AT_ONCE)) {
        yield* insert(waiting.table, waiting.rows);
        waiting = undefined;
      }
      waiting ??= { table, rows: [] };
      waiting.rows.push(row);
    } else end = parsed as typeof end;
  }
  if (waiting !== undefined) yield* insert(waiting.table, waiting.rows);
  if (end?.end === undefined || end.last === undefined) throw damaged('its end is missing');
  if (!isSame(total.summary, end.end)) throw damaged('its rows do not add up');
  yield* engine.raiseNumbers(end.last);
  const { summary } = yield* addUp({ ...engine, current: (_table, row) => row }, () => undefined);
  if (!isSame(summary, end.end)) throw damaged('what was written is not what was read');
  return summary;
}

function* addUp(engine: TransferEngine, emit: (line: string) => void): Steps<Total> {
  const total = new Total(engine.sha256);
  for (const { name, columns, key } of TABLES) {
    const keys = columns.slice(0, key);
    const places = keys.map(() => '?').join();
    const select = `SELECT ${columns.join()} FROM ${name}`;
    const order = `ORDER BY ${keys.join()} LIMIT ${PAGE}`;
    let after: Value[] | undefined;
    for (;;) {
      const rows: readonly Row[] =
        after === undefined
          ? yield* all(`${select} ${order}`)
          : yield* all(`${select} WHERE (${keys.join()}) > (${places}) ${order}`, ...after);
      for (const found of rows) {
        const row = engine.current?.(name, found) ?? found;
        const line = JSON.stringify([name, ...columns.map((column) => written(row[column]))]);
        total.add(name, line);
        emit(line);
      }
      if (rows.length < PAGE) break;
      after = keys.map((column) => rows.at(-1)![column] as Value);
    }
  }
  return total;
}

function* refuseUnlessEmpty(): Steps<void> {
  for (const { name, replaces } of TABLES) {
    if (replaces) continue;
    if ((yield* one(`SELECT 1 AS found FROM ${name} LIMIT 1`)) !== undefined)
      throw new PilotError('already_exists', `Cannot import: the store is not empty (${name})`, {
        hint: 'import into a new store: another directory, or another schema of the database',
      });
  }
}

function* insert({ name, columns, key, replaces }: Table, rows: readonly Value[][]): Steps<void> {
  const row = `(${columns.map(() => '?').join()})`;
  const keys = columns.slice(0, key).join();
  const changes = columns.slice(key).map((column) => `${column} = excluded.${column}`);
  const conflict = replaces ? ` ON CONFLICT (${keys}) DO UPDATE SET ${changes.join()}` : '';
  const text = (count: number): string =>
    `INSERT INTO ${name} (${columns.join()}) VALUES ${Array(count).fill(row).join()}${conflict}`;
  if (rows.length === ROWS_AT_ONCE) yield* run(text(ROWS_AT_ONCE), ...rows.flat());
  // Few lengths of statements: each is prepared and kept.
  else for (const values of rows) yield* run(text(1), ...values);
}

function written(value: unknown): unknown {
  const isPlain = value === null || typeof value === 'number' || typeof value === 'string';
  return isPlain ? value : { hex: toHex(bytesOf(value)) };
}

function readRow(parsed: readonly unknown[]): { table: Table; row: Value[] } {
  const table = TABLES.find(({ name }) => name === parsed[0]);
  if (table === undefined || parsed.length !== table.columns.length + 1)
    throw damaged(`it has rows of ${JSON.stringify(parsed[0])} that this version does not know`);
  return { table, row: parsed.slice(1).map(read) };
}

function read(value: unknown): Value {
  if (value === null || typeof value === 'string') return value;
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
  const hex = (value as { hex?: unknown } | undefined)?.hex;
  const bytes = typeof hex === 'string' ? fromHex(hex) : undefined;
  if (bytes === undefined) throw damaged('a value is of no known kind');
  return bytes;
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw damaged('a line is cut');
  }
}

function checkHeader(parsed: unknown): void {
  const format = (parsed as { pilot_registry_export?: unknown } | null)?.pilot_registry_export;
  if (format === FORMAT) return;
  const text = typeof format === 'number' ? 'it is of a newer version' : 'it is no export of a registry';
  throw new PilotError('invalid_argument', `Cannot import: ${text}`);
}

function isSame(a: TransferSummary, b: TransferSummary): boolean {
  return a.digest === b.digest && TABLES.every(({ name }) => (a.rows[name] ?? 0) === (b.rows[name] ?? 0));
}

function damaged(why: string): PilotError {
  return new PilotError('state_corrupt', `Cannot import: the export is damaged: ${why}`, {
    hint: 'export again',
  });
}
