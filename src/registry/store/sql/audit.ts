import { fromHex, toHex } from '../../../base/bytes.ts';
import type { AuditEntry, AuditFacts, ChainPoint } from '../../../wire/audit-entry.ts';
import { all, hold, lock, one, type Row, run, type Steps, type Value } from '../steps.ts';
import type { AuditBounds, AuditQuery, Seal } from '../store.ts';
import { bytesOf } from './byte-column.ts';

/** Entries written, and records taken away, by one statement. */
const ROWS_AT_ONCE = 32;
const ENTRY_COLUMNS = 'seq, at, action, actor, node, target, network, source, details, hash';
const ENTRY_VALUES = '(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)';
const SELECT_ENTRIES = `SELECT audit_log.*, before.hash AS prev FROM audit_log
  LEFT JOIN audit_log AS before ON before.seq = audit_log.seq - 1`;

/**
 * The audit log. Changes leave records in `audit_pending` within their own step, which needs no row that others need
 * too; sealing numbers and chains them. `audit_state` says where the log begins and ends, so that rows missing at
 * either end show.
 */
export class AuditTable {
  *note(records: readonly AuditFacts[]): Steps<void> {
    for (const facts of records) {
      yield* run(
        `INSERT INTO audit_pending (at, action, actor, node, target, network, source, details)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
        ...columnsOf(facts),
      );
    }
  }

  *seal(limit: number, seal: Seal): Steps<number> {
    yield* lock('audit');
    const rows = yield* all('SELECT * FROM audit_pending ORDER BY id LIMIT ?', limit);
    if (rows.length === 0) return 0;
    let { seq, hash } = yield* this.#point('head', true);
    const entries = rows.map((row) => {
      const facts = factsOf(row);
      seq++;
      hash = seal(seq, facts, hash);
      return [seq, ...columnsOf(facts), fromHex(hash)!];
    });
    for (let at = 0; at < entries.length; at += ROWS_AT_ONCE) {
      const part = entries.slice(at, at + ROWS_AT_ONCE);
      if (part.length < ROWS_AT_ONCE) for (const entry of part) yield* this.#insert([entry]);
      else yield* this.#insert(part);
    }
    const ids = rows.map(({ id }) => Number(id));
    for (let at = 0; at < ids.length; at += ROWS_AT_ONCE) {
      const part = Array.from({ length: ROWS_AT_ONCE }, (_, i) => ids[at + i] ?? 0);
      yield* run(`DELETE FROM audit_pending WHERE id IN (${part.map(() => '?').join()})`, ...part);
    }
    yield* run('UPDATE audit_state SET head_seq = ?, head_hash = ? WHERE id = 1', seq, fromHex(hash)!);
    return rows.length;
  }

  *entries({ after, limit, network, before }: AuditQuery): Steps<AuditEntry[]> {
    const start = yield* this.#point('start');
    const [range, edge, order] =
      before === undefined
        ? ['audit_log.seq > ?', after, 'ASC']
        : ['audit_log.seq < ?', Math.min(before, Number.MAX_SAFE_INTEGER), 'DESC'];
    const rows =
      network === undefined
        ? yield* all(`${SELECT_ENTRIES} WHERE ${range} ORDER BY audit_log.seq ${order} LIMIT ?`, edge, limit)
        : yield* all(
            `${SELECT_ENTRIES} WHERE audit_log.network = ? AND ${range} ORDER BY audit_log.seq ${order} LIMIT ?`,
            network,
            edge,
            limit,
          );
    return rows.map((row) => ({
      ...factsOf(row),
      seq: Number(row.seq),
      // An entry whose forerunner is gone gets the hash the log begins with: whoever verifies sees the gap.
      prev: row.prev === null ? start.hash : toHex(bytesOf(row.prev)),
      hash: toHex(bytesOf(row.hash)),
    }));
  }

  *bounds(): Steps<AuditBounds> {
    const row = (yield* one('SELECT * FROM audit_state WHERE id = 1'))!;
    return {
      start: { seq: Number(row.start_seq), hash: toHex(bytesOf(row.start_hash)) },
      head: { seq: Number(row.head_seq), hash: toHex(bytesOf(row.head_hash)) },
    };
  }

  *prune(upTo: number, limit: number): Steps<ChainPoint | undefined> {
    yield* lock('audit');
    const start = yield* this.#point('start', true);
    const last = Math.min(upTo, start.seq + limit);
    const row = yield* one('SELECT seq, hash FROM audit_log WHERE seq <= ? ORDER BY seq DESC LIMIT 1', last);
    if (row === undefined) return undefined;
    yield* run('DELETE FROM audit_log WHERE seq <= ?', Number(row.seq));
    const hash = bytesOf(row.hash);
    yield* run('UPDATE audit_state SET start_seq = ?, start_hash = ? WHERE id = 1', Number(row.seq), hash);
    return { seq: Number(row.seq), hash: toHex(hash) };
  }

  *#point(which: 'start' | 'head', held = false): Steps<ChainPoint> {
    const sql = `SELECT ${which}_seq AS seq, ${which}_hash AS hash FROM audit_state WHERE id = 1`;
    const row = (held ? yield* hold(sql) : yield* one(sql))!;
    return { seq: Number(row.seq), hash: toHex(bytesOf(row.hash)) };
  }
  *#insert(entries: readonly (readonly Value[])[]): Steps<void> {
    const values = entries.map(() => ENTRY_VALUES).join();
    yield* run(`INSERT INTO audit_log (${ENTRY_COLUMNS}) VALUES ${values}`, ...entries.flat());
  }
}

function columnsOf({ at, action, by, node, target, network, source, details }: AuditFacts): Value[] {
  return [
    at,
    action,
    by,
    node ?? null,
    target ?? null,
    network ?? null,
    source ?? null,
    details === undefined ? null : JSON.stringify(details),
  ];
}

function factsOf(row: Row): AuditFacts {
  return {
    at: Number(row.at),
    action: String(row.action),
    by: String(row.actor),
    ...(row.node === null ? {} : { node: Number(row.node) }),
    ...(row.target === null ? {} : { target: Number(row.target) }),
    ...(row.network === null ? {} : { network: Number(row.network) }),
    ...(row.source === null ? {} : { source: String(row.source) }),
    ...(row.details === null ? {} : { details: detailsOf(String(row.details)) }),
  };
}

/** Whatever stands there: if somebody damaged it, its hash says so, and the rest of the log can still be read. */
function detailsOf(text: string): NonNullable<AuditFacts['details']> {
  try {
    return JSON.parse(text) as NonNullable<AuditFacts['details']>;
  } catch {
    return { damaged: text };
  }
}
