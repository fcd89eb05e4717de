import type { NodeId, UnixMillis } from '../../../base/units.ts';
import { all, one, run, type Steps } from '../steps.ts';
import type { TrustKey } from '../store.ts';
import type { TrustHalf, TrustPair, TrustRows, TrustTombstone } from '../trust-ledger.ts';

/** The rows of `TrustLedger` in three tables. */
export class TrustTables implements TrustRows {
  *peers(id: NodeId, limit: number, at: UnixMillis): Steps<NodeId[]> {
    const rows = yield* all(
      `SELECT peer FROM (
         SELECT high AS peer FROM trust_pairs WHERE low = ? AND (not_after IS NULL OR not_after > ?)
         UNION SELECT low AS peer FROM trust_pairs WHERE high = ? AND (not_after IS NULL OR not_after > ?)
       ) AS peers ORDER BY peer LIMIT ?`,
      id,
      at,
      id,
      at,
      limit,
    );
    return rows.map((row) => Number(row.peer));
  }

  *list({ low, high }: TrustKey, limit: number, at: UnixMillis): Steps<TrustKey[]> {
    const rows = yield* all(
      `SELECT low, high FROM trust_pairs WHERE (low, high) > (?, ?) AND (not_after IS NULL OR not_after > ?)
       ORDER BY low, high LIMIT ?`,
      low,
      high,
      at,
      limit,
    );
    return rows.map((row) => ({ low: Number(row.low), high: Number(row.high) }));
  }

  *pair(a: NodeId, b: NodeId): Steps<TrustPair | undefined> {
    const row = yield* one(
      'SELECT request, accept, certificate, serial, not_after FROM trust_pairs WHERE low = ? AND high = ?',
      Math.min(a, b),
      Math.max(a, b),
    );
    return row === undefined
      ? undefined
      : {
          proof: { request: String(row.request), accept: String(row.accept) },
          certificate: String(row.certificate),
          serial: Number(row.serial),
          notAfter: row.not_after === null ? undefined : Number(row.not_after),
        };
  }
  *putPair(a: NodeId, b: NodeId, { proof, certificate, serial, notAfter }: TrustPair): Steps<void> {
    yield* run(
      `INSERT INTO trust_pairs (low, high, request, accept, certificate, serial, not_after)
         VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (low, high) DO UPDATE SET request = excluded.request, accept = excluded.accept,
         certificate = excluded.certificate, serial = excluded.serial, not_after = excluded.not_after`,
      Math.min(a, b),
      Math.max(a, b),
      proof.request,
      proof.accept,
      certificate,
      serial,
      notAfter ?? null,
    );
  }
  *dropPair(a: NodeId, b: NodeId): Steps<boolean> {
    const sql = 'DELETE FROM trust_pairs WHERE low = ? AND high = ?';
    return (yield* run(sql, Math.min(a, b), Math.max(a, b))) > 0;
  }

  *half(giver: NodeId, peer: NodeId): Steps<TrustHalf | undefined> {
    const sql = 'SELECT kind, message, at FROM trust_halves WHERE giver = ? AND peer = ?';
    const row = yield* one(sql, giver, peer);
    return row === undefined
      ? undefined
      : { kind: row.kind as TrustHalf['kind'], message: String(row.message), at: Number(row.at) };
  }
  *putHalf(giver: NodeId, peer: NodeId, half: TrustHalf): Steps<void> {
    yield* run(
      `INSERT INTO trust_halves (giver, peer, kind, message, at) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (giver, peer) DO UPDATE SET kind = excluded.kind, message = excluded.message,
         at = excluded.at`,
      giver,
      peer,
      half.kind,
      half.message,
      half.at,
    );
  }
  *dropHalf(giver: NodeId, peer: NodeId): Steps<boolean> {
    return (yield* run('DELETE FROM trust_halves WHERE giver = ? AND peer = ?', giver, peer)) > 0;
  }

  *tombstone(giver: NodeId, peer: NodeId): Steps<TrustTombstone | undefined> {
    const sql = 'SELECT serial, at, revocation FROM trust_tombstones WHERE giver = ? AND peer = ?';
    const row = yield* one(sql, giver, peer);
    return row === undefined
      ? undefined
      : { serial: Number(row.serial), at: Number(row.at), revocation: String(row.revocation) };
  }
  *putTombstone(giver: NodeId, peer: NodeId, tombstone: TrustTombstone, message: string): Steps<void> {
    yield* run(
      `INSERT INTO trust_tombstones (giver, peer, serial, at, message, revocation) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (giver, peer) DO UPDATE SET serial = excluded.serial, at = excluded.at,
         message = excluded.message, revocation = excluded.revocation`,
      giver,
      peer,
      tombstone.serial,
      tombstone.at,
      message,
      tombstone.revocation,
    );
  }
  *trimTombstones(giver: NodeId, limit: number): Steps<void> {
    const row = yield* one('SELECT count(*) AS count FROM trust_tombstones WHERE giver = ?', giver);
    if (Number(row!.count) <= limit) return;
    yield* run(
      `DELETE FROM trust_tombstones WHERE giver = ? AND peer NOT IN
         (SELECT peer FROM trust_tombstones WHERE giver = ? ORDER BY at DESC, peer DESC LIMIT ?)`,
      giver,
      giver,
      limit,
    );
  }
}
