import type { NodeId } from '../../../base/units.ts';
import { all, one, type Row, run, type Steps } from '../steps.ts';
import type { InboxEntry, InboxKind } from '../store.ts';
import type { InboxRows, NewEntry } from '../trust-ledger.ts';

/**
 * Inboxes of all nodes. One entry per target, kind and sender. Whoever adds has locked the target's inbox, so that
 * its numbers become visible in their order: a reader acknowledges all up to the last it saw.
 */
export class InboxTable implements InboxRows {
  *add(entry: NewEntry): Steps<void> {
    yield* run(
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
  *has(target: NodeId, kind: InboxKind, from: NodeId): Steps<boolean> {
    const sql = 'SELECT 1 AS found FROM inbox WHERE target = ? AND kind = ? AND sender = ?';
    return (yield* one(sql, target, kind, from)) !== undefined;
  }
  *remove(target: NodeId, kind: InboxKind, from: NodeId): Steps<void> {
    yield* run('DELETE FROM inbox WHERE target = ? AND kind = ? AND sender = ?', target, kind, from);
  }
  *count(target: NodeId, kind: InboxKind): Steps<number> {
    const sql = 'SELECT count(*) AS count FROM inbox WHERE target = ? AND kind = ?';
    return Number((yield* one(sql, target, kind))!.count);
  }
  *countOf(target: NodeId, kind: InboxKind, source: string): Steps<number> {
    const sql = 'SELECT count(*) AS count FROM inbox WHERE target = ? AND kind = ? AND source = ?';
    return Number((yield* one(sql, target, kind, source))!.count);
  }
  /** Keeps the newest `limit` entries of a kind. */
  *trim(target: NodeId, kind: InboxKind, limit: number): Steps<void> {
    const surplus = (yield* this.count(target, kind)) - limit;
    if (surplus <= 0) return;
    yield* run(
      `DELETE FROM inbox WHERE sequence IN
         (SELECT sequence FROM inbox WHERE target = ? AND kind = ? ORDER BY sequence LIMIT ?)`,
      target,
      kind,
      surplus,
    );
  }
  *isEmpty(target: NodeId, upTo: number): Steps<boolean> {
    const sql = 'SELECT 1 AS found FROM inbox WHERE target = ? AND sequence <= ? LIMIT 1';
    return (yield* one(sql, target, upTo)) === undefined;
  }
  /** Everything but revocations. */
  *take(target: NodeId): Steps<InboxEntry[]> {
    const rows = yield* all(
      "DELETE FROM inbox WHERE target = ? AND kind <> 'revocation' RETURNING *",
      target,
    );
    return rows.map(entry).sort((a, b) => a.sequence - b.sequence);
  }
  *acknowledge(target: NodeId, upTo: number): Steps<void> {
    yield* run('DELETE FROM inbox WHERE target = ? AND sequence <= ?', target, upTo);
  }
  *list(target: NodeId, limit: number): Steps<InboxEntry[]> {
    const sql = 'SELECT * FROM inbox WHERE target = ? ORDER BY sequence LIMIT ?';
    return (yield* all(sql, target, limit)).map(entry);
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
