import type { NodeId } from '../../../base/units.ts';
import type { InboxEntry, InboxKind } from '../store.ts';
import type { Row, Sql } from './sql.ts';

export interface NewEntry extends Omit<InboxEntry, 'sequence'> {
  readonly target: NodeId;
  readonly source: string;
}

/** Inboxes of all nodes. One entry per target, kind and sender. */
export class InboxTable {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  add(entry: NewEntry): void {
    this.#sql.insert(
      `INSERT INTO inbox (target, kind, sender, justification, accept, message, source, at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      entry.target,
      entry.kind,
      entry.from,
      entry.justification,
      Number(entry.accept),
      entry.message,
      entry.source,
      entry.at,
    );
  }
  has(target: NodeId, kind: InboxKind, from: NodeId): boolean {
    return (
      this.#sql.one(
        'SELECT 1 AS found FROM inbox WHERE target = ? AND kind = ? AND sender = ?',
        target,
        kind,
        from,
      ) !== undefined
    );
  }
  remove(target: NodeId, kind: InboxKind, from: NodeId): void {
    this.#sql.run('DELETE FROM inbox WHERE target = ? AND kind = ? AND sender = ?', target, kind, from);
  }
  count(target: NodeId, kind: InboxKind): number {
    return Number(
      this.#sql.one('SELECT count(*) AS count FROM inbox WHERE target = ? AND kind = ?', target, kind)!.count,
    );
  }
  countOf(target: NodeId, kind: InboxKind, source: string): number {
    return Number(
      this.#sql.one(
        'SELECT count(*) AS count FROM inbox WHERE target = ? AND kind = ? AND source = ?',
        target,
        kind,
        source,
      )!.count,
    );
  }
  /** Keeps the newest `limit` entries of a kind. */
  trim(target: NodeId, kind: InboxKind, limit: number): void {
    const surplus = this.count(target, kind) - limit;
    if (surplus <= 0) return;
    this.#sql.run(
      `DELETE FROM inbox WHERE sequence IN
         (SELECT sequence FROM inbox WHERE target = ? AND kind = ? ORDER BY sequence LIMIT ?)`,
      target,
      kind,
      surplus,
    );
  }
  isEmpty(target: NodeId, upTo: number): boolean {
    return (
      this.#sql.one(
        'SELECT 1 AS found FROM inbox WHERE target = ? AND sequence <= ? LIMIT 1',
        target,
        upTo,
      ) === undefined
    );
  }
  /** Everything but revocations. */
  take(target: NodeId): InboxEntry[] {
    const taken = this.#sql
      .all("SELECT * FROM inbox WHERE target = ? AND kind <> 'revocation' ORDER BY sequence", target)
      .map(entry);
    this.#sql.run("DELETE FROM inbox WHERE target = ? AND kind <> 'revocation'", target);
    return taken;
  }
  acknowledge(target: NodeId, upTo: number): void {
    this.#sql.run('DELETE FROM inbox WHERE target = ? AND sequence <= ?', target, upTo);
  }
  list(target: NodeId, limit: number): InboxEntry[] {
    return this.#sql
      .all('SELECT * FROM inbox WHERE target = ? ORDER BY sequence LIMIT ?', target, limit)
      .map(entry);
  }
}

function entry(row: Row): InboxEntry {
  return {
    sequence: Number(row.sequence),
    kind: row.kind as InboxKind,
    from: Number(row.sender),
    justification: String(row.justification),
    accept: row.accept === 1,
    message: String(row.message),
    at: Number(row.at),
  };
}
